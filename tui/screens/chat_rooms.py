"""The other rooms, seen from the chat screen: their list, the keys that go there, what came unread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.message import Message

from chat.domain.errors import ChatError
from chat.language.translation import translate
from tui.commands import Refused
from tui.screens.chat_commands import PATIENCE
from tui.screens.chat_session import ChatSession
from tui.screens.ordered import Answered
from tui.widgets.room_list import RoomEntry, RoomList

if TYPE_CHECKING:
    from tui.open_rooms import OpenRooms

STEPS = {"alt+up": -1, "alt+left": -1, "alt+down": 1, "alt+right": 1}
JOIN = "/join "
NUMBERS = {f"alt+{number}": number for number in range(1, 10)}


class ChatRooms(ChatSession):
    """The part of the chat screen that knows that there are others."""

    ANSWERS: ClassVar[set[str]] = {*STEPS, *NUMBERS}
    rooms: OpenRooms
    unread = 0
    """Messages of others that came while another room was in front."""
    mentions = 0
    """Those of them that name the user."""

    def __init__(self) -> None:
        super().__init__()
        self.room_list, self.room_strip = RoomList(strip=False), RoomList(strip=True)

    def asks(self, key: str) -> bool:
        """Keys of rooms are handled by the composer; without its focus they are bindings as any."""
        return key in self.ANSWERS and self.focused is self.composer

    # --- going there ---------------------------------------------------------------------------

    def room_keys(self) -> dict[str, Callable[[], None]]:
        """Return what the keys do that bring another room to the front."""
        return {key: partial(self.action_room, key) for key in self.ANSWERS}

    @dataclass
    class RoomKey(Message):
        """A key that brings another room to the front was pressed in the composer."""

        key: str

    def action_room(self, key: str) -> None:
        """Bring another room to the front, for a key; behind everything that was sent before it."""
        self.composer.post_message(self.RoomKey(key))

    def on_chat_rooms_room_key(self, event: RoomKey) -> None:
        try:
            if event.key in STEPS:
                self.rooms.step(STEPS[event.key])
            else:
                self.rooms.go_to(NUMBERS[event.key])
        except Refused as error:
            self.hint(str(error), failed=True)
        finally:
            self.app.post_message(Answered())

    def on_room_list_picked(self, event: RoomList.Picked) -> None:
        self.rooms.go_to(event.number)

    # --- commands ------------------------------------------------------------------------------

    def join(self, room: str) -> None:
        self.rooms.join(room)

    def leave_room(self, room: str) -> None:
        self.rooms.leave(room.removeprefix("#") or self.session.room)

    def ask_rooms(self) -> None:
        """Ask the server which rooms it has, because the user begins to name one."""
        self.run_worker(self._ask_rooms(), group="rooms", exclusive=True, exit_on_error=False)

    async def _ask_rooms(self) -> None:
        with suppress(ChatError, TimeoutError):  # those of earlier times are there
            async with asyncio.timeout(PATIENCE):
                if self.rooms.learn(await self.session.rooms()) and self.composer.text.startswith(JOIN):
                    self.composer.offer_again()

    def list_rooms(self) -> None:
        n = len(self.rooms.screens)
        lines = [translate(f"{n} open; Alt+1 to Alt+9 go there, /join ROOM opens another")]
        for number, entry in enumerate(self.room_entries(), 1):
            lines.append(f"{'▸' if entry.front else ' '} {number}  {entry.name}  {entry.told}")
        self.timeline.note("\n".join(lines))

    def go_to_room(self, name: str) -> None:
        from tui.screens.switcher import Switcher, best  # not needed for the first paint

        name = name.removeprefix("#")
        if not name:
            if self.app.screen is self:
                self.ask_rooms()
                self.rooms.app.open(Switcher())
            return
        screen = best(self.rooms, name)
        if screen is None:
            raise Refused(f"no open room is like {name}; /rooms lists them, /join ROOM opens another")
        self.rooms.go(screen)

    # --- what is shown -------------------------------------------------------------------------

    @property
    def in_front(self) -> bool:
        return self in self.app.screen_stack

    def count_unread(self, seq: int) -> None:
        """Count a message that has come, if another room is in front."""
        row = None if self.in_front else self._message(seq)
        if row is not None and not row.own:
            self.unread += 1
            self.mentions += row.mention
            self.rooms.changed()

    def room_entries(self) -> list[RoomEntry]:
        """Return what is shown of each room, in order."""
        return [
            RoomEntry(
                one.session.room,
                one.choice.technique,
                one.session.state.name,
                one.unread,
                one.mentions,
                one.in_front,
            )
            for one in self.rooms.screens
        ]

    def show_rooms(self) -> None:
        """Show the list of rooms, if there are several."""
        entries = self.room_entries()
        self.set_class(len(entries) > 1, "-rooms")
        for widget in (self.room_list, self.room_strip):
            widget.show(entries)
