"""The client half of a technique: one connection of one person."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter

from chat.domain.errors import BadName
from chat.domain.model import Ack, Draft, Event, Hello, Member, MissingEvents, Welcome
from chat.interfaces.address import Address
from chat.interfaces.tls import Trust


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """The options of a client besides the address."""

    also: tuple[Address, ...] = ()
    """Further servers of the same rooms, for techniques that take `Technique.several`."""
    trust: Trust | None = None
    """Connect with TLS, only to a server with a certificate of these authorities; None: without TLS."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """By `Setting.name`; a setting that is not in it has its default."""
    found: bool = False
    """The user named no server: a broker was found, or started."""


NO_NICK = "the doctor"
"""A nick with a blank: every contract can carry it, and every server refuses it."""


class ChatClient(ABC):
    """One connection of one person. It retries nothing; the session does.

    Every method raises a `ChatError`; `ConnectionLost` if the connection is gone or never was. All methods
    run on one event loop.
    """

    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        self.address = address
        self.options = options or ClientOptions()
        self.on_notice: Callable[[str], None] = lambda text: None
        """Called on the loop with what the user should know at once, also before `connect` has returned."""
        self.on_hindered: Callable[[str], None] = lambda reason: None
        """Called like it with why the server takes no messages at the moment, and what to do; with "" when it
        takes them again."""
        self.earlier: Counter[str] = Counter()
        """What the session's connections before this one have counted."""

    @abstractmethod
    async def connect(self, hello: Hello) -> Welcome:
        """Connect and take a seat.

        Raises:
            ChatError: the server's refusal.
            ConnectionLost: there is no connection; the text says why and what to do.
        """

    async def check(self, access: str) -> float:
        """Ask for a seat to see whether it works, and return after how many seconds the answer came.

        `close` follows. Nothing is left behind: the nick is one that every server refuses, after it has
        checked the access token and before it opens a room.

        Args:
            access: the shared access token.

        Raises:
            ChatError: like `connect`.
        """
        start = perf_counter()
        with suppress(BadName):
            await self.connect(Hello("doctor", NO_NICK, access=access))
        return perf_counter() - start

    @abstractmethod
    async def send(self, draft: Draft) -> Ack | None:
        """Send a draft, in call order, and wait until it is known what became of it.

        Args:
            draft: numbered from 1. Several may be under way at once, each number only once.

        Returns:
            The room's explicit acknowledgement; or None, after `answered` was called for this draft.

        Raises:
            ChatError: the refusal of this draft.
            ConnectionLost: the connection ended first, for whatever reason. What became of the draft is not
                known; it is to be sent again.
            Unconfirmed: no answer came in time, and the technique sends nothing again (`Traits.resend`).
        """

    def answered(self, n: int) -> None:  # noqa: B027  # what a request and its reply need: nothing
        """The event of the draft with this number has come: `send` need not wait for an answer.

        The caller matches events to drafts, because it does so after a reconnect as well. A technique that
        answers each draft by a reply of its own ignores this.
        """

    @abstractmethod
    def events(self) -> AsyncIterator[Sequence[Event | MissingEvents]]:
        """Yield the room's events in batches as they come: first the replay; own events too.

        A technique that may lose events (`Traits.lossless`) names those that are missing. One that is not
        `Traits.ordered` may yield events in any order, and more than once. The iteration ends after `close`.

        Raises:
            ConnectionLost: the connection has ended.
            ChatError: the server has ended it, and this is its reason.
        """

    @abstractmethod
    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        """Return a page of events, ascending.

        Args:
            after: the page has the first events after this seq; None: the last ones before ``before``.
            before: the page has only events before this seq; None: up to the newest.
            limit: events, at most.
        """

    @abstractmethod
    async def members(self) -> list[Member]:
        """Return the members of the room, in the order of joining; with `Member.seen` where it is known."""

    async def rooms(self) -> list[str]:
        """Return the names of the server's rooms; none if the technique has no call that lists them."""
        return []

    @abstractmethod
    async def ping(self) -> float:
        """Return the round-trip time in seconds."""

    @abstractmethod
    async def close(self, *, leave: bool = True) -> None:
        """End the connection and, with ``leave``, the seat. It may be called twice, and never raises."""

    def activity(self) -> str:
        """Return what the status bar shows beside the round-trip time, e.g. ``polls 40, empty 37``."""
        return ""

    def counted(self) -> Mapping[str, int]:
        """Return what this connection has counted so far, by name."""
        return {}

    def counts(self) -> Counter[str]:
        """Return what this connection and those before it have counted: `activity` shows it."""
        total = Counter(self.earlier)
        total.update(self.counted())
        return total

    def notices(self) -> Sequence[str]:
        """Return what the user should know about this connection after `connect`, a line each."""
        return ()
