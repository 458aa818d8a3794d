"""`chat wire` without a screen: a line for each frame as it passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from lab.wire import json_lines
from lab.wire.capture import Transport
from lab.wire.tap import Tap
from lab.wire.totals import summary
from lab.wire.trace import Trace

EVERY = 0.1
"""Seconds between two looks at what was captured."""

Print = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wire:
    """What is looked at, and how it is shown."""

    technique: Technique
    server: Address
    transport: Transport
    port: int = 0
    """To listen at; 0: any that is free."""
    as_json: bool = False
    secrets: bool = False


async def show(wire: Wire, out: Print, about: Print) -> int:
    """Relay until cancelled, and show every frame.

    Args:
        wire: what to look at.
        out: prints a frame.
        about: prints what is not a frame.

    Returns:
        The exit code.
    """
    with await asyncio.to_thread(Tap) as tap:
        here = await asyncio.to_thread(tap.relay, wire.server, wire.transport, wire.port)
        trace = Trace(tap.capture, wire.technique.load_decoder())
        name = wire.technique.name
        about(f"{name}: {here} goes on to {wire.server}  join: chat --backend {name} --server {here}")
        printer = _Printer(wire, tap.capture.began, out)
        try:
            while True:
                printer.add(trace)
                await asyncio.sleep(EVERY)
        finally:
            while trace.behind or tap.capture.waiting:
                printer.add(trace)
            about(summary(trace))


class _Printer:
    def __init__(self, wire: Wire, began: float, out: Print) -> None:
        self._wire, self._began, self._out = wire, began, out
        self._start: float | None = None
        self._before: float | None = None

    def add(self, trace: Trace) -> None:
        for frame in trace.update():
            if self._wire.as_json:
                self._out(json_lines.as_json(frame, self._began, secrets=self._wire.secrets))
                continue
            if self._start is None:
                self._start = frame.began
            self._out(json_lines.line(frame, self._start, self._before))
            self._before = frame.began
