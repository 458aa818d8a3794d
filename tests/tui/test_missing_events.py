"""What the list shows with a lossy technique: missing events, late messages, unconfirmed lines."""

from __future__ import annotations

from chat.domain.errors import Unconfirmed
from chat.domain.model import Event, Missing, MissingEvents
from tests.support.desk import (
    Desk,
    Running,
    chat,
    chatting,
    check_golden,
    line_with,
    text,
    until,
    write,
)


def lossy(desk: Desk, *texts: str) -> list[Event]:
    """Let bob say this, and none of it come."""
    clients, desk._clients = desk._clients, []
    events = [desk.says("bob", one) for one in texts]
    desk._clients = clients
    return events


def bring(desk: Desk, *news: Event | MissingEvents) -> None:
    for one in news:
        desk._clients[0].arriving.put_nowait(one)


def missing(*events: Event) -> MissingEvents:
    return MissingEvents(tuple(Missing(one.seq, one.prev, one.kind) for one in events))


def above(pilot: Running, first: str, second: str) -> bool:
    screen = text(pilot)
    return screen.index(first) < screen.index(second)


async def test_the_notice_stands_where_the_messages_would() -> None:
    desk = Desk()
    desk.says("bob", "before")
    async with chatting(desk) as pilot:
        lost = lossy(desk, "one", "two")
        desk.says("bob", "after")
        bring(desk, missing(*lost))
        await until(pilot, lambda: "missing" in text(pilot))
        assert "✖" in line_with(pilot, "2 messages missing: 2, 3")
        assert above(pilot, "before", "missing")
        assert above(pilot, "missing", "after")


async def test_who_may_have_come_unseen_is_asked_for() -> None:
    desk = Desk()
    desk.says("bob", "before")
    async with chatting(desk, (100, 30)) as pilot:
        clients, desk._clients = desk._clients, []
        joined = desk.joins("zoe")
        desk._clients = clients
        bring(desk, missing(joined))
        await until(pilot, lambda: "1 event missing: 2 (joined)" in text(pilot))
        await write(pilot, "/who")
        await until(pilot, lambda: "tcp  ann, bob, zoe" in text(pilot))


async def test_what_comes_late_stands_in_its_place_and_is_no_longer_called_missing() -> None:
    desk = Desk()
    desk.says("bob", "before")
    async with chatting(desk) as pilot:
        one, two = lossy(desk, "one", "two")
        desk.says("bob", "after")
        bring(desk, missing(one, two), two)
        await until(pilot, lambda: "two" in text(pilot))
        assert line_with(pilot, "1 message missing: 2")
        assert above(pilot, "missing", "two")
        assert above(pilot, "two", "after")
        bring(desk, one)
        await until(pilot, lambda: "one" in text(pilot))
        assert "missing" not in text(pilot)
        assert above(pilot, "one", "two")


async def test_an_own_line_without_an_answer_is_unconfirmed() -> None:
    desk = Desk()
    desk.resend = False
    desk.refusal = Unconfirmed("no answer in 3 s: it may have got lost, or its answer")
    async with chatting(desk) as pilot:
        await write(pilot, "is anybody there?")
        await until(pilot, lambda: "unconfirmed" in text(pilot))
        assert line_with(pilot, "is anybody there?").startswith("?")
        assert "? unconfirmed: no answer in 3 s" in text(pilot)


async def test_an_unconfirmed_line_that_turns_up_is_an_own_message_like_others() -> None:
    desk = Desk()
    desk.resend = False
    desk.refusal = Unconfirmed("no answer in 3 s")
    async with chatting(desk) as pilot:
        await write(pilot, "late, but here")
        await until(pilot, lambda: "unconfirmed" in text(pilot))
        desk._happens("sent", "ann", text="late, but here", n=1)
        await until(pilot, lambda: "unconfirmed" not in text(pilot))
        assert not line_with(pilot, "late, but here").startswith("?")
        assert chat(pilot).timeline.own_message(None) is not None


async def test_on_a_small_screen_missing_events_and_unconfirmed_lines_fit() -> None:
    desk = Desk()
    desk.resend = False
    desk.activity = "lost 3, late 0, twice 0"
    desk.joins("bob", "udp")
    desk.says("bob", "before")
    async with chatting(desk, (80, 24)) as pilot:
        lost = lossy(desk, *map(str, range(12)))
        desk.says("bob", "after")
        bring(desk, missing(*lost))
        await until(pilot, lambda: "missing" in text(pilot))
        desk.refusal = Unconfirmed("no answer in 3 s: it may have got lost, or its answer")
        await write(pilot, "is anybody there?")
        await until(pilot, lambda: "unconfirmed" in text(pilot))
        check_golden(pilot, "missing_events_80x24")
