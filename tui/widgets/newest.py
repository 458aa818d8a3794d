"""The newest lines of a list, below the list itself, which is scrolled somewhere else."""

from __future__ import annotations

from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.widgets.message_view import MessageView


class Newest(Widget):
    """Shows as many of the last lines as it has itself. It has no rows of its own."""

    class Shown(Message):
        """It has a size now, or another one."""

    def __init__(self, view: MessageView) -> None:
        super().__init__(id="newest")
        self._view = view

    def on_mount(self) -> None:
        self.watch(self._view, "virtual_size", self._changed, init=False)

    def on_resize(self) -> None:
        self.post_message(self.Shown())

    def _changed(self) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        # The last lines stand at the bottom, also if there are few.
        width = self._view.scrollable_content_region.width
        return self._view.strip_at(self._view.lines.total - self.content_size.height + y, width)
