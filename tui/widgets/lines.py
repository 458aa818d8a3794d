"""Widgets that draw lines and have no border. Textual's own draw each line anew, and look for a border."""

from __future__ import annotations

from math import ceil

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBar
from textual.strip import Strip
from textual.widget import Widget


def filtered(widget: Widget, strips: list[Strip], crop: Region) -> list[Strip]:
    """Return a part of lines, as the app wants it drawn; the same strips for those that it got before."""
    background = widget.background_colors[1]
    for line_filter in widget.get_line_filters():
        strips = [strip.apply_filter(line_filter, background) for strip in strips]
    if crop.column_span != (0, widget.size.width):
        strips = [strip.crop(*crop.column_span) for strip in strips]
    return strips


def thumb(total: int, top: float, height: int) -> tuple[int, int]:
    """Return where a scroll bar's thumb begins, and its length, in eighths of a cell as Textual draws it.

    Args:
        total: lines that there are.
        top: the first one that is visible.
        height: of the view and of the bar.
    """
    if height >= total:
        return 0, 0
    length = max(1.0, height * height / total)
    return int((height - length) * top / (total - height) * 8), ceil(length * 8)


class Lines(ScrollView, can_focus=False):
    """Lines that scroll up and down. `render_line` draws one of those that are visible."""

    DEFAULT_CSS = "Lines { overflow-y: scroll; overflow-x: hidden; scrollbar-size-vertical: 1; }"

    # Textual's own lays the whole screen out at each change. Here only the scroll bar depends on it.
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), repaint=False)

    _thumb = (0, 0)  # how the scroll bar was drawn last

    def watch_virtual_size(self) -> None:
        self.move_bar()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        if round(old_value) != round(new_value):
            self.redraw()
            self.move_bar()

    def move_bar(self) -> None:
        """Move the scroll bar. It is drawn only if it looks different: that costs more than all lines."""
        if self.show_vertical_scrollbar:
            bar, total = self.vertical_scrollbar, self.virtual_size.height
            bar.set_reactive(ScrollBar.window_virtual_size, total)
            bar.set_reactive(ScrollBar.position, self.scroll_y)
            if (now := thumb(total, self.scroll_y, self.size.height)) != self._thumb:
                self._thumb = now
                bar.refresh()

    def redraw(self) -> None:
        """Draw the lines again, and not the scroll bar."""
        self.refresh(self.scrollable_content_region.size.region)

    def render_lines(self, crop: Region) -> list[Strip]:
        return filtered(self, [self.render_line(y) for y in crop.line_range], crop)


class TextLine(Widget):
    """One line of text in one style."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._text = ""

    def show(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        width, style = self.size.width, self.rich_style
        strip = Strip([Segment(self._text, style)]).crop_extend(0, width, style)
        return filtered(self, [strip, *[Strip.blank(width, style)] * (crop.height - 1)], crop)
