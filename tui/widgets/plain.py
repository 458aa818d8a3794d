"""Widgets that show nothing but their background, and what lies on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal, Vertical
from textual.geometry import Region
from textual.strip import Strip

if TYPE_CHECKING:
    from textual.widget import Widget as _Base
else:  # a mixin, and no widget: Textual takes the styles of the first base that is one
    _Base = object


class Plain(_Base):
    """Draws one line. Textual asks for all lines of all that lies below what is painted, with every key."""

    def render_lines(self, crop: Region) -> list[Strip]:
        strip, background = Strip.blank(crop.width, self.visual_style.rich_style), self.background_colors[1]
        for line_filter in self.get_line_filters():
            strip = strip.apply_filter(line_filter, background)
        return [strip] * crop.height


class PlainHorizontal(Plain, Horizontal):
    """Widgets side by side, without a border."""


class PlainVertical(Plain, Vertical):
    """Widgets below each other, without a border."""
