"""Two views of one list: history above, which scrolls, and the newest lines below, which stay."""

from __future__ import annotations

from tui.screens.chat_commands import ChatCommands
from tui.widgets.newest import Newest


class ChatSplit(ChatCommands):
    """The part of the chat screen that splits the list."""

    newest: Newest
    _parting = False

    @property
    def split(self) -> bool:
        """Whether the newest lines are shown below the list, wherever that is scrolled to."""
        return self.has_class("-split")

    def toggle_split(self) -> None:
        self.toggle_class("-split")
        self._parting = self.split
        if self.split:
            self.view.follow = False  # or it would go to its end when it gets smaller
        else:
            self.view.to_end()

    def on_newest_shown(self) -> None:
        """Scroll the list to the lines before those that are shown below, when it is split."""
        if self._parting:
            self._parting = False
            hidden = self.view.size.height + self.newest.content_size.height
            self.view.scroll_to(y=max(0, self.view.lines.total - hidden), animate=False)

    def to_end(self) -> None:
        """Go to the newest message; of a list that is split, there is one view again."""
        if self.split:
            self.toggle_split()
        else:
            super().to_end()
