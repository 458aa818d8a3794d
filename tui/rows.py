"""The rows of the message list, and how they are broken into lines. There is no widget in this file.

Rows are sorted by their place in the room's log. So the order on the screen is the room's order, in whatever
order events come.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple

from rich.cells import cell_len, chop_cells

from chat.domain.validation import printable
from chat.language import N_
from chat.language.translation import decimal, translate
from tui.traffic import Going

Kind = Literal["message", "notice", "rule"]
Mark = Literal["", "pending", "failed", "unconfirmed"]
Part = Literal["nick", "edited", "deleted", "reason", "receipt"]


class Place(NamedTuple):
    """The position of a row; rows are sorted by it."""

    log: int
    """The number of the log: 0, and 1 more each time the room gets another log. `PENDING` for a draft."""
    seq: int
    sub: int = 0
    """Sorts rows between two events: notices of this program, and drafts that failed."""


PENDING = 2**53
DOES = "/me "
"""How a message begins that says what its author does (XEP-0245); it is shown as ``* ann waves``."""


@dataclass(frozen=True, slots=True)
class Row:
    """One message, notice or rule."""

    place: Place
    kind: Kind
    text: str
    """Made safe by `shown`."""
    day: str = ""
    """E.g. ``Mon 23 November 2026``; it is shown above the first row of each day."""
    clock: str = ""
    """Hours and minutes, e.g. ``12:56``."""
    nick: str = ""
    """The author; for a notice, its sign."""
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
    said: str = ""
    """An own draft: its text as it was written."""
    phase: str = ""
    """The state of an own draft, e.g. ``sending``."""
    reason: str = ""
    """Why the draft failed or waits; shown on a line of its own."""
    took: float | None = None
    """Seconds from Enter until the message's event came."""
    seen: str = ""
    """How many have an own message, e.g. ``seen by 3 of 5``; "": not known, or not shown."""
    n: int = 0
    """The number of the own draft that the message was; 0: of somebody else, or not known."""
    receipt: str = ""
    """What it cost on the wire; shown on a line of its own."""
    traffic: tuple[Going, ...] = ()
    """Who came or went, if the row tells that; several: it stands for a run."""

    def translated(self) -> Row:
        """Return the row with our own texts in the language of the screen; those of people stay."""
        text = self.text if self.kind == "message" else "\n".join(map(translate, self.text.split("\n")))
        phase, reason, seen = translate(self.phase), translate(self.reason), translate(self.seen)
        if (text, phase, reason, seen) == (self.text, self.phase, self.reason, self.seen):
            return self
        return replace(self, text=text, phase=phase, reason=reason, seen=seen)


@dataclass(frozen=True, slots=True)
class Look:
    """What rows show, and the widths of their columns in cells."""

    width: int
    times: bool = True
    """Whether own rows end with the time that they took, and with who has them."""
    ids: bool = False
    """Whether message numbers are shown instead of the time of day."""
    clocks: bool = True
    """Whether rows begin with the time of day, or with the number of the message."""
    badge: int = 8
    """The width of the technique's column; ``rabbitmq`` fits."""
    bare: bool = False
    """Whether there are no columns, for the terminal's own selection: each row begins with its author."""

    @property
    def clock(self) -> int:
        return 0 if not self.clocks else 7 if self.ids else 5

    @property
    def nick(self) -> int:
        return 8 if self.width < 70 else 10 if self.width < 100 else 12

    @property
    def left(self) -> int:
        """The column where the text begins, after mark, time and nick."""
        if self.bare:
            return 1
        return 1 + self.clock + 1 + self.nick + 1

    @property
    def right(self) -> int:
        return self.badge + 3 if self.width >= 50 and not self.bare else 0

    @property
    def body(self) -> int:
        return max(8, self.width - self.left - self.right)


class Layout(NamedTuple):
    """A row, broken into lines."""

    text: str
    """The row's text, and after it "(edited)" or the reason."""
    lines: list[tuple[int, int]]
    """Start and end of each line in ``text``."""
    parts: list[tuple[int, int, Part]]
    """Start, end and style of the parts that look different."""
    tail: str
    """Right-aligned on the last line."""


