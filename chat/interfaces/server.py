"""The server half of a technique, and what it may ask of the hub."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from chat.domain.errors import ChatError
from chat.domain.model import Ack, Draft, Event, Hello, Limits, Member, Welcome
from chat.interfaces.address import Address
from chat.interfaces.tls import Identity

if TYPE_CHECKING:  # it loads asyncio, which a cold start does not need
    from asyncio import Future

Reply = Callable[[Draft, "Event | Ack | ChatError"], None]
"""Called on the loop, once for each draft, when the room has decided about it. The outcome is the event that
the draft became, an `Ack` if the room had accepted it before, or the refusal."""


LOW_WATER = 16 * 1024
"""Bytes in a sink's buffer below which the hub writes again to a peer that was behind."""


HIGH_WATER = 64 * 1024
"""Bytes in a sink's buffer above which the hub stops writing until the peer has drained it."""


B = TypeVar("B")
"""What a technique encodes events to. The hub hands it on and never looks inside."""


class Sink(ABC, Generic[B]):
    """Where the hub writes the events for one connection of a push technique."""

    coalescing: float = 0.005
    """Write coalescing: seconds until the next write after one of several events, in a room with a hundred
    connections or more; with fewer, less in proportion. A single event is written at once."""
    coalescing_single: float = 0.0
    """The same after a write of a single event, and before one that comes alone soon after a batch; 0: what
    comes then is written at once. For a technique that reads one message in a turn of the loop: if every turn
    wrote one event to everybody, no batch would form."""

    @staticmethod
    @abstractmethod
    def encode(events: Sequence[Event]) -> B:
        """Return the wire form of the events. It is written to every connection of the technique."""

    @abstractmethod
    def write(self, blob: B) -> None:
        """Hand to the connection what `encode` returned. Never waits."""

    @classmethod
    def write_all(cls, blob: B, sinks: Iterable[Self]) -> list[Self]:
        """Write to many connections; a technique may know what takes less time than one after the other.

        Returns:
            Those that have more than `LOW_WATER` bytes in their buffers now.
        """
        full = []
        for sink in sinks:
            sink.write(blob)
            if sink.buffered() > LOW_WATER:
                full.append(sink)
        return full

    @abstractmethod
    def buffered(self) -> int:
        """Return how many bytes the peer has not taken yet."""

    def taken(self, written: int) -> int | None:
        """Return the seq up to which the peer has taken the events, as far as the connection knows.

        Args:
            written: the seq up to which they were written.

        Returns:
            None if the technique never knows. 0 if nothing is known now: what was known before still holds.
        """
        return 0 if self.buffered() else written

    @abstractmethod
    def close(self, reason: ChatError) -> None:
        """Tell the peer why, and end the connection."""


class Seat(Protocol):
    """One person's place in a room, as a server half sees it."""

    @property
    def welcome(self) -> Welcome:
        """The welcome for the owner of the seat."""

    @property
    def start(self) -> int:
        """The seq after which the replay begins; `attach` begins there."""

    @property
    def head(self) -> int:
        """The seq of the room's newest event."""

    def send(self, draft: Draft, reply: Reply) -> None:
        """Check the draft and append it to the log. The order of calls is the order of the log.

        Args:
            draft: its number may be 0: then the seat takes the next one.
            reply: called once with the outcome, maybe before this returns.
        """

    def attach(self, sink: Sink[Any], *, live: bool = False) -> None:
        """Push events to this sink: first the replay, then each event as it happens; none is left out.

        Call it without an await after `HubPort.take_seat`, because another connection may take the seat.

        Args:
            sink: the connection; one that was attached before is closed.
            live: leave out the replay. The client asks for the events after `start` by itself, page by page.
        """

    def drained(self, sink: Sink[Any]) -> None:
        """The sink's buffer was above `LOW_WATER` and is not any more."""

    def when_written(self, sink: Sink[Any], then: Callable[[], None]) -> None:
        """Call ``then`` once all that happened is written to the sink; at once if the seat has another."""

    def detach(self, sink: Sink[Any] | None = None, reason: ChatError | None = None) -> None:
        """The connection is gone; the seat outlives it by the grace time.

        Args:
            sink: the connection; None: whichever it was.
            reason: why the server has ended it; None: the client did, or `Sink.close` was called.
        """

    async def read(self, after: int, limit: int, wait: float) -> list[Event]:
        """Return events after a seq, for techniques that poll.

        Args:
            after: the seq.
            limit: events, at most; never more than `Limits.page`.
            wait: seconds to wait for the first event if there is none. The seat counts as connected then.

        Raises:
            SeatGone: the seat has ended.
        """

    def hold_poll(self, after: int, wait: float) -> Future[None]:
        """Wait for the first event after a seq, as `read` does, and read it then.

        Returns:
            What is done when something happens in the room, or after so many seconds. `release_poll` must be
            called with it, once; until then the seat counts as connected.

        Raises:
            SeatGone: the seat has ended.
        """

    def release_poll(self, held: Future[None]) -> None:
        """End what `hold_poll` began."""

    def recent(self, after: int, limit: int) -> list[Event] | None:
        """Return what `read` would without waiting; None: only `read` can, because it has to wait.

        Seats of one room that ask for the same get the same list, not a copy, as long as it is the same page.
        """

    async def history(self, *, after: int | None, before: int | None, limit: int) -> list[Event]:
        """Return a page of events, as `ChatClient.history` does; it may have to wait for its turn.

        Raises:
            TooFast: too many pages are asked for at once.
        """

    async def members(self) -> list[Member]:
        """Return the members, in the order of joining, with how far each has read; paced like `history`."""

    def accepted(self, n: int) -> bool:
        """Return whether the room has accepted a draft with this number, and still remembers it."""

    def leave(self) -> None:
        """End the seat. Its sink is closed when everything that happened before is written."""


