"""Recordings of a terminal as asciicast v3, which asciinema plays: https://docs.asciinema.org/manual/asciicast/v3/

The first line of a file is a header, every other one an event: ``[interval, code, data]``, where the interval
is the seconds since the event before. What was typed is not in it: a terminal shows what it shows.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TextIO, cast, get_args

Code = Literal["o", "r", "m", "x"]
"""Output, a new size, a marker (the title of a chapter), the exit code."""
VERSION = 3


@dataclass(frozen=True, slots=True)
class Happened:
    """An event. Its time is in milliseconds from the first one on."""

    at: int
    code: Code
    data: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A file that was read."""

    cols: int
    rows: int
    events: tuple[Happened, ...]


class Recorder:
    """Writes what a terminal shows, as it happens. The time begins with the first event.

    Args:
        file: is written to, and stays open.
        cols: columns of the terminal.
        rows: its lines.
        clock: returns seconds.
        title: of the recording.
    """

    def __init__(self, file: TextIO, cols: int, rows: int, *, clock: Callable[[], float], title: str) -> None:
        self._file, self._clock = file, clock
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begin: float | None = None
        self._last = 0
        term = {"cols": cols, "rows": rows, "type": "xterm-256color"}
        self._line({"version": VERSION, "term": term, "title": title})

    def output(self, data: bytes) -> None:
        """The program has written this; a character may be split between two calls."""
        if text := self._decoder.decode(data):
            self._event("o", text)

    def resize(self, cols: int, rows: int) -> None:
        """The terminal has another size."""
        self._event("r", f"{cols}x{rows}")

    def marker(self, title: str) -> None:
        """A chapter begins."""
        self._event("m", title)

    def exit(self, status: int) -> None:
        """The program has ended. What was left of a character is written as U+FFFD."""
        if text := self._decoder.decode(b"", final=True):
            self._event("o", text)
        self._event("x", str(status))

    def _event(self, code: Code, data: str) -> None:
        now = self._clock()
        if self._begin is None:
            self._begin = now
        at = round((now - self._begin) * 1000)  # of the whole time: rounded intervals would add up to another
        self._line([(at - self._last) / 1000, code, data])
        self._last = at

    def _line(self, value: object) -> None:
        self._file.write(json.dumps(value, ensure_ascii=False) + "\n")


def read(text: str) -> Recording:
    """Read a file. Raises ValueError."""
    header, *rest = (line for line in text.split("\n") if line and not line.startswith("#"))
    head: dict[str, Any] = json.loads(header)
    if head["version"] != VERSION:
        raise ValueError(f"this is asciicast v{head['version']}, not v{VERSION}")
    events, at = [], 0
    for line in rest:
        interval, code, data = json.loads(line)
        if code not in get_args(Code):
            raise ValueError(f"an event of kind {code!r}")
        at += round(interval * 1000)
        events.append(Happened(at, cast(Code, code), data))
    return Recording(head["term"]["cols"], head["term"]["rows"], tuple(events))
