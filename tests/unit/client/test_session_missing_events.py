"""The session with a lossy technique: missing events, late events, unconfirmed drafts."""

from __future__ import annotations

from typing import Any

import pytest

from chat.client.session import Session
from chat.client.session_events import Arrived, DraftMoved, Missed
from chat.domain.errors import ConnectionLost, Unconfirmed
from chat.domain.model import Cursor, Event, Member, Missing, MissingEvents
from tests.support.fake_client import FakeClient, FakeRoom, Watch, talking

LOST = Unconfirmed("no answer in 3 s: it may have got lost, or its answer")


def missing(*seqs: int, kind: Any = "sent") -> MissingEvents:
    return MissingEvents(tuple(Missing(seq, seq - 1, kind) for seq in seqs))


def bring(room: FakeRoom, *news: Event | MissingEvents) -> None:
    """Let the connection bring exactly this."""
    batch: Any = list(news)
    room.connections[0].queue.put_nowait(batch)


def message(seq: int) -> Event:
    return Event("sent", seq, seq - 1, 0, "eve", "s9", "udp", seq, seq, f"m{seq}")


def told_missing(watch: Watch) -> list[list[int]]:
    return [update.missing.seqs for update in watch.all(Missed)]


def order(watch: Watch) -> list[int]:
    return [update.event.seq for update in watch.all(Arrived)]


async def inside(session: Session, watch: Watch) -> None:
    await watch.until(lambda: session.cursor == Cursor(1, "e1"))


# --- missing events ------------------------------------------------------------------------------


