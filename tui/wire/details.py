"""What a frame holds: the lines of a level, and its bytes. A field lights its bytes, and a byte its field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from chat.interfaces.frames import Part
from lab.wire.levels import Line
from lab.wire.levels import Row as Bytes
from tui.widgets.lines import Lines

PARTS: tuple[Part, ...] = ("framing", "envelope", "payload")
WIDE_DUMP = 7 + 3 * 16 + 1 + 16 + 1
"""Columns of a dump with 16 bytes a line, and its scrollbar."""


class _Parts(Lines):
    """Draws lines in the colours of framing, envelope and payload."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"wire--{name}" for name in (*PARTS, "selected", "name")}

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._styles: dict[str, Style] = {}

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.clear()

    def style_of(self, name: str) -> Style:
        if name not in self._styles:
            found = self.get_visual_style(f"wire--{name}").rich_style if name else self.rich_style
            self._styles[name] = found
        return self._styles[name]

    def strip(self, segments: list[Segment]) -> Strip:
        width = self.scrollable_content_region.width
        return Strip(segments).crop_extend(0, width, self.style_of(""))

    def show_line(self, line: int) -> None:
        """Scroll so that a line is visible."""
        top, height = self.scroll_offset.y, self.size.height
        if line < top or (height and line >= top + height):
            self.scroll_to(y=max(0, line - height // 2), animate=False, immediate=True)


class Fields(_Parts):
    """The lines of a level; one of them is selected."""

    @dataclass
    class Chosen(Message):
        """A line was clicked."""

        index: int

    def __init__(self) -> None:
        super().__init__("fields")
        self._lines: Sequence[Line] = ()
        self._selected = -1

    def show(self, lines: Sequence[Line], selected: int) -> None:
        self._lines, self._selected = lines, selected
        self.virtual_size = Size(self.size.width, len(lines))
        self.show_line(max(0, selected))
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        index = event.y + self.scroll_offset.y
        if index < len(self._lines):
            self.post_message(self.Chosen(index))

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        if index >= len(self._lines):
            return self.strip([])
        line = self._lines[index]
        style = self.style_of("selected" if index == self._selected else line.part)
        name = f"{'  ' * line.depth}{line.name}"
        value = line.value.replace("\n", "⏎")
        return self.strip([Segment(f"{name}  " if value else name, style), Segment(value, style)])


class Dump(_Parts):
    """The bytes of a frame, in hexadecimal and as ASCII; those of the selected field are lit."""

    @dataclass
    class Chosen(Message):
        """A byte was clicked."""

        place: int

    def __init__(self) -> None:
        super().__init__("dump")
        self._rows: Sequence[Bytes] = ()
        self._lit = (0, 0)
        self.bytes_a_line = 16

    def show(self, rows: Sequence[Bytes], lit: tuple[int, int]) -> None:
        self._rows, self._lit = rows, lit
        self.virtual_size = Size(self.size.width, len(rows))
        self.show_line(lit[0] // max(1, self.bytes_a_line))
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        index, column = event.y + self.scroll_offset.y, (event.x - 7) // 3
        if index < len(self._rows) and 0 <= column < len(self._rows[index].data):
            self.post_message(self.Chosen(self._rows[index].offset + column))

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        if index >= len(self._rows):
            return self.strip([])
        row, width = self._rows[index], self.bytes_a_line
        shown = [Segment(f"{row.offset:05x}  ", self.style_of("framing"))]
        letters = []
        for place, (byte, part) in enumerate(zip(row.data, row.parts, strict=True), row.offset):
            lit = self._lit[0] <= place < self._lit[1]
            style = self.style_of("selected" if lit else part)
            shown += [Segment(f"{byte:02x}", style), Segment(" ", self.style_of(""))]
            letters.append(Segment(chr(byte) if 32 <= byte < 127 else "·", style))
        shown.append(Segment("   " * (width - len(row.data)) + " ", self.style_of("")))
        return self.strip(shown + letters)
