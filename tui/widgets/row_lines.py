"""The rows of a list, how many lines each has, and which line belongs to which row. There is no widget here.

The height of each row is stored. Prefix sums of the heights map a line to its row and back.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from operator import attrgetter

from tui.rows import PENDING, Look, Place, Row, lay_out

_place = attrgetter("place")


class RowLines:
    """Rows, sorted by their place. After changes, `settle` brings the sums up to date."""

    def __init__(self) -> None:
        self.look = Look(0)
        """How rows are laid out; after a change of it, the heights are those of before until `measure`."""
        self.rows: list[Row] = []
        self.heights: list[int] = []
        """The lines of each row, including the day above it."""
        self.ends: list[int] = []
        """Prefix sums of the heights: the first line after each row."""
        self._dirty: int | None = None  # the first row whose prefix sum is wrong

    @property
    def total(self) -> int:
        """All lines."""
        return self.ends[-1] if self.ends else 0

    @property
    def dirty(self) -> bool:
        """Whether the sums must be settled."""
        return self._dirty is not None

    def index(self, place: Place) -> int | None:
        """Return the index of the row at a place, None if there is none."""
        index = self.before(place)
        if index < len(self.rows) and self.rows[index].place == place:
            return index
        return None

    def before(self, place: Place) -> int:
        """Return how many rows stand before a place."""
        return bisect_left(self.rows, place, key=_place)

    def start(self, index: int) -> int:
        """Return the first line of a row."""
        return self.ends[index - 1] if index else 0

    def at(self, line: int) -> tuple[int, int] | None:
        """Return the index of a line's row, and the line's index in that row."""
        index = bisect_right(self.ends, line)
        if line < 0 or index >= len(self.rows):
            return None
        return index, line - self.start(index)

    def names_day(self, index: int) -> bool:
        """Return whether the day is shown above a row."""
        day = self.rows[index].day
        return bool(day) and (index == 0 or self.rows[index - 1].day != day)

    def is_last(self, index: int) -> bool:
        """Return whether nothing but pending drafts stands below a row."""
        return index + 1 == len(self.rows) or self.rows[index + 1].place.log == PENDING

    def message(self, index: int, step: int) -> Place | None:
        """Return the first message from a row on, in steps of 1 or -1; None: there is none."""
        while 0 <= index < len(self.rows):
            if self.rows[index].kind == "message":
                return self.rows[index].place
            index += step
        return None

    def neighbour(self, place: Place, step: int) -> Place | None:
        """Return the message after a place (1) or before it (-1); None: there is none."""
        index = self.before(place)
        if step < 0:
            return self.message(index - 1, -1)
        return self.message(index + (self.index(place) is not None), 1)

    def nearest(self, place: Place) -> Place | None:
        """Return the message at a place, or before it, or else after it; None: there is none at all."""
        index = self.before(place)
        return self.message(index if self.index(place) is not None else index - 1, -1) or self.message(
            index, 1
        )

    # --- changes -------------------------------------------------------------------------------

    def put(self, row: Row) -> tuple[int, bool]:
        """Add a row, or replace the one at its place; return its index, and whether it is new."""
        index = self.before(row.place)
        new = index == len(self.rows) or self.rows[index].place != row.place
        if new:
            self.rows.insert(index, row)
            self.heights.insert(index, 0)
        else:
            self.rows[index] = row
        self.measure(index)
        if index + 1 < len(self.rows):
            self.measure(index + 1)  # the day may now be shown above another row
        return index, new

    def drop(self, index: int) -> None:
        """Remove a row."""
        del self.rows[index], self.heights[index]
        self._spoil(index)
        if index < len(self.rows):
            self.measure(index)

    def cut(self, count: int) -> None:
        """Remove the oldest rows."""
        del self.rows[:count], self.heights[:count]
        self._spoil(0)
        if self.rows:
            self.measure(0)

    def measure(self, index: int) -> None:
        """Lay a row out, and store its height."""
        self.heights[index] = len(lay_out(self.rows[index], self.look).lines) + self.names_day(index)
        self._spoil(index)

    def _spoil(self, index: int) -> None:
        self._dirty = index if self._dirty is None else min(index, self._dirty)

    def settle(self) -> None:
        """Update the prefix sums."""
        start, self._dirty = self._dirty or 0, None
        del self.ends[start:]
        base = self.ends[-1] if self.ends else 0
        self.ends.extend(accumulate(self.heights[start:], initial=base))
        del self.ends[start]  # accumulate yields the initial value first
