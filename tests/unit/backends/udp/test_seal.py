"""Seals and cookies: what is forged, repeated, reflected or somebody else's is not believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.udp.cookie import SLOT, Cookies
from backends.udp.seal import DOWN, UP, WIDTH, Opener, Sealer, body_of, derive, is_sealed, root_key

KEY = derive(root_key("open sesame"), UP, "nonce", "salt")
BODY = b'{"kind":"say","text":"a b\\nc","n":1}'

# --- seals ---------------------------------------------------------------------------------------


@given(st.binary())
def test_what_was_sealed_is_opened(body: bytes) -> None:
    assert Opener(KEY).open(Sealer(KEY).seal(body)) == body


def test_a_datagram_that_was_changed_anywhere_is_not_opened() -> None:
    sealed = Sealer(KEY).seal(BODY)
    for place in range(len(sealed)):
        forged = bytearray(sealed)
        forged[place] ^= 1
        assert Opener(KEY).open(bytes(forged)) is None


@pytest.mark.parametrize("cut", [1, 5, 32, 33, 35, len(BODY)])
def test_a_datagram_that_was_cut_is_not_opened(cut: int) -> None:
    assert Opener(KEY).open(Sealer(KEY).seal(BODY)[:-cut]) is None


@given(st.binary(max_size=200))
def test_anything_else_is_not_opened(data: bytes) -> None:
    assert Opener(KEY).open(data) is None


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
    assert Opener(other).open(Sealer(KEY).seal(BODY)) is None


def test_a_datagram_is_opened_once() -> None:
    sealed, opener = Sealer(KEY).seal(BODY), Opener(KEY)
    assert opener.open(sealed) == BODY
    assert opener.open(sealed) is None


def test_a_forged_counter_moves_nothing() -> None:
    sealer, opener = Sealer(KEY), Opener(KEY)
    first = sealer.seal(BODY)
    assert opener.open(first.replace(b"\n1 ", b"\n999999 ")) is None
    assert opener.open(first) == BODY


@given(st.permutations(range(50)), st.lists(st.integers(0, 49)))
def test_in_any_order_each_comes_once(order: list[int], again: list[int]) -> None:
    sealer, opener = Sealer(KEY), Opener(KEY)
    sealed = [sealer.seal(b"%d" % i) for i in range(50)]
    assert [opener.open(sealed[i]) for i in order] == [b"%d" % i for i in order]
    assert [opener.open(sealed[i]) for i in again] == [None] * len(again)


def test_what_is_older_than_the_window_is_dropped() -> None:
    sealer, opener = Sealer(KEY), Opener(KEY)
    sealed = [sealer.seal(BODY) for _ in range(WIDTH + 1)]
    assert opener.open(sealed[-1]) == BODY
    assert opener.open(sealed[0]) is None
    assert opener.open(sealed[1]) == BODY


def test_the_token_is_in_nothing_that_is_sent() -> None:
    sealed = Sealer(derive(root_key("open sesame"), UP, "n", "s")).seal(BODY)
    assert b"sesame" not in sealed


def test_the_body_is_found_before_it_is_proven() -> None:
    sealed = Sealer(KEY).seal(BODY)
    assert is_sealed(sealed)
    assert body_of(sealed) == BODY
    assert body_of(BODY) == BODY


# --- cookies -------------------------------------------------------------------------------------

HERE, THERE = ("192.0.2.1", 4711), ("192.0.2.1", 4712)


def test_a_cookie_is_good_for_its_address_alone() -> None:
    cookies = Cookies(b"secret")
    cookie = cookies.make(HERE, 100.0)
    assert cookies.good(cookie, HERE, 100.0)
    assert not cookies.good(cookie, THERE, 100.0)


@pytest.mark.parametrize(("later", "good"), [(0.0, True), (SLOT, True), (2 * SLOT, False)])
def test_a_cookie_goes_stale(later: float, good: bool) -> None:
    cookies = Cookies(b"secret")
    assert cookies.good(cookies.make(HERE, 100.0), HERE, 100.0 + later) is good


@pytest.mark.parametrize("cookie", ["", "0" * 32, "ä", "\ud800"])
def test_what_is_no_cookie_is_not_good(cookie: str) -> None:
    assert not Cookies(b"secret").good(cookie, HERE, 100.0)


def test_another_servers_cookie_is_not_good() -> None:
    assert not Cookies(b"one").good(Cookies(b"other").make(HERE, 100.0), HERE, 100.0)
