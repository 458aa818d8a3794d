"""The key of a new seat: the same hello gives the same one, and nobody else gets it."""

from __future__ import annotations

import pytest

from chat.domain.seat_key import LONGEST, SHORTEST, key_of_new_seat, new_seat_key

ASKED = "k" * SHORTEST


def test_the_same_hello_gives_the_same_key() -> None:
    assert key_of_new_seat(ASKED, "lab", "Ann") == key_of_new_seat(ASKED, "lab", "ann")


def test_another_room_nick_or_key_gives_another_key() -> None:
    asked = [(ASKED, "lab", "ann"), (ASKED, "den", "ann"), (ASKED, "lab", "bob"), (ASKED + "k", "lab", "ann")]
    assert len({ASKED, *(key_of_new_seat(*one) for one in asked)}) == 5


@pytest.mark.parametrize("asked", ["", "k" * (SHORTEST - 1), "k" * (LONGEST + 1)], ids=len)
def test_from_what_is_no_key_none_is_made(asked: str) -> None:
    assert key_of_new_seat(asked, "lab", "ann") != key_of_new_seat(asked, "lab", "ann")


def test_a_new_key_can_be_made_up_and_asked_with() -> None:
    made = key_of_new_seat(new_seat_key(), "lab", "ann")
    assert len(made) == len(new_seat_key()) == SHORTEST
    assert made.isascii()
    assert key_of_new_seat(made, "lab", "ann") == key_of_new_seat(made, "lab", "ann")
