"""Another technique in the same seat, from the screen: the mark in the list, the wire, and what fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chat.client.connect import Detour
from chat.client.session import Session
from chat.domain.errors import ConnectionLost, StaleCursor
from tests.support.desk import (
    Desk,
    Running,
    caught_up,
    chat,
    chatting,
    check_golden,
    line_with,
    text,
    until,
    write,
)
from tests.tui.test_wire import Wire
from tui.opening import Choice
from tui.wire.inspector import Inspector


class Desks(Desk):
    """A desk that notes over which technique somebody comes, and where nobody can come in."""

    def __init__(self) -> None:
        super().__init__()
        self.over: list[str] = []
        self.closed = ""
        """The technique that does not answer."""
        self.fails: Exception | None = None
        """How it fails; None: nothing listens."""

    def open_session(self, choice: Choice, detour: Detour | None = None) -> Session:
        self.over.append(choice.technique)
        session = super().open_session(choice, detour)
        if choice.technique == self.closed:

            async def dial() -> None:
                raise self.fails or ConnectionLost(f"nothing listens for {self.closed}")

            session.way.dial = dial  # type: ignore[assignment]  # it never returns
        return session


async def test_the_place_is_marked_where_another_technique_begins() -> None:
    desk = Desks()
    desk.says("bob", "before")
    async with chatting(desk) as pilot:
        await write(pilot, "/backend soap")
        await until(pilot, lambda: "now over soap" in text(pilot))
        desk.says("bob", "after")
        await caught_up(pilot, desk)
        assert [row.text for row in chat(pilot).view.rows] == ["before", "now over soap", "after"]
        assert "● up  soap" in text(pilot).split("\n")[-1]
        cursor = desk.hellos[-1].cursor
        assert cursor is not None
        assert (cursor.seq, desk.hellos[-1].seat_key) == (1, "key")


async def test_what_a_technique_promises_less_is_said() -> None:
    async with chatting(Desks()) as pilot:
        await write(pilot, "/backend udp")
        await until(pilot, lambda: "now over udp" in text(pilot))
        assert "it may lose what others write, and then says so" in " ".join(text(pilot).split())


async def test_alone_it_lists_the_techniques_and_marks_the_one_of_now() -> None:
    async with chatting(Desks(), (100, 30)) as pilot:
        await write(pilot, "/backend")
        await until(pilot, lambda: "● tcp" in text(pilot))
        assert line_with(pilot, "  grpc ").strip().startswith("grpc")


async def test_the_key_offers_the_names() -> None:
    async with chatting(Desks()) as pilot:
        await pilot.press("f6", *"gr")
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "now over grpc" in text(pilot))


async def test_a_technique_that_cannot_be_reached_leaves_the_old_one() -> None:
    desk = Desks()
    desk.closed = "soap"
    async with chatting(desk) as pilot:
        await write(pilot, "/backend soap")
        await until(pilot, lambda: "still over tcp: nothing listens for soap" in text(pilot))
        assert "now over" not in text(pilot)
        await write(pilot, "", "escape")
        chat(pilot).composer.load("")
        await write(pilot, "still here")
        await until(pilot, lambda: desk.log[-1].text == "still here")


async def test_a_room_with_another_history_is_not_gone_over_to() -> None:
    desk = Desks()
    async with chatting(desk) as pilot:
        desk.stale = StaleCursor("room lab has another log than the cursor's")
        await write(pilot, "/backend soap")
        await until(pilot, lambda: "this room has another history over soap" in text(pilot))
        assert "now over" not in text(pilot)


async def test_a_wrong_name_is_told_the_right_one() -> None:
    async with chatting(Desks()) as pilot:
        await write(pilot, "/backend sopa")
        await until(pilot, lambda: "did you mean soap?" in text(pilot))


async def test_a_line_that_is_under_way_is_sent_again_and_shown_once() -> None:
    desk = Desks()
    async with chatting(desk) as pilot:
        desk.hold = True
        await write(pilot, "under way")
        await until(pilot, lambda: desk.held)
        desk.hold = False
        await write(pilot, "/backend udp")
        await until(pilot, lambda: "now over udp" in text(pilot))
        await until(pilot, lambda: "1.2 ms" in line_with(pilot, "under way"))
        assert [event.text for event in desk.log] == ["under way"]


async def test_a_session_that_has_ended_goes_on_over_another_technique() -> None:
    desk = Desks()
    desk.says("bob", "before")
    async with chatting(desk) as pilot:
        desk.ends(ConnectionLost("gone"))
        desk.away = ConnectionLost("gone")
        desk.away.final = True  # type: ignore[misc]  # of this one only
        await until(pilot, lambda: "✖ down" in text(pilot))
        desk.away = None
        await write(pilot, "/backend rest")
        await until(pilot, lambda: "● up  rest" in text(pilot))
        assert [row.text for row in chat(pilot).view.rows if row.text in ("before", "now over rest")] == [
            "before",
            "now over rest",
        ]


@asynccontextmanager
async def with_the_wire(desk: Desks) -> AsyncIterator[tuple[Running, list[Wire]]]:
    """A chat whose wire is looked at; the list gets the wire of each technique that is tried."""
    wires: list[Wire] = []

    def make_wiretap(choice: Choice) -> Wire:
        wires.append(Wire(lambda: desk.time))
        return wires[-1]

    async with chatting(desk, make_wiretap=make_wiretap) as pilot:
        await pilot.press("f2")
        await until(pilot, lambda: wires[0].on)
        yield pilot, wires


async def test_the_inspector_follows_the_new_connection() -> None:
    desk = Desks()
    desk.opens()
    async with with_the_wire(desk) as (pilot, wires):
        await write(pilot, "/backend soap")
        await until(pilot, lambda: "now over soap" in text(pilot))
        assert (wires[0].on, wires[1].on) == (False, True)
        assert pilot.app.screen.query_one(Inspector)._trace is wires[1].trace


async def test_the_wire_of_a_technique_that_was_tried_in_vain_is_closed_again() -> None:
    desk = Desks()
    desk.opens()
    desk.closed, desk.fails = "soap", OSError("no more files")
    async with with_the_wire(desk) as (pilot, wires):
        await write(pilot, "/backend soap")
        await until(pilot, lambda: "still over tcp: no more files" in text(pilot))
        assert [wire.on for wire in wires] == [True, False]


async def test_a_switch_looks_as_it_was_judged() -> None:
    desk = Desks()
    desk.says("bob", "which way do you come?")
    async with chatting(desk) as pilot:
        await write(pilot, "over tcp")
        await write(pilot, "/backend udp")
        await until(pilot, lambda: "now over udp" in text(pilot))
        desk.says("bob", "and now?")
        await caught_up(pilot, desk)
        check_golden(pilot, "switched-80x24")
