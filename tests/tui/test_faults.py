"""Faults of one's own wire, on the screen; what they do to bytes is tested with a real tap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import backends
from lab.faults.plan import FaultPlan
from lab.wire.tap import Tap
from tests.support.desk import Desk, Running, chatting, text, until, write
from tests.tui.test_wire import Wire


class Faulty(Wire):
    """A wire with a real tap that nothing goes through: the desk plays the room."""

    def __init__(self, desk: Desk, technique: str) -> None:
        super().__init__(lambda: desk.time)
        label = backends.technique(technique)
        self.interference = FaultPlan(label.load_decoder())
        self._transport = label.traits.transport
        self._real: Tap | None = None

    async def start(self) -> None:
        await super().start()
        self._real = self._real or await asyncio.to_thread(Tap)

    @property
    def tap(self) -> Tap | None:
        return self._real


@asynccontextmanager
async def failing(technique: str = "udp") -> AsyncIterator[tuple[Running, Desk, Faulty]]:
    desk = Desk()
    wire = Faulty(desk, technique)
    desk.opens()
    async with chatting(desk, (100, 30), make_wiretap=lambda _: wire) as pilot:
        yield pilot, desk, wire
    if wire.tap is not None:
        await asyncio.to_thread(wire.tap.close)


async def test_a_fault_is_on_the_screen_until_it_is_ended() -> None:
    async with failing() as (pilot, _, wire):
        await write(pilot, "/fault loss 0.3")
        await until(pilot, lambda: "FAULT loss 0.3 (0 hits)" in text(pilot))
        assert wire.on
        await write(pilot, "/fault off")
        await until(pilot, lambda: "FAULT" not in text(pilot))
        assert "no fault any more: loss 0.3" in text(pilot)
        assert not wire.on


async def test_escape_twice_ends_all_faults() -> None:
    async with failing() as (pilot, _, _wire):
        await write(pilot, "/fault latency 200ms")
        await until(pilot, lambda: "FAULT latency 200ms" in text(pilot))
        await write(pilot, "/fault loss 30%")
        await until(pilot, lambda: "FAULT latency 200ms (0 hits), loss 0.3" in text(pilot))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: "FAULT" not in text(pilot))


async def test_what_a_technique_cannot_suffer_is_refused_with_the_reason() -> None:
    async with failing("tcp") as (pilot, _, wire):
        await write(pilot, "/fault loss 0.3")
        await until(pilot, lambda: "a stream loses nothing" in text(pilot))
        assert not wire.on
        assert "/fault loss 0.3" in text(pilot)


async def test_the_faults_that_there_are_can_be_listed() -> None:
    async with failing() as (pilot, _, _wire):
        await write(pilot, "/fault")
        await until(pilot, lambda: "faults of your own wire" in text(pilot))
        assert "reply-lost" in text(pilot)
