"""The server half of a technique, and what it may ask of the hub."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from chat.domain.errors import ChatError
from chat.domain.model import Ack, Draft, Event, Hello, Limits, Member, Welcome
from chat.interfaces.address import Address
from chat.interfaces.tls import Identity

Reply = Callable[[Draft, "Event | Ack | ChatError"], None]
"""Called on the loop, once for each draft, when the room has decided about it: the event it became, an
`Ack` if it had been accepted before, or the refusal."""


LOW_WATER = 16 * 1024
"""Bytes in a sink's buffer below which the hub goes on writing to a peer that was behind."""


HIGH_WATER = 64 * 1024
"""Bytes in a sink's buffer above which the hub writes nothing more until the peer has drained it."""


B = TypeVar("B")
"""What a technique makes of events; the hub only hands it on."""


class Sink(ABC, Generic[B]):
    """Where the hub writes the events for one connection of a push technique."""

    coalescing: float = 0.005
    """Write coalescing: seconds until the next write after one of several events, in a room with a hundred
    connections or more; with fewer, less in proportion. A single event is written at once."""

    @staticmethod
    @abstractmethod
    def encode(events: Sequence[Event]) -> B:
        """Return the wire form, mostly bytes, the same for every connection of the technique."""

    @abstractmethod
    def write(self, blob: B) -> None:
        """Hand what `encode` made to the connection; never waits."""

    @abstractmethod
    def buffered(self) -> int:
        """Return how many bytes the peer has not taken yet."""

    @abstractmethod
    def close(self, reason: ChatError) -> None:
        """Tell the peer why, and end the connection."""


class Seat(Protocol):
    """One person's place in a room, as a server half sees it."""

    @property
    def welcome(self) -> Welcome: ...

    @property
    def start(self) -> int:
        """The seq after which its owner has yet to read; `attach` begins there."""

    @property
    def head(self) -> int:
        """The seq of the room's newest event."""

    def send(self, draft: Draft, reply: Reply) -> None:
        """Check and enqueue the draft; the order of calls is the order of the log."""

    def attach(self, sink: Sink[Any], *, live: bool = False) -> None:
        """Push to this sink: the replay first, then everything live, without a gap.

        ``live``: no replay. Its owner asks for what happened before, after `start`, page by page.

        To be called without an await after `HubPort.take_seat`: another connection may take the seat.
        """

    def drained(self, sink: Sink[Any]) -> None:
        """The sink's buffer was above `LOW_WATER` and is not any more."""

    def detach(self, sink: Sink[Any] | None = None) -> None:
        """The connection is gone; the seat outlives it by the grace time."""

    async def read(self, after: int, limit: int, wait: float) -> list[Event]:
        """For techniques that poll: events after a seq; waits for the first up to ``wait`` s.

        While it waits the seat is taken as connected. Raises `SeatGone` when the seat has ended.
        """

    async def history(self, *, after: int | None, before: int | None, limit: int) -> list[Event]: ...

    def members(self) -> list[Member]: ...

    def accepted(self, n: int) -> bool:
        """Whether the room has accepted a draft of this number, and still remembers it."""

    def leave(self) -> None:
        """End the seat: its sink is closed when what happened before is written."""


class Reader(Protocol):
    """A room as one may look at it without a seat."""

    @property
    def epoch(self) -> str: ...

    @property
    def head(self) -> int:
        """The seq of the room's newest event."""

    async def history(self, after: int | None, before: int | None, limit: int) -> list[Event]: ...

    async def read(self, after: int, limit: int, wait: float) -> list[Event]:
        """Return events after a seq; waits for the first up to ``wait`` s."""

    async def message(self, id: int) -> tuple[Event, Event] | None:
        """Return a message's ``sent`` event, and the event that it is what it is by: its last change, or the
        same one. None: no such message was ever sent."""

    def version(self, id: int) -> int:
        """Return the seq of the event that a message is what it is by; 0 where it can't be changed: deleted,
        too old, or never sent."""

    def members(self) -> list[Member]: ...


class HubPort(Protocol):
    """All that a server half may ask of the hub."""

    @property
    def limits(self) -> Limits: ...

    @property
    def ready(self) -> bool:
        """Whether drafts can be stored now: it is not closing, and the log did not fail a moment ago."""

    def admit(self, access: str) -> None:
        """Raise `AccessDenied` unless this is the access token, where one is asked for."""

    async def take_seat(self, hello: Hello, technique: str) -> Seat:
        """Give a seat, or give one back; looks at the access token too. Raises a `ChatError`."""

    def find_seat(self, seat_key: str, room: str = "") -> Seat:
        """Return the seat that this key opens, where each call names its seat. Raises `SeatGone`, also where
        the seat is in another room than the one that the call names.

        Its owner was heard of: the grace time of one who polls begins anew.
        """

    async def look(self, room: str, access: str) -> Reader:
        """Return a room that exists, for calls without a seat. Raises a `ChatError`."""

    def rooms(self, access: str) -> list[str]:
        """Return the names of all rooms, sorted. Raises `AccessDenied`."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server may be told besides the address."""

    identity: Identity | None = None
    """Serve with TLS as this one; None: without TLS."""
    access: str = ""
    """The access token, for techniques whose clients prove that they have it and never send it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """By `Setting.name`; what is not in it is the setting's first choice."""


class ChatServer(ABC):
    """Turns a technique's calls into hub calls, and the hub's events into its bytes."""

    def __init__(self, hub: HubPort, address: Address, options: ServerOptions | None = None) -> None:
        self.hub = hub
        self.address = address
        self.options = options or ServerOptions()

    @abstractmethod
    async def start(self) -> Address:
        """Listen and return the address that clients need (port 0: any free one).

        Raises OSError, or a `ChatError` that says what is missing.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Stop listening, tell the clients, close every connection, await every task."""
