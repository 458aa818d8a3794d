"""The list of frames as people see it: filtered, and empty polls folded into one line."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches

from chat.domain.errors import BadRequest
from chat.interfaces.frames import Direction, Frame
from chat.language import N_
from lab.wire.totals import carries_nothing

Match = Callable[[Frame], bool]


@dataclass(slots=True)
class Row:
    """One line: a frame, or several empty polls."""

    frames: list[Frame] = field(default_factory=list)
    marked: bool = False

    @property
    def frame(self) -> Frame:
        """The newest of them."""
        return self.frames[-1]

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(len(frame.data) for frame in self.frames)


class Table:
    """The rows of a trace's frames, in their order."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.shown = 0
        """Frames in the rows."""
        self.match: Match = everything
        self.control = True
        """Show control frames."""

    def add(self, frames: Iterable[Frame]) -> None:
        """Append frames."""
        for frame in frames:
            if not self.match(frame) or (frame.role == "control" and not self.control):
                continue
            self.shown += 1
            if self.rows and _folds(self.rows[-1], frame):
                self.rows[-1].frames.append(frame)
            else:
                self.rows.append(Row([frame]))

    def forget(self, number: int) -> int:
        """Remove the rows of frames with a lower number than this one; return how many they were."""
        count = 0
        while count < len(self.rows) and self.rows[count].frame.number < number:
            self.shown -= len(self.rows[count].frames)
            count += 1
        del self.rows[:count]
        return count

    def rebuild(self, frames: Iterable[Frame]) -> None:
        """Begin anew, because frames are gone or others are wanted; marks stay."""
        marked = {frame.number for row in self.rows if row.marked for frame in row.frames}
        self.rows.clear()
        self.shown = 0
        self.add(frames)
        for row in self.rows:
            row.marked = any(frame.number in marked for frame in row.frames)

    def row_of(self, number: int) -> int | None:
        """Return the index of the row with a frame; None: it is not shown."""
        for index in range(len(self.rows) - 1, -1, -1):
            if any(frame.number == number for frame in self.rows[index].frames):
                return index
        return None


def _folds(row: Row, frame: Frame) -> bool:
    return (
        frame.role == "poll"
        and carries_nothing(frame)
        and row.frame.role == "poll"
        and carries_nothing(row.frame)
        and not row.marked
    )


# --- filters -----------------------------------------------------------------------------------


def everything(frame: Frame) -> bool:
    return True


_DIRECTIONS = {"out": Direction.UP, "up": Direction.UP, "in": Direction.DOWN, "down": Direction.DOWN}
_KEYS: dict[str, Callable[[Frame, str], bool]] = {
    "proto": lambda frame, word: word in frame.protocol.lower(),
    "kind": lambda frame, word: word in frame.kind.lower(),
    "dir": lambda frame, word: frame.direction is _DIRECTIONS[word],
    "role": lambda frame, word: frame.role == word,
    "conn": lambda frame, word: str(frame.connection) == word,
    "stream": lambda frame, word: frame.stream.lower() == word,
    "seq": lambda frame, word: word.isdigit() and int(word) in frame.seqs,
    "bad": lambda frame, word: bool(frame.problem) is (word not in ("no", "false", "0")),
}


def parse_filter(text: str) -> Match:
    """Read a filter: words that must all be in a frame, and ``KEY:WORD``, e.g. ``dir:in role:poll "hello"``.

    Raises:
        BadRequest: with a text for the user.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        raise BadRequest("a quotation mark is missing") from None
    matches = [_match(word) for word in words]
    return (lambda frame: all(match(frame) for match in matches)) if matches else everything


def _match(word: str) -> Match:
    key, colon, value = word.partition(":")
    if colon and key.lower() in _KEYS:
        test, value = _KEYS[key.lower()], value.lower()
        if key.lower() == "dir" and value not in _DIRECTIONS:
            raise BadRequest("dir is in or out")
        return lambda frame: test(frame, value)
    if colon and key.isalpha():
        close = get_close_matches(key.lower(), _KEYS, n=1)
        hint = N_(f"did you mean {close[0]}:?") if close else N_(f"known are {', '.join(_KEYS)}")
        raise BadRequest(f"there is no {key}: in a filter: {hint}")
    wanted = word.casefold()
    return lambda frame: (
        wanted in frame.summary.casefold()
        or wanted in f"{frame.protocol} {frame.kind}".casefold()
        or any(wanted in text.casefold() for text in frame.texts)
    )
