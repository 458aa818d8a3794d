"""The message list: rows of any height, of which only the visible lines are drawn.

`RowLines` knows which row is on which line. All changes of one batch become one change of the geometry. A
strip that is shown again on another line of the screen is not made again: only new lines are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip

from tui.rows import PENDING, Look, Place, Row
from tui.widgets.lines import Lines, filtered
from tui.widgets.row_lines import RowLines
from tui.widgets.row_strips import STYLES, draw, draw_day, style_of
from tui.widgets.selection import highlight, selected_rows

KEEP = 5000
"""The most rows in the list; older ones can be loaded again."""
CUT = 500
"""Rows that are removed at once when there are too many: each removal moves every row."""
SLICE = 1000
"""Rows that are wrapped again in one step after the width has changed; takes about 20 ms."""
NEAR_TOP = 5
"""If the user scrolls to this many lines from the top, older rows are loaded."""


class MessageView(Lines):
    """Shows rows, sorted by their place. It follows its end until the user scrolls away from it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"message--{name}" for name in STYLES}

    class NearTop(Message):
        """The user has scrolled to the oldest rows."""

    @dataclass
    class Behind(Message):
        """The end of the list is not visible and has ``new`` more rows; 0: it is visible again."""

        new: int

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.found = ""
        """The text that is highlighted; set by `mark`."""
        self.follow = True
        self.new = 0
        """Rows that came while the end was not visible."""
        self.lines = RowLines()
        self.cut: Place | None = None
        """The first row that is left since rows were removed because there were too many; None: none were."""
        self.unsure: list[Place] = []
        """Rows whose height was computed for another width."""
        self.at_end: Callable[[], None] = lambda: None
        """Called when several changes end, before they are shown; it may change more."""
        self._changes = 0  # depth of nested `changing`
        self._cursor: Place | None = None
        # The strips of rows, each with whether it names the day and whether it is chosen.
        self._strips: LRUCache[Place, tuple[bool, bool, list[Strip]]] = LRUCache(512)
        self._styles: dict[str, Style] = {}
        self._painted: tuple[Region, list[Strip]] | None = None  # what was painted last; None: repaint it

    # --- rows ----------------------------------------------------------------------------------

    @property
    def rows(self) -> list[Row]:
        """All rows, in order. Not to be changed."""
        return self.lines.rows

    @property
    def look(self) -> Look:
        """What rows show, and how wide; changed by `restyle`."""
        return self.lines.look

    def row(self, place: Place) -> Row | None:
        """Return the row at a place, None if there is none."""
        index = self.lines.index(place)
        return self.rows[index] if index is not None else None

    def put(self, row: Row) -> None:
        """Add a row, or replace the one at its place."""
        row = row.translated()
        with self.changing():
            index, new = self.lines.put(row)
            self._strips.discard(row.place)
            if (
                new
                and not self.follow
                and row.kind == "message"
                and not row.own
                and self.lines.is_last(index)
            ):
                self.new += 1

    def drop(self, place: Place) -> None:
        """Remove a row."""
        index = self.lines.index(place)
        if index is not None:
            with self.changing():
                self.lines.drop(index)
                self._strips.discard(place)

    def clear(self) -> None:
        """Remove all rows except those of pending drafts."""
        with self.changing():
            self._cut(self.lines.before(Place(PENDING, 0)))
            self.follow, self.new = True, 0

    def restyle(self, look: Look) -> None:
        """Change the columns or the width."""
        if look == self.look:
            return
        with self.changing():
            self.lines.look = look
            self._strips.clear()
            self.unsure = [row.place for row in self.rows]
            self._measure_visible()
        self.wrap_slice()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Make several changes as one. What the user reads does not move; a visible end stays visible."""
        if self._changes:
            yield
            return
        top = self._top()
        new = self.new
        self._changes += 1
        try:
            yield
        finally:
            self.at_end()
            if len(self.rows) > KEEP:
                self._cut(len(self.rows) - KEEP + CUT)
                self.cut = self.rows[0].place
            if self.lines.dirty:
                if self._cursor is not None and self.lines.index(self._cursor) is None:
                    self._cursor = self.lines.nearest(self._cursor)
                self._settle(top)
            self.move_bar()
            self._changes -= 1
            self.redraw()
            if self.new != new:
                self.post_message(self.Behind(self.new))

    def _cut(self, count: int) -> None:
        """Remove the oldest rows."""
        self.lines.cut(count)
        self._strips.clear()

    # --- geometry ------------------------------------------------------------------------------

    def _settle(self, top: tuple[Place, int] | None) -> None:
        """Update the sums and the size, and scroll to where the view was."""
        self.lines.settle()
        self.virtual_size = Size(self.look.width, self.lines.total)
        if self.follow:
            self.to_end()
        elif top is not None:
            place, line = top
            self.scroll_to(y=self.lines.start(self.lines.before(place)) + line, animate=False)
            self.follow = self._follows(self.scroll_offset.y)

    def watch_virtual_size(self) -> None:
        """The bar is moved when all changes are made."""

    def _follows(self, top: float) -> bool:
        """Return whether the end is to stay visible, if the view begins with line ``top``."""
        return round(top) >= self.max_scroll_y and self._cursor_is_last

    def _top(self) -> tuple[Place, int] | None:
        at = self.lines.at(self.scroll_offset.y)
        return (self.rows[at[0]].place, at[1]) if at else None

    def _measure_visible(self) -> None:
        """Wrap the visible rows for the new width now; `wrap_slice` wraps the others."""
        lines, index = self.size.height, len(self.rows)
        if self.follow:
            while index > 0 and lines > 0:
                index -= 1
                self.lines.measure(index)
                lines -= self.lines.heights[index]
                self.unsure.pop()
        elif (at := self.lines.at(self.scroll_offset.y)) is not None:
            index = first = at[0]
            while index < len(self.rows) and lines > 0:
                self.lines.measure(index)
                lines -= self.lines.heights[index]
                index += 1
            del self.unsure[first:index]

    def wrap_slice(self) -> None:
        """Wrap the newest `SLICE` rows whose height is unsure, and schedule the rest."""
        if not self.unsure:
            return
        with self.changing():
            for place in self.unsure[-SLICE:]:
                index = self.lines.index(place)
                if index is not None:
                    self.lines.measure(index)
            del self.unsure[-SLICE:]
        self.set_timer(0.001, self.wrap_slice)

    def on_resize(self, event: events.Resize) -> None:
        width = self.scrollable_content_region.width
        if width and width != self.look.width:
            self.restyle(replace(self.look, width=width))
        elif self.follow:
            self.to_end()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        if round(old_value) != round(new_value):
            self.redraw()
        if self._changes:
            return
        self.move_bar()
        # It can't be computed later: a view that shrinks hides the end, although nobody has scrolled.
        self.follow = self._follows(new_value)
        if self.follow and self.new:
            self.new = 0
            self.post_message(self.Behind(0))
        if new_value < old_value and new_value <= NEAR_TOP:
            self.post_message(self.NearTop())

    # --- moving --------------------------------------------------------------------------------

    def page(self, pages: int) -> None:
        """Scroll by screens that overlap by two lines."""
        step = pages * max(1, self.size.height - 2)
        self.scroll_to(y=self.scroll_offset.y + step, animate=False)
        if pages < 0 and self.scroll_offset.y <= NEAR_TOP:
            self.post_message(self.NearTop())

    def to_end(self) -> None:
        self.scroll_to(y=self.max_scroll_y, animate=False)

    def to_top(self) -> None:
        """Scroll to the oldest row, and ask for older ones."""
        self.scroll_home(animate=False, immediate=True, x_axis=False)
        self.post_message(self.NearTop())

    def to_message(self, ids: Collection[int]) -> bool:
        """Scroll to the newest of these events; return whether one is in the list."""
        for index, row in reversed(list(enumerate(self.rows))):
            if row.place.seq in ids:
                middle = self.lines.start(index) - (self.size.height - self.lines.heights[index]) // 2
                self.scroll_to(y=middle, animate=False)
                return True
        return False

    def mark(self, text: str) -> None:
        """Highlight a text; an empty one removes the highlighting."""
        self.found = text
        self._strips.clear()
        self.refresh()

    # --- the cursor ----------------------------------------------------------------------------

    @property
    def chosen(self) -> Row | None:
        """The message under the cursor; None: there is no cursor."""
        return self.row(self._cursor) if self._cursor is not None else None

    @property
    def _cursor_is_last(self) -> bool:
        return self._cursor is None or self.lines.message(len(self.rows) - 1, -1) == self._cursor

    def choose(self, place: Place | None, *, middle: bool = False) -> None:
        """Put the cursor on a message, and show it whole; None: take the cursor away.

        Args:
            place: of the message.
            middle: if it is not visible, show it in the middle, with what was said around it.
        """
        if place == self._cursor:
            return
        self._cursor = place
        index = self.lines.index(place) if place is not None else None
        if index is not None:
            self.show(index, middle=middle)
        self.follow = self._follows(self.scroll_offset.y)
        self.refresh()

    def show(self, index: int, *, middle: bool = False) -> None:
        """Scroll as little as possible until a row is visible: its beginning, if it is too high."""
        start, height = self.lines.start(index), self.lines.heights[index]
        top, room = self.scroll_offset.y, self.size.height
        if middle and not top <= start <= start + height <= top + room:
            self.scroll_to(y=start - max(0, room - height) // 2, animate=False)
        elif start < top or height > room:
            self.scroll_to(y=start, animate=False)
        elif start + height > top + room:
            self.scroll_to(y=start + height - room, animate=False)

    @property
    def newest_visible(self) -> Place | None:
        """The lowest message of which a line is visible; or else the next one."""
        at = self.lines.at(self.scroll_offset.y + self.size.height - 1)
        place = self.rows[at[0]].place if at else Place(2 * PENDING, 0)
        return self.lines.nearest(place)

    # --- drawing -------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()
        self._styles.clear()
        self._painted = None

    def _style(self, name: str) -> Style:
        if name not in self._styles:
            self._styles[name] = style_of(self, name)
        return self._styles[name]

    def _drawn(self, index: int) -> list[Strip]:
        row, names_day = self.rows[index], self.lines.names_day(index)
        chosen = row.place == self._cursor
        kept = self._strips.get(row.place)
        if kept is not None and kept[:2] == (names_day, chosen):
            return kept[2]
        strips = draw(row, self.look, self._style, self.found, chosen=chosen)
        if names_day:
            strips.insert(0, draw_day(row.day, self.look, self._style))
        self._strips[row.place] = names_day, chosen, strips
        return strips

    def refresh(self, *regions: Region, **how: bool) -> Self:
        self._painted = None
        return super().refresh(*regions, **how)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return visible lines."""
        if self._painted is not None and self._painted[0] == crop:
            return self._painted[1]  # Textual asks for them with every key, too
        width = self.scrollable_content_region.width
        top, selection = self.scroll_offset.y, self.text_selection
        strips = filtered(self, [self._line(top + y, width, selection) for y in crop.line_range], crop)
        self._painted = crop, strips
        return strips

    def render_line(self, y: int) -> Strip:
        return self._line(y + self.scroll_offset.y, self.scrollable_content_region.width, self.text_selection)

    def _line(self, line: int, width: int, selection: Selection | None) -> Strip:
        strip = self.strip_at(line, width)
        if selection is not None and (span := selection.get_span(line)) is not None:
            strip = highlight(strip, *span, self._style("selected"))
        return strip.apply_offsets(0, line)

    def strip_at(self, line: int, width: int) -> Strip:
        """Return a line of the list, visible or not."""
        base, at = self._style(""), self.lines.at(line)
        strips = self._drawn(at[0]) if at is not None else []
        if at is None or at[1] >= len(strips):  # a row that is not yet wrapped for the new width
            return Strip.blank(width, base)
        return strips[at[1]].crop_extend(0, width, base)

    # --- selecting with the mouse --------------------------------------------------------------

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the selected text: paragraphs as one line, and the time and nick of each row."""
        return (selected_rows(selection, self.lines, self._drawn), "\n") if self.rows else None

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()
