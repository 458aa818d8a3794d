"""The list of messages: rows of any height, of which only the visible lines are drawn.

Heights are kept for each row, and their prefix sums turn a line into a row and back. All changes of
one batch become one change of geometry, because each costs a layout of the whole screen.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import attrgetter
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from tui.rows import PENDING, Look, Place, Row, lay_out
from tui.widgets.row_strips import STYLES, draw, draw_day

KEEP = 5000
"""Rows in the list, at most; what is older can be paged in again."""
CUT = 500
"""Rows that go at once when there are too many: each cut moves every row."""
SLICE = 1000
"""Rows that are wrapped again in one piece after the width has changed, about 20 ms."""
NEAR_TOP = 5
"""Lines from the top at which older rows are asked for."""

_place = attrgetter("place")


class MessageView(ScrollView, can_focus=False):
    """Rows, sorted by their place. Follows its end until the user scrolls away from it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"message--{name}" for name in STYLES}
    DEFAULT_CSS = """
    MessageView {
        overflow-y: scroll;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
    }
    """

    class NearTop(Message):
        """The user has scrolled to the oldest rows."""

    @dataclass
    class Behind(Message):
        """The end is out of sight, or in sight again: ``new`` rows have come there meanwhile."""

        new: int

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.look = Look(0)
        self.found = ""
        """What the user looks for; set it by `find`."""
        self.follow = True
        self.new = 0
        """Rows that came below while the end was out of sight."""
        self._rows: list[Row] = []
        # Read by tests, written only here.
        self.heights: list[int] = []
        """Lines of each row, the day above it included."""
        self.ends: list[int] = []
        """Prefix sums of the heights: the first line after each row."""
        self.unsure: list[Place] = []
        """Rows whose height is for another width."""
        self._dirty: int | None = None  # the first row whose prefix sum is wrong
        self._changes = 0  # depth of nested `changing`
        self._hit = Place(0, 0)  # the row that `find` went to
        self._strips: LRUCache[tuple[Place, bool], list[Strip]] = LRUCache(512)
        self._styles: dict[str, Style] = {}

    # --- rows ----------------------------------------------------------------------------------

    @property
    def rows(self) -> list[Row]:
        """All rows, in order. Not to be changed."""
        return self._rows

    def row(self, place: Place) -> Row | None:
        """Return the row at a place."""
        index = self._index(place)
        return self._rows[index] if index is not None else None

    def put(self, row: Row) -> None:
        """Add a row, or replace the one at its place."""
        with self.changing():
            index = bisect_left(self._rows, row.place, key=_place)
            if index < len(self._rows) and self._rows[index].place == row.place:
                self._rows[index] = row
            else:
                self._rows.insert(index, row)
                self.heights.insert(index, 0)
                if not self.follow and row.kind == "message" and not row.own and self._is_last(index):
                    self.new += 1
            self._measure(index)
            if index + 1 < len(self._rows):
                self._measure(index + 1)  # the day may be named above another row now

    def drop(self, place: Place) -> None:
        """Take a row out of the list."""
        index = self._index(place)
        if index is None:
            return
        with self.changing():
            del self._rows[index], self.heights[index]
            self._forget(place)
            self._spoil(index)
            if index < len(self._rows):
                self._measure(index)

    def clear(self) -> None:
        """Take every row out but those that wait for the room."""
        with self.changing():
            index = bisect_left(self._rows, Place(PENDING, 0), key=_place)
            self._cut(index)
            self.follow, self.new = True, 0

    def restyle(self, look: Look) -> None:
        """Show other columns, or the same at another width."""
        if look == self.look:
            return
        with self.changing():
            self.look = look
            self._strips.clear()
            self.unsure = [row.place for row in self._rows]
            self._measure_visible()
        self.wrap_slice()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Take several changes as one: what the user reads stays where it is, or the end in sight."""
        if self._changes:
            yield
            return
        top = self._top()
        new = self.new
        self._changes += 1
        try:
            yield
        finally:
            if len(self._rows) > KEEP:
                self._cut(len(self._rows) - KEEP + CUT)
            if self._dirty is not None:
                self._settle(top)
            self._changes -= 1
            self.refresh()
            if self.new != new:
                self.post_message(self.Behind(self.new))

    def _is_last(self, index: int) -> bool:
        return index + 1 == len(self._rows) or self._rows[index + 1].place.log == PENDING

    def _index(self, place: Place) -> int | None:
        index = bisect_left(self._rows, place, key=_place)
        if index < len(self._rows) and self._rows[index].place == place:
            return index
        return None

    def _cut(self, count: int) -> None:
        """Take the oldest rows out."""
        del self._rows[:count], self.heights[:count]
        self._strips.clear()
        self._spoil(0)
        if self._rows:
            self._measure(0)

    # --- geometry ------------------------------------------------------------------------------

    def _names_day(self, index: int) -> bool:
        day = self._rows[index].day
        return bool(day) and (index == 0 or self._rows[index - 1].day != day)

    def _measure(self, index: int) -> None:
        row = self._rows[index]
        self.heights[index] = len(lay_out(row, self.look).lines) + self._names_day(index)
        self._forget(row.place)
        self._spoil(index)

    def _forget(self, place: Place) -> None:
        self._strips.discard((place, False))
        self._strips.discard((place, True))

    def _spoil(self, index: int) -> None:
        self._dirty = index if self._dirty is None else min(index, self._dirty)

    def _settle(self, top: tuple[Place, int] | None) -> None:
        """Sum the heights up, tell Textual the size, and put the view where it was."""
        start, self._dirty = self._dirty or 0, None
        del self.ends[start:]
        base = self.ends[-1] if self.ends else 0
        self.ends.extend(accumulate(self.heights[start:], initial=base))
        del self.ends[start]  # accumulate yields the initial value first
        self.virtual_size = Size(self.look.width, self.ends[-1] if self.ends else 0)
        if self.follow:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        elif top is not None:
            place, line = top
            index = bisect_left(self._rows, place, key=_place)
            self.scroll_to(y=self._start(index) + line, animate=False)
            self.follow = self.scroll_offset.y >= self.max_scroll_y

    def _start(self, index: int) -> int:
        """Return the first line of a row."""
        return self.ends[index - 1] if index else 0

    def _at(self, line: int) -> tuple[int, int] | None:
        """Return which row a line belongs to, and which of the row's lines it is."""
        index = bisect_right(self.ends, line)
        if line < 0 or index >= len(self._rows):
            return None
        return index, line - self._start(index)

    def _top(self) -> tuple[Place, int] | None:
        at = self._at(self.scroll_offset.y)
        return (self._rows[at[0]].place, at[1]) if at else None

    def _measure_visible(self) -> None:
        """Wrap what is on the screen for its width now; the rest may come later."""
        lines, index = self.size.height, len(self._rows)
        if self.follow:
            while index > 0 and lines > 0:
                index -= 1
                self._measure(index)
                lines -= self.heights[index]
                self.unsure.pop()
        elif (at := self._at(self.scroll_offset.y)) is not None:
            index = first = at[0]
            while index < len(self._rows) and lines > 0:
                self._measure(index)
                lines -= self.heights[index]
                index += 1
            del self.unsure[first:index]

    def wrap_slice(self) -> None:
        """Wrap some of the rows that are not on the screen, the newest first; come back for the rest."""
        if not self.unsure:
            return
        with self.changing():
            for place in self.unsure[-SLICE:]:
                index = self._index(place)
                if index is not None:
                    self._measure(index)
            del self.unsure[-SLICE:]
        self.set_timer(0.001, self.wrap_slice)

    def on_resize(self, event: events.Resize) -> None:
        width = self.scrollable_content_region.width
        if width and width != self.look.width:
            self.restyle(replace(self.look, width=width))
        elif self.follow:
            self.scroll_end(animate=False, immediate=True, x_axis=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._changes:
            return
        # A state and not a question about the offset: a viewport that shrinks hides the end without
        # anybody having scrolled.
        self.follow = round(new_value) >= self.max_scroll_y
        if self.follow and self.new:
            self.new = 0
            self.post_message(self.Behind(0))
        if new_value < old_value and new_value <= NEAR_TOP:
            self.post_message(self.NearTop())

    # --- moving --------------------------------------------------------------------------------

    def page(self, pages: int) -> None:
        """Scroll by screens, with two lines of overlap."""
        step = pages * max(1, self.size.height - 2)
        self.scroll_to(y=self.scroll_offset.y + step, animate=False)
        if pages < 0 and self.scroll_offset.y <= NEAR_TOP:
            self.post_message(self.NearTop())

    def to_end(self) -> None:
        self.scroll_end(animate=False, immediate=True, x_axis=False)

    def to_top(self) -> None:
        self.scroll_home(animate=False, immediate=True, x_axis=False)
        self.post_message(self.NearTop())

    def find(self, text: str) -> tuple[int, int]:
        """Mark a text and go to the newest row with it, or from there to the next older one.

        Returns which one that is, counted from the newest, and how many there are; 0 of 0: none.
        An empty text takes the marks away.
        """
        wanted = text.casefold()
        hits = [
            row.place
            for row in reversed(self._rows)
            if row.kind == "message" and not row.deleted and wanted and wanted in row.text.casefold()
        ]
        number = 0
        if hits:
            same = text == self.found and self._hit in hits
            number = (hits.index(self._hit) + 1) % len(hits) if same else 0
            self._hit = hits[number]
        self.found = text
        self._strips.clear()
        self.refresh()
        if not hits:
            return 0, 0
        index = self._index(self._hit)
        if index is not None:
            middle = self._start(index) - (self.size.height - self.heights[index]) // 2
            self.scroll_to(y=middle, animate=False)
        return number + 1, len(hits)

    # --- drawing -------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()
        self._styles.clear()

    def _style(self, name: str) -> Style:
        if name not in self._styles:
            if not name:
                style = self.rich_style
            else:
                # The visual style is blended with what it stands on; the rich component style is not.
                style = self.get_visual_style(f"message--{name}").rich_style
                if name not in ("mention", "found"):
                    style = Style(
                        color=style.color, bold=style.bold, italic=style.italic, underline=style.underline
                    )
                elif name == "mention":
                    style = Style(bgcolor=style.bgcolor)
            self._styles[name] = style
        return self._styles[name]

    def _drawn(self, index: int) -> list[Strip]:
        row, names_day = self._rows[index], self._names_day(index)
        strips = self._strips.get((row.place, names_day))
        if strips is None:
            strips = draw(row, self.look, self._style, self.found)
            if names_day:
                strips.insert(0, draw_day(row.day, self.look, self._style))
            self._strips[(row.place, names_day)] = strips
        return strips

    def render_line(self, y: int) -> Strip:
        line = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        base = self._style("")
        at = self._at(line)
        if at is None:
            return Strip.blank(width, base)
        strips = self._drawn(at[0])
        # A row that is still to be wrapped again may have more lines than strips for a moment.
        strip = strips[at[1]] if at[1] < len(strips) else Strip.blank(width, base)
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(line)) is not None:
            strip = self._selected(strip, *span)
        return strip.crop_extend(0, width, base).apply_offsets(0, line)

    def _selected(self, strip: Strip, start: int, end: int) -> Strip:
        length = strip.cell_length
        end = length if end == -1 else min(end, length)
        if start >= end:
            return strip
        style = self.screen.get_component_rich_style("screen--selection")
        before, chosen, after = strip.crop(0, start), strip.crop(start, end), strip.crop(end, length)
        chosen = Strip([Segment(text, (own or Style()) + style) for text, own, _ in chosen])
        return Strip.join([before, chosen, after])

    # --- selecting with the mouse --------------------------------------------------------------

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the selected text: wrapped lines joined again, time and nick where a row begins."""
        if not self.ends:
            return None
        first = selection.start.y if selection.start else 0
        last = min(selection.end.y if selection.end else self.ends[-1] - 1, self.ends[-1] - 1)
        pieces: list[str] = []
        for line in range(first, last + 1):
            at, span = self._at(line), selection.get_span(line)
            if at is None or span is None:
                continue
            if pieces:
                pieces.append(self._joint(*at))
            pieces.append(self._selected_text(*at, *span))
        return "".join(pieces), "\n"

    def _selected_text(self, index: int, line: int, start: int, end: int) -> str:
        strip = self._drawn(index)[line]
        end = strip.cell_length if end == -1 else end
        head = line - self._names_day(index)
        if head < 0 or self._rows[index].kind == "rule":
            return strip.crop(start, end).text.strip("─ ")
        left, body = self.look.left, self.look.left + self.look.body
        text = strip.crop(max(start, left), max(min(end, body), start, left)).text.rstrip()
        if head == 0 and start < left:
            text = " ".join([*strip.crop(start, min(end, left)).text.split(), text])
        return text

    def _joint(self, index: int, line: int) -> str:
        """Return what stands between a line and the one before it in the text: nothing, a space, a break."""
        head = line - self._names_day(index)
        if head <= 0:
            return "\n"
        layout = lay_out(self._rows[index], self.look)
        start = layout.lines[head][0]
        if start == layout.lines[head - 1][1]:
            return " " if layout.text[start - 1 : start] == " " else ""
        return "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()
