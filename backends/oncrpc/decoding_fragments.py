"""The fragments of a record: the message that they hold, and where its bytes are in the record."""

from __future__ import annotations

from bisect import bisect_right

from backends.oncrpc.codec import LAST
from chat.interfaces.frames import Field

MARK_BYTES = 4


class Fragments:
    """A whole record, of one fragment or several, any of which may be empty (RFC 5531, section 11)."""

    def __init__(self, record: bytes) -> None:
        """Cut it at its record marks.

        Args:
            record: from its first mark to the end of its last fragment.
        """
        self.marks: list[int] = []
        """Where the marks are in the record."""
        self._record = record
        self._starts: list[int] = []  # where the fragments that are not empty begin in the message
        self._shifts: list[int] = []  # by how much further they are in the record
        place = size = 0
        parts = []
        while place < len(record):
            self.marks.append(place)
            length = int.from_bytes(record[place : place + MARK_BYTES], "big") & ~LAST
            place += MARK_BYTES
            if length:
                self._starts.append(size)
                self._shifts.append(place - size)
                parts.append(record[place : place + length])
            size += length
            place += length
        self.begin = 0
        """Where the message begins in `message`."""
        if len(self.marks) == 1:  # nearly always: the places in the message are those in the record
            self.message, self.begin = record, MARK_BYTES
        else:
            self.message = b"".join(parts)

    def place(self, root: Field) -> None:
        """Make places in the record of those in the message, and add the marks.

        Args:
            root: of the record; the fields below it are those of the message.
        """
        if len(self.marks) > 1:
            for field in root.fields:
                self._move(field)
        for place in self.marks:
            _insert(root, self._mark(place))

    def _move(self, field: Field) -> None:
        if field.span is not None:
            start, end = field.span
            after = self._moved(end - 1) + 1
            field.span = (self._moved(start) if start < end else after), after
        for below in field.fields:
            self._move(below)

    def _moved(self, place: int) -> int:
        which = max(0, bisect_right(self._starts, place) - 1)
        return place + self._shifts[which]

    def _mark(self, place: int) -> Field:
        word = int.from_bytes(self._record[place : place + MARK_BYTES], "big")
        last = "the last fragment" if word & LAST else "a fragment"
        return Field("record mark", f"{last}, {word & ~LAST} bytes", (place, place + MARK_BYTES), "framing")


def _insert(field: Field, mark: Field) -> None:
    """Put a mark where it belongs: into the innermost field that goes on behind it."""
    assert mark.span is not None
    for index, below in enumerate(field.fields):
        if below.span is None:
            continue
        if below.span[0] < mark.span[0] and mark.span[1] < below.span[1]:
            _insert(below, mark)
            return
        if below.span[0] >= mark.span[1]:
            field.fields.insert(index, mark)
            return
    field.fields.append(mark)
