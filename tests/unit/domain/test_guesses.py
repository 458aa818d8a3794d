"""Wrong access tokens by address: how long each must wait, and how much is remembered."""

from __future__ import annotations

import pytest

from chat.domain.guesses import FIRST_DELAY, FORGOTTEN, FREE, LAST_DELAY, MAX_ADDRESSES, Guesses


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def guesses(time: Time) -> Guesses:
    return Guesses(time)


def test_the_delay_grows_up_to_a_bound(guesses: Guesses, time: Time) -> None:
    for _ in range(FREE):
        guesses.wrong("eve")
        assert guesses.wait("eve") == 0
    delays = []
    for _ in range(12):
        guesses.wrong("eve")
        delays.append(guesses.wait("eve"))
        time.now += delays[-1]
        assert guesses.wait("eve") == 0
    assert delays[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert delays == sorted(delays)
    assert delays[-1] == LAST_DELAY
    assert guesses.wait("ann") == 0


def test_after_a_while_it_begins_anew(guesses: Guesses, time: Time) -> None:
    for _ in range(FREE + 5):
        guesses.wrong("eve")
    time.now += FORGOTTEN + 1
    guesses.wrong("eve")
    assert guesses.wait("eve") == 0


def test_all_addresses_of_one_ipv6_network_are_one(guesses: Guesses) -> None:
    for number in range(FREE + 1):
        guesses.wrong(f"2001:db8::{number:x}")
    assert guesses.wait("2001:db8:0:0:9::1") > 0
    assert guesses.wait("2001:db8:0:1::1") == 0


def test_who_knows_the_token_is_remembered_for_a_while(guesses: Guesses, time: Time) -> None:
    guesses.right("ann")
    assert guesses.is_known("ann")
    assert not guesses.is_known("eve")
    time.now += FORGOTTEN + 1
    assert not guesses.is_known("ann")


def test_what_is_remembered_is_bounded(guesses: Guesses) -> None:
    for number in range(MAX_ADDRESSES + 10):
        guesses.wrong(f"10.0.{number}")
        guesses.right(f"10.0.{number}")
    assert len(guesses._wrong) == len(guesses._right) == MAX_ADDRESSES
