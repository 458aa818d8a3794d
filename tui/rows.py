"""What the message list shows, and how it breaks into lines. No widget in here, only values.

A row's place in the list is its place in the room's log, so that the order on screen is the room's
order whatever comes in first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple

from rich.cells import cell_len, chop_cells

from chat.domain.validation import printable

Kind = Literal["message", "notice", "rule"]
Mark = Literal["", "pending", "failed", "unconfirmed"]
Part = Literal["nick", "edited", "deleted", "reason"]


class Place(NamedTuple):
    """Where a row stands; rows are sorted by it."""

    log: int
    """Counts the logs this room has had while we looked; `PENDING` for what no log has yet."""
    seq: int
    sub: int = 0
    """For what stands between two events: our own notices, and drafts that failed."""


PENDING = 2**53


@dataclass(frozen=True, slots=True)
class Row:
    place: Place
    kind: Kind
    text: str
    """Already cleaned by `shown`."""
    day: str = ""
    """The day that is named above its first row, e.g. ``Mon 23 November 2026``."""
    clock: str = ""
    """Hours and minutes, e.g. ``12:56``."""
    nick: str = ""
    """The author, or the sign of a notice."""
    colour: int = 0
    """The number of the nick's colour."""
    technique: str = ""
    id: int = 0
    own: bool = False
    edited: bool = False
    deleted: bool = False
    changed: int = 0
    """The seq of the newest edit or deletion that this row shows."""
    mention: bool = False
    mark: Mark = ""
    phase: str = ""
    """What an own row waits for, e.g. ``sending``."""
    reason: str = ""
    """Why it failed, or waits, on a line of its own."""
    took: float | None = None
    """Seconds from Enter until the own event was back."""


@dataclass(frozen=True, slots=True)
class Look:
    """How rows are laid out: what is shown, and how wide the columns are, in cells."""

    width: int
    times: bool = True
    """End own rows in the time they took."""
    ids: bool = False
    """Show the ids of messages in place of the time of day."""
    badge: int = 8
    """The badge's column; ``rabbitmq`` fits."""

    @property
    def clock(self) -> int:
        return 7 if self.ids else 5

    @property
    def nick(self) -> int:
        return 8 if self.width < 70 else 10 if self.width < 100 else 12

    @property
    def left(self) -> int:
        """Where the text begins: a margin for marks, the time, the nick."""
        return 1 + self.clock + 1 + self.nick + 1

    @property
    def right(self) -> int:
        return self.badge + 3 if self.width >= 50 else 0

    @property
    def body(self) -> int:
        return max(8, self.width - self.left - self.right)


class Layout(NamedTuple):
    """A row as lines."""

    text: str
    """The row's text and what is said after it."""
    lines: list[tuple[int, int]]
    """Slices of the text."""
    parts: list[tuple[int, int, Part]]
    """Slices that have a look of their own."""
    tail: str
    """Stands right-aligned on the last line."""


def lay_out(row: Row, look: Look) -> Layout:
    """Break a row into lines. The day above it isn't among them."""
    if row.kind == "rule":
        return Layout(row.text, [(0, len(row.text))], [], "")
    parts: list[tuple[int, int, Part]] = []
    text = row.text
    if row.deleted:
        text = "message deleted"
        parts.append((0, len(text), "deleted"))
    elif row.edited:
        text += " (edited)"
        parts.append((len(text) - len("(edited)"), len(text), "edited"))
    if row.reason:
        parts.append((len(text) + 1, len(text) + 1 + len(row.reason), "reason"))
        text = f"{text}\n{row.reason}"
    tail = row.phase or (duration(row.took) if look.times and row.took is not None else "")
    body = look.body
    if len(text) <= body and text.isascii() and "\n" not in text:
        lines = [(0, len(text))]
    else:
        lines = wrap(text, body)
    if tail:
        start, end = lines[-1]
        if cell_len(text[start:end]) + 2 + len(tail) > body:
            lines.append((end, end))
    return Layout(text, lines, parts, tail)


_WORD = re.compile(r"[^ ]+ *| +")


def wrap(text: str, width: int) -> list[tuple[int, int]]:
    """Return slices of the text, one a line, that are at most ``width`` cells wide.

    Breaks at newlines and after spaces, which may hang over the end of their line; a longer word is
    cut between two graphemes.
    """
    lines: list[tuple[int, int]] = []
    start = 0
    for paragraph in text.split("\n"):
        end = start + len(paragraph)
        if cell_len(paragraph) <= width:
            lines.append((start, end))
        else:
            lines.extend(_wrap_paragraph(text, start, end, width))
        start = end + 1
    return lines


def _wrap_paragraph(text: str, start: int, end: int, width: int) -> Iterator[tuple[int, int]]:
    line, used = start, 0
    for match in _WORD.finditer(text, start, end):
        word, at = match[0], match.start()
        size = cell_len(word.rstrip(" "))
        if used + size > width and used:
            yield line, at
            line, used = at, 0
        if size > width:
            pieces = chop_cells(word, width)
            for piece in pieces[:-1]:
                at += len(piece)
                yield line, at
                line = at
            used = cell_len(pieces[-1])
        else:
            used += cell_len(word)
    yield line, end


def duration(seconds: float) -> str:
    """Write a duration with two or three digits: ``1.2 ms``, ``640 ms``, ``2.3 s``."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s"


@lru_cache(maxsize=4096)
def clock_and_day(minute: int, zone: tzinfo | None) -> tuple[str, str]:
    """Return the time of day and the day, for minutes since the epoch; dashes and no day for no time."""
    try:
        when = datetime.fromtimestamp(minute * 60, zone)
    except (ValueError, OverflowError, OSError):  # a server may send any number
        return "--:--", ""
    return f"{when:%H:%M}", f"{when:%a} {when.day} {when:%B} {when.year}"


def shown(text: str) -> str:
    """Return a text of others so that it can stand in a list: visible characters, tabs as spaces."""
    return printable(text).expandtabs(4)


def one_line(text: str) -> str:
    """The same for what has one line: a name, a reason, an address."""
    return " ".join(printable(text).split())


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Cut or pad a text to so many cells; what was cut ends in …"""
    size = cell_len(text)
    if size > width:
        text = chop_cells(text, width - 1)[0] + "…"
        size = cell_len(text)
    blank = " " * (width - size)
    return blank + text if right else text + blank
