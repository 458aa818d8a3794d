"""The quick switcher, on Ctrl+G: some letters of a room's name bring it to the front."""

from __future__ import annotations

from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.fuzzy import Matcher

from chat.domain.errors import ChatError
from chat.language.translation import translate
from tui.commands import Refused
from tui.open_rooms import OpenRooms
from tui.screens.chat import ChatScreen
from tui.screens.palette import Palette


def best(rooms: OpenRooms, text: str) -> ChatScreen | None:
    """Return the open room whose name has these letters in this order and fits best."""
    matcher = Matcher(text)
    scored = [(matcher.match(screen.session.room), screen) for screen in rooms.screens]
    score, screen = max(scored, key=lambda one: one[0])
    return screen if score > 0 else None


class RoomProvider(Provider):
    """What the switcher offers: the open rooms, and to open the one that is typed."""

    @property
    def _chat(self) -> ChatScreen:
        assert isinstance(self.screen, ChatScreen)
        return self.screen

    async def discover(self) -> Hits:
        for entry, screen in zip(self._chat.room_entries(), self._chat.rooms.screens, strict=True):
            go = partial(self._chat.rooms.go, screen)
            yield DiscoveryHit(Content(entry.name), go, entry.name, entry.told)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for entry, screen in zip(self._chat.room_entries(), self._chat.rooms.screens, strict=True):
            if (score := matcher.match(entry.name)) > 0:
                go = partial(self._chat.rooms.go, screen)
                yield Hit(score, matcher.highlight(entry.name), go, entry.name, entry.told)
        if self._chat.rooms.named(query) is None:
            join, joins = partial(self._join, query), translate(f"join {query}")
            yield Hit(0.001, Content(joins), join, joins, translate("open another room"))

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
