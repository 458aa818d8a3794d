"""The inspector and the receipts on the screen. The test writes what passes on the wire."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

import backends
from chat.domain.json_codec import MembersMessage, PingMessage, encode
from chat.domain.model import Event, Say
from chat.interfaces.address import Address
from chat.interfaces.frames import Direction
from chat.interfaces.tls import Trust
from lab.wire.capture import Capture, Connection
from lab.wire.trace import Trace
from lab.wire.wiretap import Wiretap
from tests.support.desk import Desk, Running, chatting, check_golden, text, until, write
from tui.wire.inspector import Inspector

UP, DOWN = Direction


class Wire(Wiretap):
    """A wiretap whose bytes the test writes: what passes between a client and a server is not its matter."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.technique = backends.technique("tcp")
        self.capture = Capture(clock=clock)
        self.trace = None
        self.encrypted = False
        self.stopped = 0
        self._is_on = False
        self._tap, self._left = None, []
        self._connection: Connection | None = None

    @property
    def on(self) -> bool:
        return self._is_on

    async def start(self) -> None:
        self._is_on = True
        if self.trace is None:
            self.trace = Trace(self.capture, backends.technique("tcp").load_decoder())

    async def detour(
        self, addresses: list[Address], trust: Trust | None
    ) -> tuple[list[Address], Trust | None]:
        return addresses, trust

    def leave(self) -> None:
        self._is_on = False
        self.stopped += 1

    async def close(self) -> None: ...

    def passes(self, direction: Direction, *messages: object) -> None:
        if self._connection is None:
            self._connection = self.capture.connection("tcp", "127.0.0.1:50000", "127.0.0.1:7010")
        for message in messages:
            line = message if isinstance(message, bytes) else encode(message)
            self.capture.add(self._connection, direction, line + b"\n")


@asynccontextmanager
async def looking(size: tuple[int, int] = (80, 24)) -> AsyncIterator[tuple[Running, Desk, Wire]]:
    desk = Desk()
    wire = Wire(lambda: desk.time)
    desk.opens()
    desk.joins("ann")

    async with chatting(desk, size, make_wiretap=lambda _: wire) as pilot:
        yield pilot, desk, wire


def flat(pilot: Running) -> str:
    """Return the screen without line breaks."""
    return " ".join(text(pilot).split())


async def open_with_a_message(pilot: Running, desk: Desk, wire: Wire) -> Event:
    await pilot.press("f2")
    await until(pilot, lambda: wire.on)
    await until(pilot, lambda: len(desk.hellos) == 2)  # it has connected anew, through the tap
    wire.passes(UP, Say("hello wire", 1))
    event = desk.says("ann", "hello wire")
    wire.passes(DOWN, event)
    await until(pilot, lambda: "sent seq" in text(pilot))
    await pilot.press("f2")
    await until(pilot, lambda: pilot.app.query_one(Inspector).has_focus)
    return event


async def test_one_key_shows_the_wire_and_the_same_key_takes_it_away() -> None:
    async with looking() as (pilot, desk, wire):
        await open_with_a_message(pilot, desk, wire)
        assert 'say text="hello wire" n=1' in text(pilot)
        await pilot.press("f2")
        await until(pilot, lambda: "say text" not in text(pilot))
        assert wire.stopped == 1
        await until(pilot, lambda: len(desk.hellos) == 3)
        await write(pilot, "the composer has the focus again")
        await until(pilot, lambda: desk.log[-1].text == "the composer has the focus again")


async def test_who_opens_the_wire_goes_on_writing() -> None:
    async with looking() as (pilot, desk, wire):
        await pilot.press("f2")
        await until(pilot, lambda: wire.on and "F2 choose a frame" in text(pilot))
        await write(pilot, "m c and blanks are letters here")
        await until(pilot, lambda: desk.log[-1].text == "m c and blanks are letters here")
        await pilot.press("f2")
        await until(pilot, lambda: "+- zoom" in text(pilot))


async def test_who_follows_sees_the_newest_message_whatever_polls_come_after_it() -> None:
    async with looking() as (pilot, desk, wire):
        event = await open_with_a_message(pilot, desk, wire)
        inspector = pilot.app.query_one(Inspector)
        await pilot.press("left")
        chosen = inspector.selection
        wire.passes(UP, *(PingMessage(number) for number in range(20)), MembersMessage(21))
        await until(pilot, lambda: inspector.frames.table.rows[-1].frame.kind == "members")
        assert inspector.frame is not None
        assert event.seq in inspector.frame.seqs
        assert inspector.selection == chosen != (0, 0)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_message_is_zoomed_from_text_to_bytes(size: tuple[int, int]) -> None:
    async with looking(size) as (pilot, desk, wire):
        await open_with_a_message(pilot, desk, wire)
        await pilot.press("up")
        await pilot.press("minus")
        seen = []
        for level in ("text", "call", "envelope", "frame", "bytes"):
            await until(pilot, lambda level=level: f"[{level}]" in text(pilot))  # type: ignore[misc]
            seen.append(text(pilot))
            await pilot.press("plus")
        assert "text  hello wire" in seen[0]
        assert "calls  say" in seen[1]
        assert 'text  "hello wire"' in seen[2] or "text  hello wire" in seen[2]
        assert "end of the line" not in seen[2]
        assert "end of the line" in seen[3] or size == (80, 24)
        assert "7b 22 6b 69 6e 64 22 3a 22 73 61 79 22" in seen[4]