def lay_out(row: Row, look: Look) -> Layout:
    """Break a row into lines; the line with the day above it is not included."""
    if row.kind == "rule":
        return Layout(row.text, [(0, len(row.text))], [], "")
    parts: list[tuple[int, int, Part]] = []
    text = row.text
    if text.startswith(DOES) and row.kind == "message":
        text = f"* {row.nick} {text[len(DOES) :]}"
    if row.deleted:
        text = translate("message deleted")
        parts.append((0, len(text), "deleted"))
    elif row.edited:
        edited = translate("(edited)")
        text = f"{text} {edited}"
        parts.append((len(text) - len(edited), len(text), "edited"))
    if row.reason:
        parts.append((len(text) + 1, len(text) + 1 + len(row.reason), "reason"))
        text = f"{text}\n{row.reason}"
    if row.receipt:
        parts.append((len(text) + 1, len(text) + 1 + len(row.receipt), "receipt"))
        text = f"{text}\n{row.receipt}"
    if look.bare:
        author = f"{row.nick}: " if row.kind == "message" else f"{row.nick} "
        text = author + text
        parts = [(start + len(author), end + len(author), part) for start, end, part in parts]
    tail = row.phase
    if not tail and look.times and not look.bare:
        took = "" if row.took is None else duration(row.took)
        tail = f"{took} · {row.seen}" if took and row.seen else took or row.seen
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
    """Break a text into lines of at most ``width`` cells; return the start and end of each.

    Lines are broken at newlines and after spaces. Spaces may exceed the width. A word that is longer than a
    line is cut between two graphemes.
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
    """Format a duration: ``1.2 ms``, ``640 ms``, ``2.3 s``."""
    if seconds < 0.01:
        return decimal(f"{seconds * 1000:.1f} ms")
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return decimal(f"{seconds:.1f} s")


def size(bytes: int) -> str:
    """Format a number of bytes: ``480 B``, ``12.3 kB``."""
    return f"{bytes} B" if bytes < 1000 else decimal(f"{bytes / 1000:.1f} kB")


DAYS = N_("Mon Tue Wed Thu Fri Sat Sun")
MONTHS = N_("January February March April May June July August September October November December")


@lru_cache(maxsize=4096)
def clock_and_day(minute: int, zone: tzinfo | None) -> tuple[str, str]:
    """Return the time of day and the day.

    Args:
        minute: since the epoch. For one that is out of range, dashes and no day are returned.
        zone: None: the local one.
    """
    try:
        when = datetime.fromtimestamp(minute * 60, zone)
    except (ValueError, OverflowError, OSError):  # a server can send any number
        return "--:--", ""
    day, month = translate(DAYS).split()[when.weekday()], translate(MONTHS).split()[when.month - 1]
    return f"{when:%H:%M}", f"{day} {when.day} {month} {when.year}"


def shown(text: str) -> str:
    """Return another person's text, safe to be shown: control characters are escaped, tabs become spaces."""
    return printable(text).expandtabs(4)


def one_line(text: str) -> str:
    """Do the same for a name, a reason or an address, and make it one line."""
    return " ".join(printable(text).split())


QUOTED = 72
"""The most cells and characters of a quotation: marks that stand on one letter need no cell."""


def quoted(nick: str, text: str) -> str:
    """Return the beginning of a message as a line that stands above an answer."""
    words = " ".join(text[: 4 * QUOTED].split())
    return "> " + fit(f"{nick}: {words}"[:QUOTED], min(QUOTED, cell_len(f"{nick}: {words}"))).rstrip()


def fit_name(name: str, width: int, *, right: bool = False) -> str:
    """Cut a name in the middle, or pad it: ``student01`` and ``student30`` must differ."""
    if cell_len(name) > width > 4:
        end = name[-1:]
        while len(end) < len(name) and cell_len(name[-len(end) - 1 :]) <= width // 3:
            end = name[-len(end) - 1 :]
        return fit(f"{chop_cells(name, width - cell_len(end) - 1)[0]}…{end}", width, right=right)
    return fit(name, width, right=right)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Cut or pad a text to ``width`` cells, 0 at least; a text that was cut ends with "…"."""
    size = cell_len(text)
    if size > width:
        text = (chop_cells(text, width - 1)[0] if width > 1 else "") + "…" * (width > 0)
        size = cell_len(text)
    blank = " " * (width - size)
    return blank + text if right else text + blank
