"""Addresses that are URLs: what they say, and that nobody reads the password in them by chance."""

from __future__ import annotations

import pytest

import backends
from backends.rabbitmq.amqp_login import parameters
from backends.rabbitmq.names import virtual_host
from chat.domain.errors import ChatError
from chat.interfaces.address import parse_address, parse_servers
from chat.server.logs import open_log
from tests.support.processes import chat_here, one_line

AMQP = ("amqp", "amqps")
URL = "amqp://ann:se%2Fcret@example.org:5673/my%2Fhost"


def test_a_url_names_host_port_and_the_rest() -> None:
    address = parse_address(URL, 5672, AMQP)
    assert (address.host, address.port, address.url) == ("example.org", 5673, URL)
    assert virtual_host(address) == "my/host"
    told = parameters(address, "a token", "test")
    assert (told.credentials.username, told.credentials.password) == ("ann", "se/cret")


def test_without_a_port_it_is_the_techniques_and_without_a_path_the_first_virtual_host() -> None:
    address = parse_address("amqp://example.org", 5672, AMQP)
    assert address.port == 5672
    assert virtual_host(address) == "/"


def test_without_a_password_the_access_token_is_it() -> None:
    told = parameters(parse_address("amqp://ann@example.org", 5672, AMQP), "a token", "test")
    assert (told.credentials.username, told.credentials.password) == ("ann", "a token")
    told = parameters(parse_address("example.org", 5672, AMQP), "", "test")
    assert (told.credentials.username, told.credentials.password) == ("guest", "guest")


def test_nobody_sees_the_password_by_chance() -> None:
    address = parse_address(URL, 5672, AMQP)
    assert "cret" not in f"{address} {address!r}"


STRANGE = ["se,cret", "se#cret", "se@cret", "se?cret", "se:cret", "se%cret", "se,c:r@e#t", "sé,крет"]


@pytest.mark.parametrize("password", STRANGE)
@pytest.mark.parametrize("scheme", ["amqp", "AMQP"])
def test_a_password_may_hold_what_separates_the_parts_of_other_urls(password: str, scheme: str) -> None:
    (address,) = parse_servers(f"{scheme}://ann:{password}@[::1]:5673/my%2Fhost", 5672, AMQP)
    assert (address.host, address.port, virtual_host(address)) == ("::1", 5673, "my/host")
    told = parameters(address, "a token", "test")
    assert (told.credentials.username, told.credentials.password) == ("ann", password)


def test_a_comma_before_a_url_begins_another_one() -> None:
    both = parse_servers("amqp://a:b,c@one/x,amqp://two", 5672, AMQP)
    assert [(one.host, one.url) for one in both] == [("one", "amqp://a:b%2Cc@one/x"), ("two", "amqp://two")]


@pytest.mark.parametrize(
    ("text", "schemes"),
    [
        (URL, ()),
        ("http://ann:secret@example.org", AMQP),
        ("amqp://ann:secret@", AMQP),
        ("amqp://ann:secret", AMQP),
        ("amqp://ann:x/secret@example.org", AMQP),
        ("amqp://ann:x@secret", ()),
        ("ann:secret@example.org", AMQP),
        ("ann:x,secret@example.org", AMQP),
    ],
)
def test_what_is_none_is_refused_without_the_password(text: str, schemes: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"is no address|has no user and no password") as refused:
        parse_servers(text, 5672, schemes)
    assert "cret" not in str(refused.value)


def test_amqps_means_tls_and_has_a_port_of_its_own() -> None:
    plain, encrypted = parse_servers("amqp://example.org,AMQPS://example.org", 5672, AMQP)
    assert (plain.port, plain.encrypted) == (5672, False)
    assert (encrypted.port, encrypted.encrypted) == (5671, True)
    assert parse_address("example.org", 5672, AMQP).encrypted is None
    assert backends.technique("rabbitmq").port_for(encrypted=True) == 5671


def test_a_password_is_not_sent_where_amqps_was_named_and_nobody_is_trusted() -> None:
    address = parse_address("amqps://ann:secret@example.org", 5672, AMQP)
    with pytest.raises(ChatError, match=r"amqps:// at example.org:5671 is encrypted: say whom") as refused:
        parameters(address, "", "test")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["send", "-b", "rabbitmq", "--server", "amqp://ann:x,secret", "hello"],
        ["send", "-b", "tcp", "--server", "amqp://ann:x,secret@example.org", "hello"],
        ["serve", "tcp", "--port", "0", "--log", "amqps://ann:x,secret@127.0.0.1:1"],
        ["doctor", "ann:x,secret@example.org:1"],
        ["serve", "tcp", "--log", "amqp://ann:x,secret"],
        ["serve", "tcp", "--tls", "auto", "--log", "amqp://ann:x,secret@192.0.2.1"],
        ["serve", "tcp", "--log", "kafka://ann:x@secret"],
        ["bench", "broker", "--server", "amqp://ann:x,secret"],
        ["bench", "broker", "--server", "amqps://ann:x,secret@127.0.0.1:1"],
    ],
    ids=" ".join,
)
def test_no_command_shows_a_password(arguments: list[str]) -> None:
    done = chat_here(*arguments)
    assert done.returncode in (1, 2)
    assert one_line(done.stderr), done.stderr
    assert "secret" not in done.stderr


def test_a_log_that_is_none_is_refused_without_the_password() -> None:
    with pytest.raises(ChatError, match="is not a log: write memory, sqlite:PATH or amqp://") as refused:
        open_log("kafka://ann:secret@example.org/", backends.techniques())
    assert "secret" not in str(refused.value)
