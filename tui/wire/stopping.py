"""The part of the inspector that stops the wire, and decides what becomes of a frame that waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from textual.containers import Vertical
from textual.message import Message
from textual.worker import Worker

from chat.domain.errors import BadRequest
from chat.interfaces.frames import Frame
from chat.language import N_
from lab.wire import by_hand
from lab.wire.by_hand import Deed, Waiting
from lab.wire.table import Row
from lab.wire.tap import Tap
from lab.wire.trace import Trace
from tui.failures import failure
from tui.wire.frame_list import FrameList

STOPPED_KEYS = (
    ("s", N_("goes on")),
    (".", N_("one frame")),
    ("p", N_("pass")),
    ("w", N_(f"wait {by_hand.DELAY:.0f} s")),
    ("d", N_("drop")),
    ("t", N_("twice")),
    ("x", N_("swap")),
    ("b", N_("change byte")),
)
"""What the keys do while the wire is stopped."""
DEEDS: dict[str, Deed] = {
    "p": "pass",
    "w": "delay",
    "d": "drop",
    "t": "duplicate",
    "x": "swap",
    "b": "change",
}


class Stopping(Vertical):
    """Stops the wire: what passes waits at the tap, until it is let through by hand or all of it goes on."""

    frames: FrameList
    _place: tuple[int, int]
    _trace: Trace | None

    @dataclass
    class Changed(Message):
        """The wire was stopped or goes on, or another number of frames waits."""

        stopped: bool
        waiting: int

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.tap: Tap | None = None
        """Where the wire can be stopped."""
        self._order = asyncio.Lock()
        self._wanted = False  # the wire shall be stopped
        self._looking = False
        self._shown = (False, 0)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if why := failure(event):
            self.tell(why, failed=True)

    def tell(self, text: str, failed: bool = False) -> None:
        """Show a line for the user."""
        raise NotImplementedError

    @property
    def stopped(self) -> bool:
        return self.tap is not None and self.tap.frozen

    @property
    def stop_keys(self) -> dict[str, Callable[[], object]]:
        """What the keys do."""
        keys: dict[str, Callable[[], object]] = {
            key: lambda deed=deed: self._work(self._do(deed, self.frames.row))  # type: ignore[misc]
            for key, deed in DEEDS.items()
        }
        keys["s"] = self._turn
        keys["full_stop"] = lambda: self._work(self._one())
        return keys

    def _work(self, work: Coroutine[Any, Any, object]) -> None:
        """Do what keys ask for one after the other, in the order of the keys."""

        async def in_order() -> None:
            async with self._order:
                await work

        self.run_worker(in_order(), group="wire", exit_on_error=False)

    def _turn(self) -> None:
        """Stop the wire, or let it go on: what the key meant when it was pressed."""
        self._wanted = not self._wanted
        self._work(self._obey())

    async def stop_wire(self, stopped: bool) -> None:
        """Stop the wire, or let everything pass that waits; after what was asked for before."""
        self._wanted = stopped
        async with self._order:
            await self._obey()

    async def _obey(self) -> None:
        if self.tap is None:
            self._wanted = False
            self.tell("there is no wire here that could be stopped", failed=True)
            return
        await asyncio.to_thread(self.tap.freeze, self._wanted)
        await self._show_waiting()

    def look_at_waiting(self) -> None:
        """Show which frames wait; nothing is asked while the wire goes on."""
        if (self.stopped or self.frames.waiting) and not self._looking:
            self._work(self._show_waiting())

    async def _show_waiting(self) -> list[Waiting]:
        tap, trace = self.tap, self._trace
        if tap is None or trace is None:
            return []
        self._looking = True
        try:
            held = await asyncio.to_thread(by_hand.waiting, tap)
        finally:
            self._looking = False
        numbers = by_hand.waiting_frames(trace.frames, held)
        if numbers != self.frames.waiting or (self.stopped, len(numbers)) != self._shown:
            self.frames.waiting = numbers
            self.frames.refresh()
            self._shown = (self.stopped, len(numbers))
            self.post_message(self.Changed(*self._shown))
        return held

    async def _one(self) -> None:
        """Let one frame pass: the one that has waited longest."""
        held = await self._show_waiting()
        frame = by_hand.oldest(self._trace.frames, held) if self._trace is not None else None
        if frame is None:
            waits = N_("what waits is no whole frame yet" if held else "nothing waits")
            self.tell(waits if self.stopped else "the wire is not stopped: s stops it", failed=True)
            return
        await self._do_to("pass", frame)
        if (index := self.frames.table.row_of(frame.number)) is not None:
            self.frames.go(index)

    async def _do(self, deed: Deed, row: Row | None) -> None:
        if row is None:
            self.tell("choose a frame first", failed=True)
            return
        await self._do_to(
            deed, next((one for one in row.frames if one.number in self.frames.waiting), row.frame)
        )

    async def _do_to(self, deed: Deed, frame: Frame) -> None:
        tap, trace = self.tap, self._trace
        if tap is None or trace is None:
            self.tell("there is no wire here that could be stopped", failed=True)
            return
        connection = trace.connections.get(frame.connection)
        encrypted = connection is not None and connection.encrypted
        byte = self._place[0]
        try:
            done = await asyncio.to_thread(by_hand.do, tap, deed, frame, byte, encrypted=encrypted)
        except BadRequest as error:
            self.tell(str(error), failed=True)
            return
        if deed != "pass":
            frame.fault = "; ".join(filter(None, (frame.fault, N_(f"by hand: {done}"))))
        self.tell(f"frame {frame.number}: {done}")
        await self._show_waiting()
