"""A room that is read without a seat: who reads is no member, and may not write."""

from __future__ import annotations

from abc import ABC, abstractmethod

from chat.domain.model import Event, Member
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions


class Watcher(ABC):
    """Reads one room. Every method raises a `ChatError`; `ConnectionLost` if nobody answers."""

    def __init__(self, address: Address, options: ClientOptions, room: str, access: str) -> None:
        """Prepare; nothing is asked yet.

        Args:
            address: the server.
            options: whom to trust.
            room: its name.
            access: the access token; "": none.
        """
        self.address, self.options, self.room, self.access = address, options, room, access

    @abstractmethod
    async def epoch(self) -> str:
        """Return the epoch of the room's log: with another one no seq of before means anything."""

    @abstractmethod
    async def newest(self) -> list[Event]:
        """Return the newest events, ascending: one page."""

    @abstractmethod
    async def after(self, seq: int) -> list[Event]:
        """Return the events after a seq; if there are none, wait some seconds for the first."""

    @abstractmethod
    async def members(self) -> tuple[list[Member], dict[str, int]]:
        """Return who is here, in the order of joining; and who lags: by seat, how many seqs they lack."""

    @abstractmethod
    async def close(self) -> None:
        """End the connections. It never raises."""
