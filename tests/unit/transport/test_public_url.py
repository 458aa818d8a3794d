"""The URL at which a client asked, by the Host header and by what proxies say."""

from __future__ import annotations

import pytest

from chat.transport.public_url import public_url, read_proxies

OWN = "http://own:8000"
HERE, THERE, PROXY = "127.0.0.1", "192.0.2.7", "198.51.100.1"


def asked(host: str | None, client: str | None = THERE, scheme: str = "http", /, **forwarded: str) -> str:
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    headers += [
        (f"x-forwarded-{name}".encode(), value.encode("latin-1")) for name, value in forwarded.items()
    ]
    scope = {"scheme": scheme, "headers": headers, "client": (client, 50000) if client else None}
    return public_url(scope, OWN, read_proxies(f"{PROXY}, 10.0.0.0/8, 2001:db8::/32"))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1:8010", "http://127.0.0.1:8010"),
        ("[::1]:8010", "http://[::1]:8010"),
        ("printer", "http://printer"),
        ("printer:", "http://printer"),
        ("printer:80", "http://printer"),
        ("printer:443", "http://printer:443"),
        ("node_1.local:08010", "http://node_1.local:8010"),
    ],
)
def test_the_host_header_tells(host: str, url: str) -> None:
    assert asked(host) == url


def test_with_tls_the_usual_port_is_another() -> None:
    assert asked("printer:443", THERE, "https") == "https://printer"
    assert asked("printer:80", THERE, "https") == "https://printer:80"


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        ":8000",
        "a b",
        'a"b',
        "a<b",
        "a&b",
        "a'b",
        "a/b",
        "a\\b",
        "a@b",
        "a?b",
        "a\nb",
        "ä",
        "[::1",
        "[::1]x",
        "a:b",
        "a:1:2",
        "a:-1",
    ],
)
def test_a_host_that_no_machine_can_have_is_not_repeated(host: str | None) -> None:
    assert asked(host) == OWN


@pytest.mark.parametrize("port", ["0", "65536", "999999999"])
def test_a_port_that_no_machine_can_have_is_not_repeated(port: str) -> None:
    assert asked(f"printer:{port}") == "http://printer"


@pytest.mark.parametrize(
    "client", [HERE, "127.8.8.8", "::1", "::ffff:127.0.0.1", PROXY, "10.1.2.3", "2001:db8::7"]
)
def test_a_proxy_on_this_machine_or_a_named_one_tells_more(client: str) -> None:
    told = asked("127.0.0.1:8000", client, proto="https", host="chat.example", port="8443")
    assert told == "https://chat.example:8443"


@pytest.mark.parametrize(
    "client", [THERE, "198.51.100.2", "11.0.0.1", "2001:db9::7", "fe80::1%eth0", "", None]
)
def test_nobody_else_does(client: str | None) -> None:
    told = asked("printer:8000", client, proto="https", host="chat.example", port="8443")
    assert told == "http://printer:8000"


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ({"proto": "https"}, "https://printer:8000"),
        ({"proto": "HTTPS", "port": "443"}, "https://printer"),
        ({"port": "8443"}, "http://printer:8443"),
        ({"host": "chat.example"}, "http://chat.example"),
        ({"host": "chat.example:8443"}, "http://chat.example:8443"),
        ({"host": "chat.example:8443", "port": "1"}, "http://chat.example:8443"),
        ({"host": "chat.example, inner", "proto": "https, http"}, "https://chat.example"),
        ({"host": '"><'}, "http://printer:8000"),
        ({"proto": "javascript"}, "http://printer:8000"),
        ({"port": "x"}, "http://printer:8000"),
        ({"port": "99999"}, "http://printer:8000"),
    ],
)
def test_what_a_proxy_says_is_checked_and_completed(said: dict[str, str], url: str) -> None:
    assert asked("printer:8000", HERE, **said) == url


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.0/33", "1.2.3", "10.0.0.1:80"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no address of a proxy: write e\.g\. 192\.0\.2\.7"):
        read_proxies(text)
