"""`chat wire` without a screen: a line for each frame as it passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO

from chat.domain.errors import ChatError
from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from chat.language.translation import colon, translate
from lab.wire import json_lines
from lab.wire.capture import Transport
from lab.wire.ladder import as_text, ladder
from lab.wire.pcapng import CaptureFile
from lab.wire.tap import Tap
from lab.wire.totals import summary
from lab.wire.trace import Trace

WIDTH = 100
"""Columns of a ladder."""
MAX_ARROWS = 5_000
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
    ladder: bool = False
    """Draw arrows instead of lines."""
    secrets: bool = False
    file: str | None = None
    """A capture file to write."""


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
        joined = translate(f"join: chat --backend {name} --server {here}")
        about(f"{name}{colon()}{translate(f'{here} goes on to {wire.server}')}  {joined}")
        with ExitStack() as files:
            file = None
            if wire.file is not None:
                opened = files.enter_context(await asyncio.to_thread(_create, wire.file))
                file = CaptureFile(
                    opened, tap.capture.began, port=wire.technique.dissected_at, secrets=wire.secrets
                )
            printer = _Printer(wire, tap.capture.began, out, file)
            try:
                while True:
                    printer.add(trace)
                    await asyncio.sleep(EVERY)
            finally:
                tap.close()  # first: the end of a connection that is open, or being closed, is shown too
                while trace.behind or tap.capture.waiting:
                    printer.add(trace)
                about(summary(trace))
                if file is not None:
                    about(translate(f"{wire.file} has {file.packets} packets"))


def _create(path: str) -> BinaryIO:
    try:
        return open(path, "wb")
    except OSError as error:
        raise ChatError(f"cannot write {path}: {error.strerror}") from None


class _Printer:
    def __init__(self, wire: Wire, began: float, out: Print, file: CaptureFile | None) -> None:
        self._wire, self._began, self._out, self._file = wire, began, out, file
        self._start: float | None = None
        self._before: float | None = None
        self._parties: tuple[str, ...] = ()
        self._drawn = 0

    def add(self, trace: Trace) -> None:
        new = trace.update()
        if self._file is not None:
            self._file.add(new, trace.connections)
        for frame in new:
            if self._wire.as_json:
                self._out(json_lines.as_json(frame, self._began, secrets=self._wire.secrets))
                continue
            if self._wire.ladder:
                continue
            if self._start is None:
                self._start = frame.began
            self._out(json_lines.line(frame, self._start, self._before))
            self._before = frame.began
        if self._wire.ladder and new:
            self._draw(trace)

    def _draw(self, trace: Trace) -> None:
        """Draw the arrows that are new; the parties again if there are more of them."""
        server = "broker" if self._wire.technique.server is None else "server"
        diagram = ladder(trace.frames, trace.connections, server, count=MAX_ARROWS)
        drawn = as_text(diagram, WIDTH)
        if diagram.parties != self._parties:
            self._parties = diagram.parties
            self._out(drawn[0])
        if diagram.arrows and diagram.arrows[-1].role == "poll":  # more of them may be folded into it
            drawn.pop()
        for text in drawn[2 + self._drawn :]:
            self._out(text)
        self._drawn = max(self._drawn, len(drawn) - 2)
