"""Lanes, opened from the chat screen: the same room over several techniques side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING

from chat.domain.validation import LIMITS
from tui.commands import Refused
from tui.opening import Choice, Opened
from tui.screens.chat_rooms import ChatRooms
from tui.screens.chat_session import technique_named

if TYPE_CHECKING:
    from tui.lanes.screen import LanesScreen


def lane_names(text: str) -> list[str]:
    """Read names of techniques, with blanks or commas between them. Raises `Refused`."""
    from tui.lanes.screen import MOST

    names = [technique_named(name).name for name in text.replace(",", " ").split()]
    if not names:
        raise Refused(f"write /lanes and up to {MOST} techniques: /lanes grpc soap udp")
    if len(names) > MOST:
        raise Refused(f"{len(names)} lanes are too many: {MOST} are the most")
    if len(set(names)) < len(names):
        raise Refused("each technique has one lane: name it once")
    return names


class ChatLanes(ChatRooms):
    """The part of the chat screen that opens lanes."""

    zone: tzinfo | None
    now: Callable[[], float]
    _lanes: LanesScreen | None = None

    async def open_lanes(self, text: str) -> None:
        """Open a lane for each technique in the text. Raises `Refused` and `ChatError`."""
        from tui.lanes.screen import LanesScreen  # not needed for the first paint

        if self._lanes is not None or self.app.screen is not self:
            return
        names = await asyncio.to_thread(lane_names, text)
        opened = await asyncio.to_thread(self._open_lanes, names)
        if self._lanes is not None or self.app.screen is not self:  # that took a while
            return
        self._lanes = LanesScreen(opened, zone=self.zone, now=self.now, when_left=self._lanes_left)
        self._lanes.linger = self.rooms.linger
        self.rooms.app.open(self._lanes)

    def _open_lanes(self, names: Sequence[str]) -> list[Opened]:
        room, nick = self.session.room, self.session.nick
        # The technique stands first: a name that is too long for its column is cut in the middle.
        return [self.opener.open(Choice(name, room, f"{name}-{nick}"[: LIMITS.nick_chars])) for name in names]

    def _lanes_left(self, lost: list[str], begun: list[str]) -> None:
        self._lanes = None
        self.rooms.keep(lost, begun)
        if lost:
            self.hint(f"the lanes were left without an answer to {len(lost)}", failed=True)

    async def leave(self, linger: float) -> None:
        if self._lanes is not None:
            await self._lanes.leave(linger)
        await super().leave(linger)
