"""The list of frames: one line each, of which only the visible ones are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from chat.domain.validation import printable
from chat.interfaces.frames import Direction
from chat.language.translation import translate
from lab.wire.table import Row, Table
from lab.wire.totals import carries_nothing
from tui.widgets.lines import Lines

ARROWS = {Direction.UP: "→", Direction.DOWN: "←"}
WIDE = 110
"""Columns from which on the protocol is named."""
BEHIND = 50
"""Rows without a message (polls, pings) behind which a message is still looked for."""
SAID = 14
"""Characters of a message's text where there is no room for its summary."""
STYLES = ("out", "in", "quiet", "bad", "marked", "cursor")


class FrameList(Lines):
    """Shows a table. The cursor is on one row; while it follows, on the newest that carries something."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"frames--{name}" for name in STYLES}

    @dataclass
    class Chosen(Message):
        """The user has put the cursor on another row; None: there is none."""

        row: Row | None

    def __init__(self) -> None:
        super().__init__(id="frames")
        self.table = Table()
        self.cursor = -1
        self.follow = True
        self.start: float | None = None
        """When the first frame began, for the times."""
        self.waiting: set[int] = set()
        """The numbers of the frames that wait at a stopped wire."""
        self._styles: dict[str, Style] = {}
        # The lines drawn last, and those that are drawn now, by their texts and the names of their styles.
        self._kept: dict[tuple[str, str], Strip] = {}
        self._drawn: dict[tuple[str, str], Strip] = {}

    # --- rows ----------------------------------------------------------------------------------

    def changed(self, gone: int = 0) -> bool:
        """Show the table as it is now; so many rows at its beginning are gone.

        Returns:
            Whether the cursor may be on another row. No message tells it: what is shown of the row is then
            drawn together with the list.
        """
        rows = self.table.rows
        if gone and not self.follow:
            self.cursor = max(0, self.cursor - gone)
            self.scroll_to(y=max(0, self.scroll_offset.y - gone), animate=False, immediate=True)
        if rows and self.start is None:
            self.start = rows[0].frames[0].began
        self.virtual_size = Size(self.size.width, len(rows))
        before = self.cursor
        if self.follow or self.cursor >= len(rows):
            self.cursor = self._newest()
        if self.follow:
            self.scroll_to(y=max(0, len(rows) - self.size.height), animate=False, immediate=True)
        moved = self.cursor != before or self.follow
        if moved:
            self._show_cursor()
        self.redraw()
        return moved

    def _newest(self) -> int:
        """Return the newest row with an event, else one that carries something: others would hide it."""
        last = len(self.table.rows) - 1
        newest = range(last, max(-1, last - BEHIND), -1)
        frames = {index: self.table.rows[index].frame for index in newest}
        events = (index for index in newest if frames[index].seqs)
        return next(events, next((index for index in newest if not carries_nothing(frames[index])), last))

    @property
    def row(self) -> Row | None:
        """The row that the cursor is on."""
        return self.table.rows[self.cursor] if 0 <= self.cursor < len(self.table.rows) else None

    def move(self, rows: int) -> None:
        """Move the cursor."""
        self.go(max(0, min(len(self.table.rows) - 1, self.cursor + rows)))

    def go(self, index: int) -> None:
        """Put the cursor on a row; on the last one, follow."""
        self.cursor = index
        self.follow = index >= len(self.table.rows) - 1
        self._show_cursor()
        self.redraw()
        self.post_message(self.Chosen(self.row))

    def page(self, pages: int) -> None:
        self.move(pages * max(1, self.size.height - 1))

    def _show_cursor(self) -> None:
        height = self.size.height
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif height and self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)

    def on_click(self, event: events.Click) -> None:
        index = event.y + self.scroll_offset.y
        if index < len(self.table.rows):
            self.go(index)

    def on_resize(self, event: events.Resize) -> None:
        self.virtual_size = Size(event.size.width, len(self.table.rows))
        self._show_cursor()

    # --- drawing -------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.clear()
        self._kept.clear()

    def _style(self, name: str) -> Style:
        if name not in self._styles:
            found = self.get_visual_style(f"frames--{name}").rich_style if name else self.rich_style
            self._styles[name] = found
        return self._styles[name]

    def render_lines(self, crop: Region) -> list[Strip]:
        strips = super().render_lines(crop)
        self._kept, self._drawn = self._drawn, {}
        return strips

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if index >= len(self.table.rows):
            return Strip.blank(width, self._style(""))
        row = self.table.rows[index]
        before = self.table.rows[index - 1].frame.began if index else None
        held = any(frame.number in self.waiting for frame in row.frames)
        text = line(row, self.start or 0.0, before, width, held=held)
        key = text, self._style_name(row, index)
        if key not in self._kept:
            self._kept[key] = Strip([Segment(set_cell_size(text, width), self._style(key[1]))], width)
        self._drawn[key] = self._kept[key]
        return self._kept[key]

    def _style_name(self, row: Row, index: int) -> str:
        if index == self.cursor:
            return "cursor"
        if row.marked:
            return "marked"
        if row.frame.problem:
            return "bad"
        if carries_nothing(row.frame) or row.frame.role == "setup":
            return "quiet"
        return "out" if row.frame.direction is Direction.UP else "in"


def line(row: Row, start: float, before: float | None, width: int, *, held: bool = False) -> str:
    """Return a row as one line: number, seconds, milliseconds since the one before, what, bytes, summary.

    Args:
        row: the row.
        start: when the first frame began.
        before: when the newest frame of the row before began; None: there is none.
        width: columns; where the text of a message is not in them, it comes first.
        held: it waits at a stopped wire.
    """
    frame = row.frames[0]
    waited = "" if before is None else f"+{min(99999.9, (frame.began - before) * 1000):.1f}"
    times = f"×{len(row.frames)} " if len(row.frames) > 1 else ""
    sign = "‖" if held else "*" if row.marked else "!" if frame.problem else " "
    kind = frame.kind if len(frame.kind) <= 14 else f"{frame.kind[:13]}…"
    size = f"{row.size:,}" if row.size else ""
    protocol = f"{frame.protocol:<10.10} " if width >= WIDE else ""
    fault = f"[{translate(row.frame.fault)}] " if row.frame.fault else ""
    head = (
        f"{sign}{frame.number:>5} {frame.began - start:8.3f} {waited:>8} {ARROWS[frame.direction]} "
        f"{protocol}{kind:<14} {size:>6}  {times}{fault}"
    )
    summary = row.frame.summary
    if len(frame.texts) == 1 and frame.texts[0] not in summary[: max(0, width - len(head))]:
        said = printable(frame.texts[0]).replace("\n", "⏎")
        summary = f'"{said if len(said) <= SAID else f"{said[: SAID - 1]}…"}" {summary}'
    return f"{head}{summary}"
