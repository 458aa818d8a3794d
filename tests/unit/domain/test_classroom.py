"""The teacher's means as values: how they are written, and what holds after them."""

from __future__ import annotations

import pytest

from chat.domain.classroom import VERBS, Classroom, Order, is_proof, parse, proof
from chat.domain.errors import BadText
from chat.domain.model import Event


def said(text: str, author: str = "teacher", seq: int = 7, at: int = 1000) -> Event:
    return Event("sent", seq, seq - 1, at, author, f"seat of {author}", "tcp", 1, seq, text)


def after(*texts: str, author: str = "teacher") -> Classroom:
    state = Classroom()
    for text in texts:
        state = state.after(said(text, author))
    return state


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("/class freeze", Order("freeze")),
        ("/class  mute  ann ", Order("mute", "ann")),
        ("/class slow 5", Order("slow", "5", 5.0)),
        ("/class slow 2.5s", Order("slow", "2.5s", 2.5)),
        ("/class fault 10 stall 5s on tcp", Order("fault", "stall 5s on tcp", 10.0)),
        ("/class hand", Order("hand")),
        ("/class lower", Order("lower")),
        ("/class lower ann", Order("lower", "ann")),
        ("hello", None),
        ("/classroom", None),
        (" /class freeze", None),
    ],
)
def test_it_is_read_as_it_is_written(text: str, order: Order | None) -> None:
    assert parse(text) == order


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/class dance", "there is no /class dance: write one of freeze"),
        ("/class freeze now", "write it like this: /class freeze"),
        ("/class mute", "/class mute NICK"),
        ("/class slow x", "no number of seconds from 0 to 600"),
        ("/class slow 601", "no number of seconds from 0 to 600"),
        ("/class slow ٣", "no number of seconds"),
        ("/class hand up", "write /hand, or /hand down"),
    ],
)
def test_what_is_wrong_says_how_to_write_it(text: str, said: str) -> None:
    with pytest.raises(BadText, match=said.replace("[", r"\[")):
        parse(text)


def test_a_frozen_room_is_for_teachers_until_it_thaws() -> None:
    state = after(f"/class teacher {'0' * 64}", "/class freeze")
    assert state.forbids("seat of teacher", "teacher") is None
    refusal = state.forbids("seat of ann", "ann")
    assert refusal is not None
    assert "/hand" in str(refusal), "it says what to do"
    assert state.after(said("/class thaw")).forbids("seat of ann", "ann") is None


def test_who_is_muted_is_muted_however_the_name_is_written() -> None:
    state = after("/class mute ANN")
    assert state.forbids("s", "ann") is not None
    assert state.forbids("s", "bob") is None
    assert state.after(said("/class unmute Ann")).forbids("s", "ann") is None


def test_hands_are_in_order_and_go_down() -> None:
    state = Classroom()
    for nick in ("ann", "bob", "ann", "cho"):
        state = state.after(said("/class hand", nick))
    assert state.hands == ("ann", "bob", "cho")
    assert state.after(said("/class hand down", "bob")).hands == ("ann", "cho")
    assert state.after(said("/class lower CHO")).hands == ("ann", "bob")
    assert state.after(said("/class lower")).hands == ()
    left = Event("left", 9, 8, 1000, "ann", "seat of ann", "tcp")
    assert state.after(left).hands == ("bob", "cho")


def test_a_fault_ends_by_itself() -> None:
    state = after("/class fault 10 stall 5s on tcp")
    assert state.fault_at(1000 + 9_999) == "stall 5s on tcp"
    assert state.fault_at(1000 + 10_000) == ""


def test_clear_and_to_keep_the_newest() -> None:
    state = (
        Classroom()
        .after(said("/class clear", seq=5))
        .after(said("/class to udp"))
        .after(said("/class to grpc"))
    )
    assert (state.cleared, state.to) == (5, "grpc")


def test_a_proof_is_good_for_one_seat() -> None:
    shown = proof("a long teacher's token", "seat a")
    assert is_proof(shown, "a long teacher's token", "seat a")
    assert not is_proof(shown, "a long teacher's token", "seat b")
    assert not is_proof(shown, "another teacher's token", "seat a")
    assert not is_proof(proof("", "seat a"), "", "seat a"), "without a token nobody is a teacher"


def test_what_is_said_otherwise_changes_nothing() -> None:
    state = after("hello", "/class dance")
    assert state == Classroom()
    assert set(VERBS) >= {"freeze", "thaw", "mute", "unmute", "slow", "to", "clear", "hand"}
