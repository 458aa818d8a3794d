"""The list of members, each with its technique."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from chat.domain.model import Member
from tui.rows import fit, one_line
from tui.themes import NickColours

WIDTH = 20
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
        pieces: list[tuple[str, str]] = [(f"{len(rows)} here\n", "$quiet")]
        for member in rows[:SHOWN]:
            badge = one_line(member.technique)[:8]
            name = fit(one_line(member.nick), WIDTH - 12)
            style = f"{'bold ' if member.seat == own_seat else ''}$nick-{colours.number(member.nick)}"
            pieces += [(f"\n{name} ", style), (badge, "$quiet")]
        if len(rows) > SHOWN:
            pieces.append((f"\n{len(rows) - SHOWN} more: /who", "$quiet"))
        self._list.update(Content.assemble(*pieces))
