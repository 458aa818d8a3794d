"""Every node decides alike: the same entries give the same outcomes, from the start or from a checkpoint.

Hypothesis plays rooms full of people who retry, take over names and change each other's messages.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chat.domain.room
from chat.domain.errors import ChatError
from chat.domain.model import (
    Body,
    Checkpoint,
    Deleted,
    Edited,
    Entry,
    Event,
    Joined,
    Left,
    Opened,
    Resumed,
    Sent,
)
from chat.domain.room import Outcome, Room
from tests.support.entries import EPOCH, SMALL, deleted, edited, joined, sent

# --- every node decides alike --------------------------------------------------------------------

SEATS = ("s1", "s2", "s3")
NICKS = ("ann", "bob", "Ann")
few = st.integers(1, 6)
seats, nicks, nodes = st.sampled_from(SEATS), st.sampled_from(NICKS), st.sampled_from(("n1", "n2"))
texts, techniques = st.sampled_from(("a", "b")), st.sampled_from(("tcp", "rest"))
ids = st.integers(1, 60)
bodies: st.SearchStrategy[Body] = st.one_of(
    st.builds(Sent, seats, nicks, techniques, few, texts),
    st.builds(Sent, seats, nicks, techniques, few, texts),
    st.builds(Edited, seats, nicks, techniques, few, ids, texts),
    st.builds(Deleted, seats, nicks, techniques, few, ids),
    st.builds(joined, seats, nicks, nodes),
    st.builds(Resumed, seats, nicks, techniques, nodes),
    st.builds(Left, seats, nicks, techniques, nodes),
    st.builds(Opened, st.just("another")),
)


def outcome_json(outcome: Outcome) -> object:
    """Return all that an outcome tells anybody, comparable."""
    if isinstance(outcome, ChatError):
        return [outcome.code, str(outcome), outcome.n]
    return None if outcome is None else repr(outcome)


def play(log: list[Body]) -> tuple[list[object], str]:
    room = Room()
    outcomes = [outcome_json(room.apply(Entry(seq, seq, body))) for seq, body in enumerate(log, 1)]
    return outcomes, repr(room.checkpoint())


@given(st.lists(bodies, max_size=60))
def test_the_same_entries_give_the_same_outcomes_and_the_same_state(log: list[Body]) -> None:
    assert play([Opened(EPOCH), *log]) == play([Opened(EPOCH), *log])


@given(st.lists(bodies, max_size=60))
def test_check_foretells_what_apply_decides(log: list[Body]) -> None:
    room = Room()
    room.apply(Entry(1, 1, Opened(EPOCH)))
    for seq, body in enumerate(log, 2):
        if not isinstance(body, Opened):
            foretold = room.check(body)
            outcome = room.apply(Entry(seq, seq, body))
            assert outcome_json(foretold) == (None if isinstance(outcome, Event) else outcome_json(outcome))


@given(st.lists(bodies, max_size=60))
def test_events_form_one_chain(log: list[Body]) -> None:
    room, last = Room(), 0
    for seq, body in enumerate([Opened(EPOCH), *log], 1):
        outcome = room.apply(Entry(seq, seq, body))
        if isinstance(outcome, Event):
            assert (outcome.prev, outcome.seq) == (last, seq)
            last = seq
    assert room.head == last


def dice() -> Callable[[int], int]:
    """Return a source of numbers below a limit, the same on every Python."""
    state = 1

    def below(limit: int) -> int:
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % limit

    return below


def test_every_python_decides_as_the_first_one_did() -> None:
    below = dice()
    room, outcomes = Room(), [repr(Room().apply(Entry(1, 1, Opened(EPOCH))))]
    room.apply(Entry(1, 1, Opened(EPOCH)))
    for seq in range(2, 3000):
        seat, nick, n = SEATS[below(3)], ("ann", "bob", "Straße")[below(3)], below(40)
        node, technique, id = f"n{below(2)}", ("tcp", "rest")[below(2)], max(1, seq - below(30))
        bodies: tuple[Body, ...] = (
            Sent(seat, nick, technique, n, f"t{below(2)}é\n😀"),
            Edited(seat, nick, technique, n, id, f"t{below(2)}"),
            Deleted(seat, nick, technique, n, id),
            Joined(seat, nick, nick.casefold(), technique, node),
            Resumed(seat, nick, technique, node),
            Left(seat, nick, technique, node),
        )
        outcome = room.apply(Entry(seq, seq, bodies[(0, 0, 0, 0, 1, 1, 1, 2, 3, 3, 4, 5)[below(12)]]))
        outcomes.append(outcome.code if isinstance(outcome, ChatError) else repr(outcome))
    assert {"seat_gone", "nick_taken", "draft_conflict", "not_yours", "no_such_message"} <= {*outcomes}
    told = "\n".join([*outcomes, repr(room.checkpoint())])
    assert sha256(told.encode()).hexdigest()[:16] == "ec96338d55354869", (
        "nodes of two versions would disagree"
    )


# --- a beginning that was cut off ----------------------------------------------------------------


class Person:
    """Somebody who keeps to the protocol: counts up, and repeats only what is not long ago."""

    def __init__(self, nick: str) -> None:
        self.nick, self.life = nick, 1
        self.drafts: list[Body] = []

    def does(self, what: str, some: int, log: list[Entry]) -> Body:
        seat, n = f"{self.nick}{self.life}", len(self.drafts) + 1
        id = max(1, len(log) - some)
        match what:
            case "join":
                return joined(seat, self.nick)
            case "leave":
                self.life, self.drafts = self.life + 1, []
                return Left(seat, self.nick, "tcp", "n1")
            case "repeat" if self.drafts:
                again = self.drafts[-1 - some % len(self.drafts)]
                if any(entry.body is again for entry in log[-SMALL // 2 :]):
                    return again
                return Resumed(seat, self.nick, "rest", "n1")
            case "edit":
                self.drafts.append(edited(n, id, "x", seat, self.nick))
            case "delete":
                self.drafts.append(deleted(n, id, seat, self.nick))
            case _:
                self.drafts.append(sent(n, f"text {n}", seat, self.nick))
        return self.drafts[-1]


doings = st.sampled_from(("say", "say", "edit", "delete", "repeat", "repeat", "join", "join", "leave"))
stories = st.lists(
    st.tuples(st.integers(0, 2), doings, st.integers(0, 2 * SMALL)), min_size=4 * SMALL, max_size=8 * SMALL
)


@given(stories, st.integers(1, SMALL))
def test_a_room_restored_from_a_checkpoint_soon_equals_one_that_read_everything(
    story: list[tuple[int, str, int]], cut: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chat.domain.room, "WINDOW", SMALL)
        patch.setattr(chat.domain.room, "CHECKPOINT_EVERY", SMALL // 2)
        everything, restored = Room(), Room()
        people = [Person(nick) for nick in ("ann", "bob", "eve")]
        log: list[Entry] = []
        restored_at = 0

        def add(body: Body) -> None:
            nonlocal restored_at
            entry = Entry(len(log) + 1, 1, body)
            log.append(entry)
            outcome = everything.apply(entry)
            if entry.seq > cut:
                same = outcome_json(restored.apply(entry)) == outcome_json(outcome)
                restored_at = restored_at or (entry.seq if isinstance(body, Checkpoint) else 0)
                assert same or not restored_at or entry.seq <= restored_at + 2 * SMALL

        add(Opened(EPOCH))
        for who, what, some in story:
            add(people[who].does(what, some, log))
            if everything.checkpoint_due():
                add(everything.checkpoint())
        assert restored.checkpoint() == everything.checkpoint()
        assert restored._messages == everything._messages
        assert restored._drafts == everything._drafts
