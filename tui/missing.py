"""The notices about events that a technique has lost: they shrink when one of them comes late."""

from __future__ import annotations

from dataclasses import replace

from chat.domain.model import MissingEvents
from tui.rows import Place, Row
from tui.widgets.message_view import MessageView

REMEMBERED = 5000
"""The most missing events that are remembered; a later one does not change its notice."""


class MissingNotices:
    """Knows which notice of the list names a missing event."""

    def __init__(self, view: MessageView) -> None:
        self._view = view
        self._named: dict[int, tuple[MissingEvents, Place]] = {}  # by seq

    def clear(self) -> None:
        self._named.clear()

    def add(self, missing: MissingEvents, row: Row) -> None:
        """Show a notice that names missing events."""
        self._view.put(row)
        self._note(missing, row.place)

    def _note(self, missing: MissingEvents, place: Place) -> None:
        for seq in missing.seqs:
            self._named[seq] = missing, place
        while len(self._named) > REMEMBERED:
            del self._named[next(iter(self._named))]

    def came(self, seq: int) -> None:
        """An event has come: take it from the notice that names it, if there is one."""
        if seq not in self._named:
            return
        missing, place = self._named.pop(seq)
        rest = MissingEvents(tuple(one for one in missing.events if one.seq != seq))
        row = self._view.row(place)
        if row is None:
            return
        if rest.events:
            self._view.put(replace(row, text=str(rest)))
            self._note(rest, place)
        else:
            self._view.drop(place)
