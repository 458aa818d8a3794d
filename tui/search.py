"""The search in the list: which messages hold a text, and which of them is looked at."""

from __future__ import annotations

from tui.rows import Place, Row
from tui.widgets.message_view import MessageView


def holds(row: Row, text: str) -> bool:
    """Return whether a message holds a text; upper and lower case are the same."""
    return row.kind == "message" and not row.deleted and text.casefold() in row.text.casefold()


class Search:
    """A text, and the messages that hold it. The cursor of the list is on the one that is looked at."""

    def __init__(self, view: MessageView) -> None:
        self.text = ""
        """What is searched; "": nothing."""
        self.back_to = 0
        """The seq of the oldest event that was searched; 0: only what is in the list."""
        self._view = view

    def begin(self, text: str) -> None:
        """Mark another text; "": remove the marks and the cursor."""
        self.text, self.back_to = text, 0
        self._view.mark(text)
        if not text:
            self._view.choose(None)

    @property
    def hits(self) -> list[Place]:
        """The messages that hold the text, oldest first."""
        return [row.place for row in self._view.rows if holds(row, self.text)] if self.text else []

    def go(self, step: int) -> tuple[int, int] | None:
        """Go to the next older hit (-1), or a newer one (1); to the newest one if there is no cursor.

        Returns:
            The number of the hit, counted from the newest one, and how many there are; None: there is none
            that way.
        """
        hits, chosen = self.hits, self._view.chosen
        if chosen is not None:
            there = [at for at in hits if (at < chosen.place if step < 0 else at > chosen.place)]
        else:
            there = hits
        if not there:
            return None
        place = there[-1 if step < 0 or chosen is None else 0]
        self._view.choose(place, middle=True)
        return len(hits) - hits.index(place), len(hits)