async def test_the_text_is_selected_and_stays_so_on_every_level() -> None:
    async with looking((120, 36)) as (pilot, desk, wire):
        await open_with_a_message(pilot, desk, wire)
        await pilot.press("up", "plus", "plus")
        inspector = pilot.app.query_one(Inspector)
        frame = inspector.frame
        assert frame is not None
        start, end = inspector.selection
        assert frame.data[start:end] == b"hello wire"
        await pilot.press("minus", "minus", "minus")
        assert inspector.selection == (start, end)
        await pilot.press("plus", "plus", "plus", "plus")
        assert inspector.selection == (start, end)


async def test_a_filter_hides_what_does_not_match_and_says_what_it_does_not_know() -> None:
    async with looking() as (pilot, desk, wire):
        await open_with_a_message(pilot, desk, wire)
        await pilot.press("slash", *"dir:out")
        await pilot.press("enter")
        await until(pilot, lambda: "sent seq" not in text(pilot))
        assert "say text" in text(pilot)
        await pilot.press("slash", *" porto:x", "enter")
        await until(pilot, lambda: "did you mean proto:?" in text(pilot))
        await pilot.press("ctrl+u", *"kind:no", "enter")
        await until(pilot, lambda: "no frame fits the filter: / changes it" in text(pilot))


async def test_a_message_of_the_chat_leads_to_its_frames_and_back() -> None:
    async with looking() as (pilot, desk, wire):
        event = await open_with_a_message(pilot, desk, wire)
        for number in range(30):
            wire.passes(DOWN, desk.says("bob", f"line {number}"))
        await until(pilot, lambda: "line 29" in text(pilot))
        await pilot.press("escape")
        await write(pilot, f"/wire #{event.seq}")
        inspector = pilot.app.query_one(Inspector)
        await until(pilot, lambda: inspector.frame is not None and event.seq in inspector.frame.seqs)
        await pilot.press("j")
        await until(pilot, lambda: "ann hello wire" in text(pilot))


async def test_a_pause_holds_the_list() -> None:
    async with looking() as (pilot, desk, wire):
        await open_with_a_message(pilot, desk, wire)
        await pilot.press("space")
        wire.passes(DOWN, desk.says("bob", "while it is paused"))
        await until(pilot, lambda: "bob while it is paused" in text(pilot))
        await pilot.pause(0.3)
        assert 'text="while it is paused"' not in text(pilot)
        await pilot.press("space")
        await until(pilot, lambda: "sent seq=4" in text(pilot))


async def test_a_receipt_stands_under_each_message() -> None:
    async with looking() as (pilot, desk, wire):
        await pilot.press("f4")
        await until(pilot, lambda: wire.on)
        await until(pilot, lambda: len(desk.hellos) == 2)
        desk.hold = True
        await write(pilot, "five!")
        await until(pilot, lambda: desk.held)
        draft = desk.held[0][0]
        wire.passes(UP, draft)
        desk.release()
        event = desk.log[-1]
        wire.passes(DOWN, event)
        up, down = len(encode(draft)) + 1, len(encode(event)) + 1
        await until(pilot, lambda: f"5 B text · {up} B up / {down} B down · 2 frames" in flat(pilot))
        await pilot.press("f4")
        await until(pilot, lambda: "B text" not in text(pilot))
        assert wire.stopped == 1


async def test_the_wire_looks_as_it_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screens.chat_wire.EVERY", 1000)
    async with looking((80, 24)) as (pilot, desk, wire):
        event = desk.says("bob", "what does it cost?")
        await pilot.press("f2")
        await until(pilot, lambda: wire.on)
        wire.passes(DOWN, event)
        await until(pilot, lambda: "sent seq" in text(pilot) and "rtt" in text(pilot))
        check_golden(pilot, "wire-80x24")


async def test_inspect_shows_the_wire_from_the_first_byte_on() -> None:
    desk = Desk()
    wire = Wire(lambda: desk.time)
    desk.opens()
    async with chatting(desk, make_wiretap=lambda _: wire, inspect=True) as pilot:
        await until(pilot, lambda: "nothing has passed yet" in text(pilot))
        assert wire.on
        assert len(desk.hellos) == 1  # no connection was made before


async def test_the_status_bar_shows_what_being_there_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screens.chat_wire.EVERY", 0.05)
    async with looking((120, 24)) as (pilot, desk, wire):
        await open_with_a_message(pilot, desk, wire)
        await until(pilot, lambda: "idle 0 B/min" in text(pilot))
        wire.passes(UP, PingMessage(1))
        await until(pilot, lambda: re.search(r"idle [1-9][\d.]* k?B/min", text(pilot)))


async def test_frames_that_a_ladder_decodes_are_in_the_list_too() -> None:
    async with looking() as (pilot, desk, wire):
        await open_with_a_message(pilot, desk, wire)
        await pilot.press("f5")
        wire.passes(DOWN, desk.says("bob", "seen by the ladder first"))
        await until(pilot, lambda: "seen by the ladder first" in text(pilot))
        await pilot.press("escape")
        await until(
            pilot, lambda: 'text="seen by the ladder first"' in text(pilot) or "sent seq=4" in text(pilot)
        )
