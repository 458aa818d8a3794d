"""What a command can do: the part of the chat screen that commands use."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from chat.client.session import Session
from tui.timeline import Timeline


class CommandTarget(Protocol):
    """The chat screen, as the commands see it. `Refused` is in `tui.commands`."""

    session: Session
    timeline: Timeline

    def show_help(self) -> None: ...

    def edit_in_composer(self, id: int, text: str) -> None:
        """Put a message into the composer, to be changed."""

    def say(self, *texts: str) -> None:
        """Send messages. Raises `BadText` and `Refused`."""

    def start_reading(self) -> None:
        """Let keys choose a message, and do something with it. Raises `Refused`."""

    def to_new(self) -> None:
        """Go to the first message that is new. Raises `Refused`."""

    def find(self, text: str) -> None:
        """Highlight a text; an empty one removes the highlighting. Raises `Refused`."""

    def load_history(self) -> None:
        """Load a page of older messages. Raises `Refused`."""

    def copy(self, argument: str) -> None:
        """Copy the newest message, or ``#ID``. Raises `Refused`."""

    def toggle_times(self) -> None: ...

    def toggle_ids(self) -> None: ...

    def toggle_bare(self) -> None:
        """Show nothing but texts, and leave the mouse to the terminal, or do not any more."""

    def set_theme(self, name: str) -> None: ...

    def clear(self) -> None: ...

    def to_top(self) -> None: ...

    def to_end(self) -> None: ...

    def retry(self, nick: str = "") -> None:
        """Connect now; with ``nick`` under another name. Raises `Refused` and `BadName`."""

    def switch(self, name: str) -> Awaitable[None]:
        """Go on over another technique; "": list them. Raises `Refused`."""

    def teach(self, argument: str) -> Awaitable[None]:
        """Use one of the teacher's means; "": list them. Raises `Refused` and `ChatError`."""

    def raise_hand(self, argument: str) -> None:
        """Raise the own hand, or take it down. Raises `Refused` and `BadText`."""

    def follow(self) -> Awaitable[None]:
        """Go on over the technique that the teacher has asked for. Raises `Refused`."""

    def join(self, room: str) -> None:
        """Open another room, or go there if it is open. Raises `Refused` and `ChatError`."""

    def leave_room(self, room: str) -> None:
        """Leave a room; "": this one. Raises `Refused`."""

    def list_rooms(self) -> None: ...

    def go_to_room(self, name: str) -> None:
        """Bring the room with these letters in its name to the front; "": ask which. Raises `Refused`."""

    def open_lanes(self, text: str) -> Awaitable[None]:
        """Show the room over several techniques side by side. Raises `Refused` and `ChatError`."""

    def toggle_split(self) -> None:
        """Keep the newest lines below the list, which scrolls, or do not any more."""

    def show_wire(self, argument: str) -> Awaitable[None]:
        """Open the inspector, go to it or close it; ``#ID``: show a message's frames. Raises `Refused`."""

    def show_wire_whole(self) -> Awaitable[None]:
        """Show the inspector on the whole screen, or beside the chat again."""

    def compare(self, argument: str) -> Awaitable[None]:
        """Show a message beside the same text over another technique. Raises `Refused` and `ChatError`."""

    def set_fault(self, argument: str) -> Awaitable[None]:
        """Begin a fault, end all, or name those that there are. Raises `Refused` and `ChatError`."""

    async def show_card(self) -> None:
        """Show what the technique is, and the code of its client and server."""

    def show_ladder(self) -> Awaitable[None]:
        """Show who sent what to whom, and when. Raises `Refused`."""

    def export_wire(self, path: str) -> Awaitable[None]:
        """Write what passed into a file. Raises `Refused` and `ChatError`."""

    def toggle_receipts(self) -> Awaitable[None]:
        """Show what messages cost on the wire, or do not any more."""

    async def quit(self) -> None: ...
