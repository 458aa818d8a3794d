"""The quick switcher, on Ctrl+G: some letters of a room's name bring it to the front, or open it."""

from __future__ import annotations

from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.fuzzy import Matcher

from chat.domain.errors import ChatError
from chat.language import N_
from chat.language.translation import translate
from tui.commands import Refused
from tui.open_rooms import OpenRooms
from tui.screens.chat import ChatScreen
from tui.screens.palette import Palette
from tui.widgets.completion import MOST

NOT_OPEN = N_("not open yet")
BEHIND = 0.5
"""By this the rank of a room that is not open is lower."""


def best(rooms: OpenRooms, text: str) -> ChatScreen | None:
    """Return the open room whose name has these letters in this order and fits best."""
    matcher = Matcher(text)
    scored = [(matcher.match(screen.session.room), screen) for screen in rooms.screens]
    score, screen = max(scored, key=lambda one: one[0])
    return screen if score > 0 else None


class RoomProvider(Provider):
    """What the switcher offers: the open rooms, those that are known, and to open the one that is typed."""

    @property
    def _chat(self) -> ChatScreen:
        assert isinstance(self.screen, ChatScreen)
        return self.screen

    async def discover(self) -> Hits:
        for entry, screen in zip(self._chat.room_entries(), self._chat.rooms.screens, strict=True):
            go = partial(self._chat.rooms.go, screen)
            yield DiscoveryHit(Content(entry.name), go, entry.name, entry.told)
        for room in self._others()[:MOST]:
            yield DiscoveryHit(Content(room), partial(self._join, room), room, translate(NOT_OPEN))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for entry, screen in zip(self._chat.room_entries(), self._chat.rooms.screens, strict=True):
            if (score := matcher.match(entry.name)) > 0:
                go = partial(self._chat.rooms.go, screen)
                yield Hit(score, matcher.highlight(entry.name), go, entry.name, entry.told)
        for room in self._others():
            if (score := matcher.match(room)) > 0:
                join = partial(self._join, room)
                yield Hit(BEHIND * score, matcher.highlight(room), join, room, translate(NOT_OPEN))
        if query not in self._chat.rooms.names:
            join, joins = partial(self._join, query), translate(f"join {query}")
            yield Hit(0.001, Content(joins), join, joins, translate("open another room"))

    def _others(self) -> list[str]:
        """Return the rooms that are known, but not open."""
        return [room for room in self._chat.rooms.names if self._chat.rooms.named(room) is None]

    def _join(self, room: str) -> None:
        try:
            self._chat.rooms.join(room)
        except (Refused, ChatError) as error:
            self._chat.hint(str(error), failed=True)


class Switcher(Palette):
    """A palette of rooms."""

    def __init__(self) -> None:
        super().__init__(
            providers=[RoomProvider], placeholder=translate("which room?"), id="--command-palette"
        )