async def test_missing_events_are_told_and_the_cursor_passes_them(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        await inside(session, watch)
        bring(room, message(4), missing(2, 3), message(5))
        await watch.until(lambda: order(watch) == [1, 4, 5])
        assert told_missing(watch) == [[2, 3]]
        assert session.cursor == Cursor(5, "e1")


async def test_the_cursor_waits_before_a_hole_that_nobody_has_named(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        await inside(session, watch)
        bring(room, message(3), message(4))
        await watch.until(lambda: order(watch) == [1, 3, 4])
        assert session.cursor == Cursor(1, "e1")
        bring(room, message(2))
        await watch.until(lambda: order(watch) == [1, 3, 4, 2])
        assert session.cursor == Cursor(4, "e1")


async def test_what_comes_late_is_told_once(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        await inside(session, watch)
        bring(room, message(3), missing(2), message(2), message(2), message(3))
        bring(room, message(4))
        await watch.until(lambda: 4 in order(watch))
        assert order(watch) == [1, 3, 2, 4]


async def test_of_missing_events_only_what_has_not_come_is_told(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        await inside(session, watch)
        bring(room, message(4), message(2), missing(2, 3), missing(3))
        bring(room, message(5))
        await watch.until(lambda: 5 in order(watch))
        assert told_missing(watch) == [[3]]


async def test_after_a_break_it_begins_behind_what_was_missing(room: FakeRoom) -> None:
    async with talking(room, resend=False) as (session, watch):
        await inside(session, watch)
        for text in ("m2", "m3"):
            room.events.append(Event("sent", len(room.events) + 1, len(room.events), 0, "eve", text=text))
        bring(room, message(3), missing(2))
        await watch.until(lambda: order(watch) == [1, 3])
        room.cut()
        session.retry_now()
        await watch.until(lambda: len(room.greetings) == 2)
        assert room.greetings[1].cursor == Cursor(3, "e1")


@pytest.mark.parametrize("kind", ["joined", "left", "resumed"])
async def test_where_somebody_may_have_come_or_gone_unseen_the_members_are_asked_for(
    room: FakeRoom, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    async def members(self: FakeClient) -> list[Member]:
        return [Member("s7", "zoe", "udp")]

    monkeypatch.setattr(FakeClient, "members", members)
    async with talking(room) as (session, watch):
        await inside(session, watch)
        bring(room, message(3), missing(2, kind=kind))
        await watch.until(lambda: told_missing(watch))
        assert [member.nick for member in session.members.values()] == ["zoe"]


async def test_missing_events_ask_for_the_members_once(
    room: FakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []

    async def members(self: FakeClient) -> list[Member]:
        asked.append(None)
        return []

    monkeypatch.setattr(FakeClient, "members", members)
    async with talking(room) as (session, watch):
        await inside(session, watch)
        bring(room, message(5), missing(2, 3, 4, kind="joined"))
        await watch.until(lambda: told_missing(watch))
        assert len(asked) == 1


async def test_what_was_missing_or_late_is_told_though_the_connection_breaks_over_the_members(
    room: FakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def members(self: FakeClient) -> list[Member]:
        if len(room.greetings) == 1:
            raise ConnectionLost("just now")
        return []

    monkeypatch.setattr(FakeClient, "members", members)
    async with talking(room, resend=False) as (session, watch):
        await inside(session, watch)
        bring(room, message(4), missing(2, 3, kind="joined"))
        await watch.until(lambda: told_missing(watch))
        assert told_missing(watch) == [[2, 3]]


async def test_a_late_event_does_not_bring_back_who_has_left(
    room: FakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def members(self: FakeClient) -> list[Member]:
        return []

    monkeypatch.setattr(FakeClient, "members", members)
    async with talking(room) as (session, watch):
        await inside(session, watch)
        joined = Event("joined", 2, 1, 0, "bob", "s2", "udp")
        left = Event("left", 3, 2, 0, "bob", "s2", "udp")
        bring(room, left, joined)
        await watch.until(lambda: order(watch) == [1, 3, 2])
        assert [member.nick for member in session.members.values()] == []


# --- drafts that nobody answered -----------------------------------------------------------------


async def test_a_draft_without_an_answer_is_unconfirmed_and_not_sent_again(room: FakeRoom) -> None:
    room.refuse_drafts = [LOST]
    async with talking(room, resend=False) as (session, watch):
        token = session.say("is anybody there?")
        await session.settled()
        await watch.until(lambda: watch.phases(token)[-1:] == ["unconfirmed"])
        assert watch.all(DraftMoved)[-1].reason == str(LOST)
        assert session.pending == 0
        room.cut()
        session.retry_now()
        await watch.until(lambda: len(room.greetings) == 2)
    assert len(room.received) == 1


async def test_an_unconfirmed_draft_that_turns_up_is_known_as_the_own(room: FakeRoom) -> None:
    room.refuse_drafts = [LOST]
    async with talking(room, resend=False) as (session, watch):
        token = session.say("late")
        await watch.until(lambda: watch.phases(token)[-1:] == ["unconfirmed"])
        room.happen("sent", "ann", room.seat, 1, "late")
        await watch.until(lambda: "late" in watch.texts)
        assert watch.all(Arrived)[-1].draft == token


async def test_unconfirmed_drafts_do_not_pile_up(room: FakeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.client.outbox.WIDTH", 2)
    room.refuse_drafts = [LOST] * 5
    async with talking(room, resend=False) as (session, watch):
        for n in range(1, 6):
            token = session.say(f"m{n}")
            await session.settled()
        for n in (1, 5):
            room.happen("sent", "ann", room.seat, n, f"m{n}")
        await watch.until(lambda: "m5" in watch.texts)
        own = [update.draft for update in watch.all(Arrived) if update.event.kind == "sent"]
        assert own == [0, token]


async def test_the_next_draft_does_not_wait_for_it(room: FakeRoom) -> None:
    room.refuse_drafts = [LOST]
    async with talking(room, resend=False) as (session, watch):
        session.say("lost")
        second = session.say("not lost")
        await session.settled()
        await watch.until(lambda: any(update.draft == second for update in watch.all(Arrived)))
    assert room.texts == ["not lost"]


async def test_what_was_under_way_at_a_break_is_unconfirmed(room: FakeRoom) -> None:
    room.deaf = True
    async with talking(room, resend=False) as (session, watch):
        await watch.state("up")
        token = session.say("lost")
        await watch.until(lambda: watch.phases(token)[-1:] == ["sending"])
        room.cut()
        session.retry_now()
        await watch.until(lambda: watch.phases(token)[-1:] == ["unconfirmed"])
        assert "broke" in watch.all(DraftMoved)[-1].reason
