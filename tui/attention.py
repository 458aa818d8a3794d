"""Tells this user outside the screen what is unread: in the terminal's title, by a bell, by a notice."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from tui.rows import Row
from tui.terminal import osc

Notify = Literal["none", "bell", "desktop"]
WAYS: tuple[Notify, ...] = ("none", "bell", "desktop")
"""How a mention is told while the terminal does not have the focus."""
PAUSE = 5.0
"""Seconds in which a second mention is not told again."""


class Attention:
    """Writes to the terminal when what is unread has changed.

    Args:
        write: writes to the terminal itself.
        notify: how a mention is told.
        clock: returns seconds.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        notify: Notify = "none",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._notify, self._clock = write, notify, clock
        self._unread: dict[str, tuple[int, int]] = {}
        self._title = ""
        self._told = -PAUSE

    def show(self, room: str, count: int, mentions: int) -> None:
        """Show how many messages and mentions are unread in a room; the title has those of all rooms."""
        self._unread[room] = count, mentions
        self._set_title()

    def forget(self, room: str) -> None:
        """This user has left a room."""
        self._unread.pop(room, None)
        if self._unread:
            self._set_title()

    def _set_title(self) -> None:
        counts, names = [sum(kind) for kind in zip(*self._unread.values(), strict=True)], list(self._unread)
        sign = f"({counts[0]}{'!' * bool(counts[1])}) " if counts[0] else ""
        title = f"{sign}{' '.join(f'#{name}' for name in names)} · chat"
        if title != self._title:
            self._title = title
            self._write(osc.title(title))

    def again(self) -> None:
        """Write the title once more: another program has had the terminal."""
        if self._title:
            self._write(osc.title(self._title))

    def mentioned(self, room: str, row: Row) -> None:
        """Somebody has mentioned this user, who does not look."""
        now = self._clock()
        if self._notify == "none" or now - self._told < PAUSE:
            return
        self._told = now
        if self._notify == "bell":
            self._write(osc.BELL)
        else:
            self._write(osc.notice(f"#{room} {row.nick}", row.text))
