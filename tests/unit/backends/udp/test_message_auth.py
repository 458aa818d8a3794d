"""Message authentication and cookies: forged, replayed and reflected datagrams are rejected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.udp.message_auth import (
    DOWN,
    REPLAY_WINDOW,
    UP,
    Authenticator,
    Verifier,
    derive,
    has_trailer,
    root_key,
    unverified_body,
)
from chat.transport.cookie import SLOT, Cookies

KEY = derive(root_key("open sesame"), UP, "nonce", "salt")
BODY = b'{"kind":"say","text":"a b\\nc","n":1}'

# --- message authentication ----------------------------------------------------------------------


@given(st.binary())
def test_a_protected_datagram_is_verified(body: bytes) -> None:
    assert Verifier(KEY).verify(Authenticator(KEY).protect(body)) == body


def test_a_datagram_that_was_changed_anywhere_is_rejected() -> None:
    protected = Authenticator(KEY).protect(BODY)
    for place in range(len(protected)):
        forged = bytearray(protected)
        forged[place] ^= 1
        assert Verifier(KEY).verify(bytes(forged)) is None


@pytest.mark.parametrize("cut", [1, 5, 32, 33, 35, len(BODY)])
def test_a_datagram_that_was_cut_is_rejected(cut: int) -> None:
    assert Verifier(KEY).verify(Authenticator(KEY).protect(BODY)[:-cut]) is None


@given(st.binary(max_size=200))
def test_anything_else_is_rejected(data: bytes) -> None:
    assert Verifier(KEY).verify(data) is None


@pytest.mark.parametrize(
    ("token", "purpose", "nonce", "salt"),
    [
        ("another", UP, "nonce", "salt"),
        ("open sesame", DOWN, "nonce", "salt"),
        ("open sesame", UP, "nonc", "esalt"),
        ("open sesame", UP, "nonce", "another"),
    ],
    ids=["another token", "sent back", "cut elsewhere", "another connection"],
)
def test_each_connection_and_direction_has_its_own_key(
    token: str, purpose: str, nonce: str, salt: str
) -> None:
    other = derive(root_key(token), purpose, nonce, salt)
    assert Verifier(other).verify(Authenticator(KEY).protect(BODY)) is None


def test_a_datagram_is_accepted_once() -> None:
    protected, verifier = Authenticator(KEY).protect(BODY), Verifier(KEY)
    assert verifier.verify(protected) == BODY
    assert verifier.verify(protected) is None


def test_a_forged_counter_does_not_move_the_window() -> None:
    authenticator, verifier = Authenticator(KEY), Verifier(KEY)
    first = authenticator.protect(BODY)
    assert verifier.verify(first.replace(b"\n1 ", b"\n999999 ")) is None
    assert verifier.verify(first) == BODY


@given(st.permutations(range(50)), st.lists(st.integers(0, 49)))
def test_in_any_order_each_is_accepted_once(order: list[int], again: list[int]) -> None:
    authenticator, verifier = Authenticator(KEY), Verifier(KEY)
    protected = [authenticator.protect(b"%d" % i) for i in range(50)]
    assert [verifier.verify(protected[i]) for i in order] == [b"%d" % i for i in order]
    assert [verifier.verify(protected[i]) for i in again] == [None] * len(again)


def test_what_is_older_than_the_window_is_dropped() -> None:
    authenticator, verifier = Authenticator(KEY), Verifier(KEY)
    protected = [authenticator.protect(BODY) for _ in range(REPLAY_WINDOW + 1)]
    assert verifier.verify(protected[-1]) == BODY
    assert verifier.verify(protected[0]) is None
    assert verifier.verify(protected[1]) == BODY


def test_the_token_is_not_in_what_is_sent() -> None:
    protected = Authenticator(derive(root_key("open sesame"), UP, "n", "s")).protect(BODY)
    assert b"sesame" not in protected


def test_the_body_is_found_before_it_is_verified() -> None:
    protected = Authenticator(KEY).protect(BODY)
    assert has_trailer(protected)
    assert unverified_body(protected) == BODY
    assert unverified_body(BODY) == BODY


# --- cookies -------------------------------------------------------------------------------------

HERE, THERE = ("192.0.2.1", 4711), ("192.0.2.1", 4712)


def test_a_cookie_is_valid_for_its_address_alone() -> None:
    cookies = Cookies(b"secret")
    cookie = cookies.make(HERE, 100.0)
    assert cookies.is_valid(cookie, HERE, 100.0)
    assert not cookies.is_valid(cookie, THERE, 100.0)


@pytest.mark.parametrize(("later", "valid"), [(0.0, True), (SLOT, True), (2 * SLOT, False)])
def test_a_cookie_expires(later: float, valid: bool) -> None:
    cookies = Cookies(b"secret")
    assert cookies.is_valid(cookies.make(HERE, 100.0), HERE, 100.0 + later) is valid


@pytest.mark.parametrize("cookie", ["", "0" * 32, "ä", "\ud800"])
def test_what_is_no_cookie_is_not_valid(cookie: str) -> None:
    assert not Cookies(b"secret").is_valid(cookie, HERE, 100.0)


def test_another_servers_cookie_is_not_valid() -> None:
    assert not Cookies(b"one").is_valid(Cookies(b"other").make(HERE, 100.0), HERE, 100.0)
