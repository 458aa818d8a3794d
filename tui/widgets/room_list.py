"""The open rooms, with what has come there unread: a list on a wide screen, one line on a narrow one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from chat.language.translation import translate
from tui.rows import fit, one_line
from tui.widgets.status_bar import SIGNS

NAME = 12
"""Cells for the name of a room in the list on the left."""


@dataclass(frozen=True, slots=True)
class RoomEntry:
    """What the list shows of one room."""

    name: str
    technique: str
    state: str
    """A key of `SIGNS`."""
    unread: int
    mentions: int
    front: bool

    @property
    def told(self) -> str:
        """All of it, in words."""
        news = [translate(f"{self.unread} unread")] if self.unread else []
        news += [translate(f"{self.mentions} for you")] if self.mentions else []
        state = translate(SIGNS[self.state][1])
        return ", ".join([translate(f"over {self.technique}, {state}"), *news])

    @property
    def counts(self) -> list[tuple[str, str]]:
        """What came unread, as texts and their styles: ``@`` mentions, ``+`` messages."""
        parts = [(SIGNS[self.state][0], SIGNS[self.state][2])] if self.state != "up" else []
        parts += [(f"@{self.mentions}", "bold $warning")] if self.mentions else []
        parts += [(f"+{self.unread}", "$accent")] if self.unread else []
        return parts


class RoomList(Widget):
    """Shows the rooms. ``-strip``: in one line."""

    @dataclass
    class Picked(Message):
        """A room was clicked."""

        number: int
        """Counted from 1."""

    def __init__(self, *, strip: bool) -> None:
        super().__init__(id="room-strip" if strip else "room-list")
        self._strip = strip
        self._entries: Sequence[RoomEntry] = ()
        self._ends: list[int] = []  # of the strip: the columns where its rooms end

    def show(self, entries: Sequence[RoomEntry]) -> None:
        if entries != self._entries:
            self._entries = entries
            self.refresh()

    def _pieces(self, number: int, entry: RoomEntry, name: str) -> list[tuple[str, str]]:
        style = "bold reverse" if entry.front else "bold" if entry.unread else ""
        counts = [(f" {text}", style) for text, style in entry.counts]
        return [(f"{'▸' if entry.front else ' '}{number} ", "$quiet"), (name, style), *counts]

    def render(self) -> Content:
        return self.line(self.size.width) if self._strip else self._column()

    def _column(self) -> Content:
        pieces: list[tuple[str, str]] = [(f"{len(self._entries)} rooms\n", "$quiet")]
        for number, entry in enumerate(self._entries, 1):
            name = one_line(entry.name)
            room = NAME - sum(cell_len(text) + 1 for text, _ in entry.counts) + 4
            pieces += [("\n", ""), *self._pieces(number, entry, fit(name, min(cell_len(name), max(4, room))))]
        return Content.assemble(*pieces)

    def line(self, width: int) -> Content:
        """Return the rooms in one line of so many cells."""
        rooms = [
            self._pieces(number, entry, one_line(entry.name)) for number, entry in enumerate(self._entries, 1)
        ]
        # What does not fit is left out from the end; the room in front, and those with news, stay longest.
        front = next((number for number, entry in enumerate(self._entries) if entry.front), 0)
        shown = list(range(len(rooms)))
        wide = [sum(cell_len(text) for text, _ in pieces) + 1 for pieces in rooms]
        while len(shown) > 1 and sum(wide[number] for number in shown) + 2 > width:
            shown.remove(max(shown, key=lambda n: (n != front, not self._entries[n].counts, n)))
        self._ends, at, parts = [], 0, []
        for number in range(len(rooms)):
            if number in shown:
                at += wide[number]
                parts += [*rooms[number], (" ", "")]
            self._ends.append(at)
        if len(shown) < len(rooms):
            parts.append(("…", "$quiet"))
        return Content.assemble(*parts)

    def on_click(self, event: events.Click) -> None:
        if self._strip:
            number = next((i for i, end in enumerate(self._ends, 1) if event.x < end), 0)
        else:
            number = event.y - 1  # below the head and a blank line
        if 1 <= number <= len(self._entries):
            self.post_message(self.Picked(number))