class Reader(Protocol):
    """A room that is read without a seat."""

    @property
    def epoch(self) -> str:
        """The identity of the room's log."""

    @property
    def head(self) -> int:
        """The seq of the room's newest event."""

    async def history(self, *, after: int | None, before: int | None, limit: int) -> list[Event]:
        """Return a page of events, as `ChatClient.history` does; it may have to wait for its turn.

        Raises:
            TooFast: the address asks for too many pages at once.
        """

    async def read(self, after: int, limit: int, wait: float) -> list[Event]:
        """Return events after a seq; if there are none, wait for the first for ``wait`` seconds.

        Paced and refused like `history`.
        """

    def hold_poll(self, after: int, wait: float) -> Future[None]:
        """Wait for the first event after a seq; see `Seat.hold_poll`."""

    def release_poll(self, held: Future[None]) -> None:
        """End what `hold_poll` began."""

    def recent(self, after: int, limit: int) -> list[Event] | None:
        """Return what `read` would without waiting; None: only `read` can, because it has to wait."""

    async def message(self, id: int) -> tuple[Event, Event] | None:
        """Return a message's ``sent`` event, and the latest event that changed the message.

        Both are the same if nothing changed it. None: no such message was ever sent.
        """

    def version(self, id: int) -> int:
        """Return the seq of the latest event that changed a message, or of its ``sent`` event.

        0: the message can't be changed. It was deleted, is too old, or was never sent.
        """

    async def members(self) -> list[Member]:
        """Return the members, in the order of joining, with how far each has read; paced like `history`."""

    def behind(self) -> dict[str, int]:
        """Return how many seqs of the room were not sent yet to the owners of seats, by public name.

        Who lacks none, or is at another node, is not in it.
        """


class HubPort(Protocol):
    """All that a server half may ask of the hub."""

    @property
    def limits(self) -> Limits:
        """What clients may do."""

    @property
    def ready(self) -> bool:
        """Whether drafts can be stored now: it is not closing, and the log did not fail a moment ago."""

    def admit(self, access: str, peer: str = "", seat_key: str = "", room: str = "") -> bool:
        """Raise `AccessDenied` unless this is the access token, or none is needed.

        Args:
            access: what the client has shown.
            peer: the host that the client calls from. After several wrong tokens it must wait, longer each
                time. "": not known, and wrong tokens are not counted.
            seat_key: of a call about a seat. The token with which the seat was taken is right for it, even
                if the server has another one by now.
            room: the room that the seat must be in; "": any.

        Returns:
            Whether it is the token of now: what was shown is right for other calls, too.
        """

    def may_guess(self, peer: str) -> None:
        """Raise `AccessDenied` if this host must wait: to be asked before a proof of the token is checked."""

    def wrong_token(self, peer: str) -> None:
        """Count a wrong token; `admit` does it by itself."""

    def dropped(self, technique: str, reason: ChatError, peer: str = "") -> None:
        """Note that a technique has ended a connection that had no seat, for the operator."""

    async def take_seat(self, hello: Hello, technique: str, peer: str = "", connection: str = "") -> Seat:
        """Give a new seat, or give one back to its owner.

        Args:
            hello: what the client has said.
            technique: the name.
            peer: as in `admit`. An address may take only so many seats, and come only so often.
            connection: names the connection, if others may take seats over it, too; they are counted.

        Raises:
            ChatError: why not; a wrong access token among others.
        """

    def find_seat(self, seat_key: str, room: str = "") -> Seat:
        """Return the seat that this key opens, for techniques whose every call names its seat.

        The grace time of the polling client begins anew.

        Args:
            seat_key: from the welcome.
            room: the room that the seat must be in; "": any.

        Raises:
            SeatGone: no seat has this key, or it is in another room.
            SeatTaken: the seat has moved to another node of the log.
        """

    async def look(self, room: str, access: str, peer: str = "", seat_key: str = "") -> Reader:
        """Return a room that exists; arguments as in `admit`. Raises a `ChatError`."""

    def rooms(self, access: str, peer: str = "") -> list[str]:
        """Return the names of all rooms, sorted. Raises `AccessDenied`."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """The options of a server besides the address."""

    identity: Identity | None = None
    """Serve with TLS and this certificate; None: without TLS."""
    access: str = ""
    """The access token, for techniques whose clients prove that they have it and never send it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """By `Setting.name`; a setting that is not in it has its default."""
    shares_port: bool = False
    """Other processes of this server listen at the port, too (`Technique.spreads`)."""


class ChatServer(ABC):
    """Turns a technique's calls into hub calls, and the hub's events into its bytes."""

    def __init__(self, hub: HubPort, address: Address, options: ServerOptions | None = None) -> None:
        self.hub = hub
        self.address = address
        self.options = options or ServerOptions()
        self.counts: Counter[str] = Counter()
        """What was dropped without a word to the client, and why."""

    def renew(self, options: ServerOptions) -> None:
        """Take another access token and certificate; what is open goes on. To be called on the loop.

        The context in ``options.identity`` is the one that the server listens with.
        """
        self.options = options

    @abstractmethod
    async def start(self) -> Address:
        """Listen, and return the address that clients need.

        Raises:
            OSError: the address can't be used.
            ChatError: something else is missing.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Stop listening, tell the clients, close every connection, and wait until every task has ended."""
