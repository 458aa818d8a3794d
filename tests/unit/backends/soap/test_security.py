"""UsernameTokens: what is taken, what is refused and why, and that the nonces do not grow without bound."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1
from typing import Any

import pytest
from lxml import etree

from backends.soap.conversion import WSSE, WSU
from backends.soap.security import MAX_NONCE, SPAN, WINDOW, Nonces, UsernameTokens
from backends.soap.xml_reader import FaultCode, Refused
from chat.domain.errors import AccessDenied

NOW = 1_795_572_000.0
"""2026-11-25T02:00:00Z."""
CREATED = "2026-11-25T02:00:00Z"
ACCESS = "Sesam, öffne dich"
PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"


def digest(access: str, nonce: bytes, created: str) -> str:
    return b64encode(sha1(nonce + created.encode() + access.encode()).digest()).decode()


def security(
    *,
    access: str = ACCESS,
    nonce: bytes = b"0123456789abcdef",
    created: str = CREATED,
    password: str | None = None,
    type: str = f"{PROFILE}#PasswordDigest",
    nonce_text: str | None = None,
) -> Any:
    """Return a header with a token, as the profile has it unless the test says otherwise."""
    header = etree.Element(f"{{{WSSE}}}Security")
    token = etree.SubElement(header, f"{{{WSSE}}}UsernameToken")
    etree.SubElement(token, f"{{{WSSE}}}Username").text = "ann"
    element = etree.SubElement(token, f"{{{WSSE}}}Password", Type=type)
    element.text = digest(access, nonce, created) if password is None else password
    etree.SubElement(token, f"{{{WSSE}}}Nonce").text = nonce_text or b64encode(nonce).decode()
    etree.SubElement(token, f"{{{WSU}}}Created").text = created
    return header


@pytest.fixture
def tokens() -> UsernameTokens:
    return UsernameTokens(ACCESS, encrypted=False, now=lambda: NOW)


def refused(tokens: UsernameTokens, header: Any) -> str:
    with pytest.raises(Refused) as why:
        tokens.check(header)
    assert isinstance(why.value.error, AccessDenied)
    assert why.value.code == FaultCode("FailedAuthentication", WSSE)
    assert ACCESS not in str(why.value)
    return str(why.value)


def test_the_digest_is_the_one_of_the_profile() -> None:
    """Worked out by hand for a nonce, a time and a password: the profile gives no example that adds up."""
    tokens = UsernameTokens("abc", encrypted=False, now=lambda: NOW)
    raw = sha1(b"n" * 8 + CREATED.encode() + b"abc").digest()
    tokens.check(security(nonce=b"n" * 8, password=b64encode(raw).decode()))


@pytest.mark.parametrize(
    "created",
    [CREATED, "2026-11-25T02:00:00.123Z", "2026-11-25T03:00:00+01:00", "2026-11-25T02:00:00", " " + CREATED],
)
def test_a_time_may_be_written_in_every_way_of_xml_schema(tokens: UsernameTokens, created: str) -> None:
    tokens.check(security(created=created))


@pytest.mark.parametrize(
    "created",
    ["", "now", "2026-11-25", "12:00:00", "1795572000", "9999-99-99T00:00:00Z", "0001-01-01T00:00:00+14:00"],
)
def test_what_is_no_time_of_now_is_refused(tokens: UsernameTokens, created: str) -> None:
    assert "created" in refused(tokens, security(created=created)).lower() or created.startswith(("2", "0"))


@pytest.mark.parametrize("access", ["", "sesam", ACCESS + " ", ACCESS.upper()])
def test_another_password_is_refused(tokens: UsernameTokens, access: str) -> None:
    assert refused(tokens, security(access=access)).startswith("the access token is wrong")


@pytest.mark.parametrize("password", ["", "é", "not base64!", "QUJD", "A" * (MAX_NONCE + 4)])
def test_what_is_no_digest_is_refused(tokens: UsernameTokens, password: str) -> None:
    assert refused(tokens, security(password=password)).startswith("the access token is wrong")


def text(password: str = ACCESS, type: str | None = f"{PROFILE}#PasswordText") -> Any:
    """Return a header with the password as it is, which has neither nonce nor time (.NET sends none)."""
    header = security(password=password)
    token = header[0]
    element = token.find(f"{{{WSSE}}}Password")
    del element.attrib["Type"]
    if type is not None:
        element.set("Type", type)
    for part in (f"{{{WSSE}}}Nonce", f"{{{WSU}}}Created"):
        token.remove(token.find(part))
    return header


@pytest.mark.parametrize("type", [f"{PROFILE}#PasswordText", "#PasswordText", None])
def test_over_tls_the_password_itself_is_taken_as_often_as_it_comes(type: str | None) -> None:
    tokens = UsernameTokens(ACCESS, encrypted=True, now=lambda: NOW)
    for _ in range(2):
        tokens.check(text(type=type))
    tokens.check(security())


@pytest.mark.parametrize("password", ["", "sesam", ACCESS + " ", "é"])
def test_over_tls_another_password_is_refused(password: str) -> None:
    tokens = UsernameTokens(ACCESS, encrypted=True, now=lambda: NOW)
    assert refused(tokens, text(password)).startswith("the access token is wrong")


@pytest.mark.parametrize("type", [f"{PROFILE}#PasswordText", None])
def test_without_tls_the_password_itself_is_refused_with_that_reason(
    tokens: UsernameTokens, type: str | None
) -> None:
    assert refused(tokens, text(type=type)) == (
        "the password of a UsernameToken is accepted as it is (PasswordText) over TLS only: "
        "without TLS send its digest (PasswordDigest)"
    )


def test_another_type_of_password_is_refused(tokens: UsernameTokens) -> None:
    assert "PasswordDigest or, over TLS, PasswordText" in refused(tokens, text(type="#PasswordHash"))


@pytest.mark.parametrize("nonce", ["é", "!", "A" * (MAX_NONCE + 4), "  "])
def test_what_is_no_nonce_is_refused(tokens: UsernameTokens, nonce: str) -> None:
    assert "Nonce" in refused(tokens, security(nonce_text=nonce))


def test_without_a_token_is_refused(tokens: UsernameTokens) -> None:
    empty = etree.Element(f"{{{WSSE}}}Security")
    two = security()
    two.append(security(nonce=b"another")[0])
    for header in (None, empty, two):
        assert refused(tokens, header).startswith("this server requires an access token")


@pytest.mark.parametrize("part", ["Password", "Nonce"])
def test_a_token_without_a_part_is_refused(tokens: UsernameTokens, part: str) -> None:
    header = security()
    token = header[0]
    token.remove(token.find(f"{{{WSSE}}}{part}"))
    refused(tokens, header)


@pytest.mark.parametrize(("seconds", "word"), [(-WINDOW - 1, "behind"), (WINDOW + 1, "ahead")])
def test_an_old_token_and_one_of_tomorrow_are_refused(seconds: float, word: str) -> None:
    tokens = UsernameTokens(ACCESS, encrypted=False, now=lambda: NOW - seconds)
    assert f"{WINDOW + 1:.0f} s {word}" in refused(tokens, security())


@pytest.mark.parametrize("seconds", [-WINDOW + 1, WINDOW - 1])
def test_clocks_may_differ_by_minutes(seconds: float) -> None:
    UsernameTokens(ACCESS, encrypted=False, now=lambda: NOW - seconds).check(security())


def test_a_token_is_good_once(tokens: UsernameTokens) -> None:
    tokens.check(security())
    assert "used before" in refused(tokens, security())
    tokens.check(security(nonce=b"another"))


def test_a_token_that_was_refused_was_not_used(tokens: UsernameTokens) -> None:
    refused(tokens, security(access="guessed"))
    assert len(tokens.nonces) == 0


# --- nonces --------------------------------------------------------------------------------------


def test_nonces_are_forgotten_when_their_time_is_over() -> None:
    nonces = Nonces()
    for i in range(100):
        assert nonces.use(b"%d" % i, NOW, NOW)
    assert nonces.use(b"later", NOW + WINDOW + SPAN + 1, NOW + WINDOW + SPAN + 1)
    assert len(nonces) == 1


def test_nonces_never_get_more_than_their_bound_and_none_is_good_twice() -> None:
    nonces = Nonces(most=50)
    used = []
    for i in range(1000):
        now = NOW + i
        assert nonces.use(b"%d" % i, now, now)
        used.append((b"%d" % i, now))
        assert len(nonces) <= 50
    now = NOW + 999
    assert not any(nonces.use(nonce, created, now) for nonce, created in used)


def test_a_new_token_is_taken_though_the_memory_is_full() -> None:
    nonces = Nonces(most=10)
    for i in range(10):
        assert nonces.use(b"%d" % i, NOW - 100, NOW)
    assert nonces.use(b"new", NOW, NOW)
    assert not nonces.use(b"as old as what was forgotten", NOW - 100, NOW)
