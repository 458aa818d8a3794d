"""The rooms that are open in one program: each is a chat screen with its own session, list and drafts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from chat.domain.errors import ChatError
from chat.domain.validation import clean_room
from tui.commands import Refused
from tui.opening import Opened, Opener
from tui.screens.chat import ChatScreen
from tui.screens.ordered import OrderedApp

MOST = 9
"""Rooms that one program keeps open: Alt+1 to Alt+9 go there. Each has at most `message_view.KEEP` rows."""


class OpenRooms:
    """The chat screens, in the order in which they were opened, and which one is in front.

    Args:
        app: shows them.
        opener: opens sessions.
        make_screen: makes the chat screen of a session.
        known: rooms of earlier times.
    """

    def __init__(
        self,
        app: OrderedApp,
        opener: Opener,
        make_screen: Callable[[Opened], ChatScreen],
        known: Sequence[str] = (),
    ) -> None:
        self.screens: list[ChatScreen] = []
        self.linger = 1.0
        """Seconds for which a room that is left waits for acknowledgements."""
        self.app = app
        self._opener, self._known = opener, list(known)
        self._make_screen = make_screen
        self._lost: list[str] = []  # what the rooms that were left had not acknowledged
        self._begun: list[str] = []  # what was written there and not sent
        self._leaving: list[ChatScreen] = []
        self._before: ChatScreen | None = None  # the room that was in front before this one

    @property
    def front(self) -> ChatScreen | None:
        """The room in front; another screen may lie above it."""
        return next((screen for screen in self.screens if screen in self.app.screen_stack), None)

    def add(self, opened: Opened) -> ChatScreen:
        """Return the screen of another room. It is not shown yet."""
        screen = self._make_screen(opened)
        screen.rooms = self
        self.screens.append(screen)
        # An installed screen is kept, and goes on, while another one is in front.
        self.app.install_screen(screen, f"room {opened.choice.room}")
        return screen

    def named(self, room: str) -> ChatScreen | None:
        return next((screen for screen in self.screens if screen.session.room == room), None)

    @property
    def names(self) -> list[str]:
        """The rooms that can be completed: open ones, those of earlier times, and what a server told."""
        return list(dict.fromkeys([*(screen.session.room for screen in self.screens), *self._known]))

    def learn(self, rooms: Iterable[str]) -> bool:
        """Remember rooms that a server has told; return whether there are new ones."""
        before, known = len(self._known), dict.fromkeys(self._known)
        for room in rooms:
            with suppress(ChatError):
                known[clean_room(room)] = None
        self._known = list(known)
        return len(known) > before

    def go(self, screen: ChatScreen) -> None:
        """Bring a room to the front. What is typed from now on goes there."""
        front = self.front
        if screen is front or front is not self.app.screen:
            return
        self._before = front
        screen.unread = screen.mentions = 0
        self.app.open(screen, instead=True)
        self.changed()

    def go_to(self, number: int) -> None:
        """Bring the room with this number to the front, counted from 1. Raises `Refused`."""
        if not 1 <= number <= len(self.screens):
            raise Refused(f"there is no room {number} here; /rooms lists them, /join ROOM opens another")
        self.go(self.screens[number - 1])

    def step(self, by: int) -> None:
        """Bring the next room (1) or the one before (-1) to the front."""
        if self.front is not None:
            self.go(self.screens[(self.screens.index(self.front) + by) % len(self.screens)])

    def join(self, room: str) -> None:
        """Go to a room; open it over the technique of the one in front if it is not open yet.

        Raises:
            Refused: there are too many.
            ChatError: its name is none, or the session cannot be opened.
        """
        room, front = clean_room(room.removeprefix("#")), self.front
        if (known := self.named(room)) is not None:
            self.go(known)
        elif len(self.screens) >= MOST:
            raise Refused(f"{MOST} rooms are open, the most that one program keeps: /leave one first")
        elif front is not None:
            choice = replace(front.choice, room=room, cursor=None)
            opened = self._opener.open(choice)
            opened.session.start()
            self.go(self.add(opened))

    def leave(self, room: str) -> None:
        """Leave a room; if it is in front, show the one that was there before it. Raises `Refused`."""
        screen = self.named(room)
        if screen is None:
            raise Refused(f"the room {room} is not open here; /rooms lists those that are")
        if len(self.screens) - len(self._leaving) == 1:
            raise Refused("this is the only room that is open: /quit leaves it and the program")
        if screen not in self._leaving:
            self._leaving.append(screen)
            # Not a task of the screen: it would end with it.
            self.app.run_worker(self._leave(screen), group="leave", exit_on_error=False)

    async def _leave(self, screen: ChatScreen) -> None:
        await screen.leave(self.linger)
        lost = screen.unacknowledged
        self.keep(lost, screen.drafts)
        number = self.screens.index(screen)
        self.screens.remove(screen)
        self._leaving.remove(screen)
        if screen in self.app.screen_stack:
            while self.app.screen is not screen:  # e.g. the help
                self.app.pop_screen()
            before = self._before if self._before in self.screens else None
            self.app.open(before or self.screens[max(0, number - 1)], instead=True)
            self.app.uninstall_screen(screen)  # so it is removed when the other one has its place
        else:
            self.app.uninstall_screen(screen)
            await screen.remove()
        if (front := self.front) is not None:
            front.unread = front.mentions = 0
            if lost:
                front.hint(f"you left {screen.session.room} without an answer to {len(lost)}", failed=True)
            else:
                front.hint(f"you left {screen.session.room}")
        self.changed()

    async def leave_all(self) -> None:
        """Leave every room, because the program ends."""
        await asyncio.gather(*(screen.leave(self.linger) for screen in self.screens))

    def keep(self, lost: list[str], begun: list[str]) -> None:
        """Remember what is to be named at the end: what was not acknowledged, and what was not sent."""
        self._lost += lost
        self._begun += begun

    def changed(self) -> None:
        """Show which rooms there are, and what has come there."""
        if self.front is not None:
            self.front.show_rooms()

    @property
    def unread(self) -> int:
        """Messages that came to rooms that were not in front."""
        return sum(screen.unread for screen in self.screens)

    @property
    def unacknowledged(self) -> list[str]:
        """What was sent, and not acknowledged when its session ended."""
        return [*self._lost, *(text for screen in self.screens for text in screen.unacknowledged)]

    @property
    def drafts(self) -> list[str]:
        """What was written and not sent."""
        return [*self._begun, *(text for screen in self.screens for text in screen.drafts)]
