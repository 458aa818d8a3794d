"""What this user has not read yet: how much it is, and the line above it in the list."""

from __future__ import annotations

from chat.language import N_
from tui.rows import Place, Row
from tui.widgets.message_view import MessageView


class Unread:
    """Counts messages that came while nobody looked: without the focus, or with the end out of sight.

    The line stands above the first of them. It stays when the user looks again, to be read from there. It
    moves on when the terminal loses the focus, because all has been read then, and when the user writes. A
    terminal that does not report its focus always has it.
    """

    def __init__(self, view: MessageView) -> None:
        self.focused = True
        self.count = 0
        self.mentions = 0
        self.called: Row | None = None
        """The newest mention that came without the focus; who tells the user of it sets it to None."""
        self.line: Place | None = None
        self._view = view

    @property
    def _looking(self) -> bool:
        return self.focused and self._view.follow

    def arrived(self, row: Row) -> None:
        """Somebody else has written."""
        if self._looking:
            return
        if not self.count or (self.line is not None and row.place < self.line):
            self.forget_line()
            self.line = row.place._replace(sub=-2)  # above a notice about missing events, too
            self._view.put(Row(self.line, "rule", N_("new"), day=row.day))
        self.count += 1
        self.mentions += row.mention
        if row.mention and not self.focused:
            self.called = row

    def focus(self, focused: bool) -> None:
        """The terminal has got the focus, or lost it."""
        if self._looking and not focused:
            self.forget_line()
        self.focused = focused
        self.look()

    def look(self) -> None:
        """If the user sees the end, all is read."""
        if self._looking:
            self.count = self.mentions = 0

    def forget_line(self) -> None:
        """Take the line away."""
        if self.line is not None:
            self._view.drop(self.line)
            self.line = None
