"""The list of members, each with its technique."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from chat.domain.model import Member
from chat.language.translation import translate
from tui.rows import fit, fit_name, one_line
from tui.themes import NickColours

BADGE = 8
NAME = (8, 16)
"""Cells for a name: at least, and at most."""
SHOWN = 200
"""The most names in the list: drawing thousands would take longer than a frame."""


class Members(VerticalScroll, can_focus=False):
    """The list on the right; `show` fills it."""

    def __init__(self) -> None:
        super().__init__(id="members")
        self._list = Static("", markup=False)

    def compose(self) -> Iterable[Static]:
        yield self._list

    def show(self, members: Iterable[Member], own_seat: str, colours: NickColours) -> None:
        """List the members by name, the user first."""
        rows = sorted(members, key=lambda member: (member.seat != own_seat, member.nick.casefold()))
        needed = max((cell_len(one_line(member.nick)) for member in rows[:SHOWN]), default=0)
        wide = min(max(needed, NAME[0]), NAME[1])
        self.styles.width = wide + BADGE + 4  # the border, the blanks between them, and the scroll bar
        pieces: list[tuple[str, str]] = [(translate(f"{len(rows)} here") + "\n", "$quiet")]
        for member in rows[:SHOWN]:
            badge = fit(one_line(member.technique), BADGE).rstrip()
            name = fit_name(one_line(member.nick), wide)
            style = f"{'bold ' if member.seat == own_seat else ''}$nick-{colours.number(member.nick)}"
            pieces += [(f"\n{name} ", style), (badge, "$quiet")]
        if len(rows) > SHOWN:
            pieces.append(("\n" + translate(f"{len(rows) - SHOWN} more: /who"), "$quiet"))
        self._list.update(Content.assemble(*pieces))
