"""Judges what a session says, beside the scripted room that it talks to."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from chat.client.session import Session
from chat.client.session_events import Arrived, DraftMoved, Missed, StartedOver, StateChanged, Update
from chat.domain.model import Draft, Event, Say
from tests.support.scripted_room import ScriptedRoom

NEXT = {
    "": {"connecting"},
    "connecting": {"connecting", "up", "retrying", "down"},
    "up": {"connecting", "retrying", "down"},
    "retrying": {"connecting"},
    "down": set(),
}
"""From each state of the connection to those that may follow."""
OVER = ("sent", "failed", "unconfirmed")
"""The last phases of a draft."""


@dataclass(slots=True)
class Wish:
    """A draft as the user has made it."""

    draft: Draft
    n: int = 0
    """Its number, once it was sent."""
    phase: str = ""
    arrived: bool = False
    void: bool = False
    """It changes a message of a log that is gone."""


class SessionJudge:
    """Knows what the user wants and what the script has let arrive, and compares it with what is said."""

    def __init__(self, room: ScriptedRoom, session: Session, *, resend: bool) -> None:
        self.room = room
        self.session = session
        self.resend = resend
        self.updates: list[Update] = []
        """What the session has said since the last look."""
        self.wishes: dict[int, Wish] = {}
        """By token."""
        self.seen: list[Event] = []
        """The events of the log of now that the user sees."""
        self.missed: set[int] = set()
        """The seqs of those that the script has let get lost."""
        self.closed = False
        self._last_state = ""
        self._stale = 0

    @property
    def state(self) -> str:
        return self.session.state.name

    def check(self) -> None:
        """Fail unless all that was said is true."""
        self._what_it_tells_is_true()
        self._nothing_is_in_the_log_twice_and_the_order_is_the_users()
        self._drafts_without_an_answer_are_pending()
        self._it_is_up_while_a_line_stands()

    def _what_it_tells_is_true(self) -> None:
        self._number_the_wishes()
        updates, self.updates = self.updates, []
        for update in updates:
            match update:
                case StateChanged(state):
                    assert state.name in NEXT[self._last_state], f"{self._last_state} -> {state.name}"
                    self._last_state = state.name
                case StartedOver():
                    self.seen, self.missed = [], set()
                case Arrived():
                    self._arrived(update)
                case Missed(missing):
                    assert set(missing.seqs) <= self.missed - {event.seq for event in self.seen}
                case DraftMoved():
                    self._moved(update)

    def _number_the_wishes(self) -> None:
        """Find out which number each wish was sent with."""
        known = {wish.n for wish in self.wishes.values()}
        for n, draft in self.room.sent.items():
            if n not in known:
                same = [
                    wish
                    for wish in self.wishes.values()
                    if not wish.n and not wish.void and wish.draft == structs.replace(draft, n=0)
                ]
                assert same, f"nobody wished {draft}"
                same[0].n = n
        if self.room.stale > self._stale:
            self._stale = self.room.stale
            for wish in self.wishes.values():
                wish.void = wish.void or (not isinstance(wish.draft, Say) and wish.n not in self.room.told)

    def _arrived(self, update: Arrived) -> None:
        event = update.event
        assert event in self.room.events, f"{event} is not in the log"
        assert event not in self.seen, f"{event} is shown twice"
        if self.resend and self.seen:
            assert event.prev == self.seen[-1].seq, f"{event} does not follow {self.seen[-1]}"
        self.seen.append(event)
        own = event.seat in self.room.own_seats and event.n
        assert bool(own) == bool(update.draft), f"{event} is called an own draft, or is not"
        if own:
            wish = self.wishes[update.draft]
            assert wish.n == event.n, f"{event} is called draft {update.draft}, which was number {wish.n}"
            wish.arrived = True

    def _moved(self, update: DraftMoved) -> None:
        wish, phase = self.wishes[update.draft], update.phase
        assert wish.phase not in OVER, f"{wish} is over, and is {phase} now"
        assert not wish.arrived, f"{wish} has arrived, and is {phase} now"
        if phase == "sent":
            assert wish.n in self.room.accepted, f"{wish} is called sent, and the room does not have it"
        elif phase == "failed":
            assert wish.void or wish.n in self.room.refused, f"{wish} is called failed, and nobody refused it"
        elif phase == "unconfirmed":
            assert not self.resend or self.state == "down"
        wish.phase = phase

    def _nothing_is_in_the_log_twice_and_the_order_is_the_users(self) -> None:
        for log in self.room.logs:
            own = [event.n for event in log if event.n and event.seat in self.room.own_seats]
            assert len(own) == len(set(own)), f"a draft is in the log twice: {own}"
            # A refusal may get lost, too: then the draft comes again, and may be taken behind later ones.
            own = [n for n in own if n not in self.room.refusal_lost]
            if self.resend:
                assert own == sorted(own), f"drafts have overtaken each other: {own}"

    def _drafts_without_an_answer_are_pending(self) -> None:
        if self.closed or self.state == "down":
            return
        settled = set(self.room.told)
        if not self.resend:
            settled |= self.room.given_up
        open = [
            token
            for token, wish in self.wishes.items()
            if not wish.void and not (wish.n and wish.n in settled)
        ]
        for wish in self.wishes.values():
            if wish.n in self.room.told:
                assert wish.arrived or wish.phase in OVER, f"the fate of {wish} was told, and nobody says so"
        assert self.session.unanswered() == open
        assert self.session.pending == len(open)

    def _it_is_up_while_a_line_stands(self) -> None:
        line = self.room.line
        assert [one for one in self.room.lines if one.standing] == ([line] if line else [])
        assert (self.state == "up" and not self.closed) == (line is not None)
        assert self.session.connected == (line is not None)
        for old in self.room.lines[:-1]:
            assert old.closed
        if line is not None and self.session.cursor and self.session.cursor.seq == self.room.head:
            assert self.session.members == {one.seat: one for one in self.room.members()}

    def everything_was_done(self) -> None:
        """Fail if a wish was forgotten, after nothing has gone wrong for a time."""
        for token, wish in self.wishes.items():
            if self.state == "down" or wish.void or wish.n in self.room.refused:
                continue
            if wish.phase == "sent" or wish.arrived:
                assert wish.n in self.room.accepted, f"{token} is lost: {wish}"
            else:
                assert not self.resend, f"nothing was said about {token}: {wish}"
                assert wish.phase == "unconfirmed", f"nothing was said about {token}: {wish}"
