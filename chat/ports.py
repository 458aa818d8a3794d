"""The interfaces: what a technique is, and what its client, its server and the log must do.

A backend is a folder in `backends/` whose ``__init__`` holds one `Technique` and imports no
third-party library; those come when `Technique.load_client` or `load_server` is called.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from msgspec import Struct

from chat.model import Ack, Body, ChatError, Draft, Entry, Event, Gap, Hello, Limits, Member, Welcome
from chat.tls import Identity, Trust

# --- the label of a technique ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Traits:
    """What the technique promises. The contract suite measures each of them."""

    push: bool
    """The server speaks first; else the client polls."""
    ordered: bool
    """Events arrive in the room's order."""
    lossless: bool
    """Nothing is lost while the connection stands."""
    resend: bool
    """The session sends unacknowledged drafts again after a reconnect."""
    stores: Literal["server", "broker"]
    """Who keeps the room's log."""
    contract: str
    """Where the messages are defined: an IDL file, or the page of the protocol."""
    encoding: Literal["text", "binary"]
    encrypted: bool
    """The bytes on the wire are encrypted by default."""
    transport: Literal["tcp", "udp"] = "tcp"
    """What carries the bytes by default."""


@dataclass(frozen=True, slots=True)
class Need:
    """Something that must be there for the technique to run."""

    what: str
    """A module (``kind="module"``) or a program on the path (``kind="program"``)."""
    install: str
    """What the user can do about it, as a command."""
    kind: Literal["module", "program"] = "module"

    def met(self) -> bool:
        if self.kind == "program":
            return shutil.which(self.what) is not None
        return find_spec(self.what) is not None


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that a user may choose about a technique; the command line makes an option of it."""

    name: str
    """In the field's own words: ``transport`` becomes ``--transport``."""
    summary: str
    """The option's help, one line."""
    choices: tuple[str, ...] = ()
    """What it may be; the first is what it is unless the user says otherwise. `SWITCH` makes a flag of it.
    Empty: any text that ``check`` takes."""
    default: str = ""
    """Without ``choices``: what it is unless the user says otherwise."""
    metavar: str = "TEXT"
    """Without ``choices``: what stands for the value in the help."""
    check: Callable[[str], object] = str
    """Without ``choices``: raises ValueError, with a text for the user, for what it may not be."""
    client: bool = True
    """It can be chosen where a client is started, ..."""
    server: bool = False
    """... and with ``chat serve``."""

    @property
    def usual(self) -> str:
        """What it is unless the user says otherwise."""
        return self.choices[0] if self.choices else self.default

    def among(self, settings: Mapping[str, str]) -> str:
        """Return what was chosen."""
        return settings.get(self.name, self.usual)


SWITCH = ("off", "on")
"""The choices of a `Setting` that is off unless it is asked for: a flag without a value."""


@dataclass(frozen=True, slots=True)
class Technique:
    """The label of a backend: all that the rest of the program knows about it."""

    name: str
    title: str
    family: Literal["sockets", "rpc", "broker", "rest", "soap"]
    summary: str
    """One line for the picker: what is special about it."""
    traits: Traits
    port: int
    client: str
    """Import string of the `ChatClient`, e.g. ``backends.tcp.client:TcpClient``."""
    server: str | None
    """Import string of the `ChatServer`; None where a broker is the server."""
    aliases: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    tls: bool = False
    """It can be encrypted: takes `Identity` and `Trust`."""
    several: bool = False
    """A client may be given several addresses, and takes one of those that work."""
    settings: tuple[Setting, ...] = ()
    schemes: tuple[str, ...] = ()
    """URL schemes that name its server, and its log where it has one: ``amqp://user:password@host:port/vhost``."""
    broker: str | None = None
    """Where a broker is the server: import string of what finds one, or starts one; see `FindBroker`."""
    log: str | None = None
    """Import string of a `Log` that is kept by the broker, called with (URL, clock=)."""

    def missing(self) -> list[Need]:
        """Return what is not installed here."""
        return [need for need in self.needs if not need.met()]

    def load_client(self) -> type[ChatClient]:
        return cast("type[ChatClient]", load(self.client))

    def load_broker(self) -> FindBroker:
        if self.broker is None:
            raise ChatError(f"{self.name} needs no broker")
        return cast("FindBroker", load(self.broker))

    def load_server(self) -> type[ChatServer]:
        if self.server is None:
            raise ChatError(f"{self.name} has no server of ours: a broker is the server")
        return cast("type[ChatServer]", load(self.server))


def load(path: str) -> Any:
    """Import what an import string ``module:attribute`` names."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


# --- addresses ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int
    url: str = field(default="", repr=False)
    """The URL that named it, where it says more than host and port: a password may stand in it."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, default_port: int, schemes: Sequence[str] = ()) -> Address:
    """Read ``HOST``, ``HOST:PORT``, ``[V6]:PORT``, a bare IPv6 address, or a URL of one of the schemes.

    Raises ValueError, with a text for the user.
    """
    host, port = text.strip(), ""
    if "://" in host:
        return _parse_url(host, default_port, schemes)
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError(f"{text!r} is no address: no machine can have that name") from None
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is no address: write [IPV6]:PORT")
        port = rest[1:]
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if ":" in host:
        try:
            ip_address(host)
        except ValueError:
            raise ValueError(f"{text!r} is no address: {host!r} is no IPv6 address") from None
    if not host or (port and not (port.isascii() and port.isdigit() and int(port) < 65536)):
        raise ValueError(f"{text!r} is no address: write HOST or HOST:PORT, e.g. 127.0.0.1:7010")
    return Address(host, int(port or default_port))


def _parse_url(url: str, default_port: int, schemes: Sequence[str]) -> Address:
    scheme, _, place = url.partition("://")
    shown = f"{scheme}://{place.rpartition('@')[2]}"  # an error is no place for a password
    if scheme not in schemes:
        raise ValueError(f"{shown!r} is no address here: write HOST or HOST:PORT")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host:
        raise ValueError(f"{shown!r} is no address: write {scheme}://USER:PASSWORD@HOST:PORT/PATH")
    return Address(host, port or default_port, url)


def parse_servers(text: str, default_port: int, schemes: Sequence[str] = ()) -> tuple[Address, ...]:
    """Read one address or several, separated by commas; ``ipv4:`` may stand before them, as in gRPC.

    Raises ValueError, with a text for the user.
    """
    listed = text.strip()
    for scheme in ("ipv4:", "ipv6:"):
        listed = listed.removeprefix(scheme)
    return tuple(parse_address(part, default_port, schemes) for part in listed.split(","))


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that was found, or started."""

    address: Address
    how: str
    """Which one it is, for the user: ``named by CHAT_AMQP_URL``, ``a private one (process 4711)``."""
    private: bool = False
    """Nobody but this user has it, and it goes when nobody uses it any more, with all that was said."""


class FindBroker(Protocol):
    """What `Technique.broker` names."""

    def __call__(self, folder: Path, *, spawn: bool) -> Broker:
        """Find a broker of this user on this machine; with ``spawn`` start one if there is none.

        ``folder`` is the state folder. Blocks for as long as a broker takes to start: call it from a thread.
        Raises a `ChatError` that says what to install or to start; `ConnectionLost`: another try may help.
        """


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# --- the client half ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """What a client may be told besides the address."""

    also: tuple[Address, ...] = ()
    """Further servers of the same rooms, for techniques that take `Technique.several`."""
    trust: Trust | None = None
    """Connect with TLS, and to nobody whom this does not vouch for; None: without TLS."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """By `Setting.name`; what is not in it is the setting's first choice."""
    found: bool = False
    """The user named no server: a broker was found, or started."""


class ChatClient(ABC):
    """One connection of one person. It retries nothing: that is the session's work.

    Every method raises a `ChatError`; `ConnectionLost` when the connection is gone or never was.
    All run on one event loop.
    """

    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        self.address = address
        self.options = options or ClientOptions()

    @abstractmethod
    async def connect(self, hello: Hello) -> Welcome:
        """Connect and take the seat."""

    @abstractmethod
    async def send(self, draft: Draft) -> Ack:
        """Hand the draft over, in call order, and wait until the room has decided.

        Its number counts from 1. Several drafts may be under way at once, each number only once.

        Raises the refusal of this draft; for every other reason, also the connection's last word,
        `ConnectionLost`: then nobody knows, and it is to be sent again. Where nothing is sent again
        (`Traits.resend`) and no answer came in time: `Unconfirmed`.
        """

    @abstractmethod
    def events(self) -> AsyncIterator[Sequence[Event | Gap]]:
        """Yield the room's events in batches as they come, the replay first, own ones included.

        A technique that loses events (`Traits.lossless`) names those that are missing by a `Gap`; one
        that is not `Traits.ordered` may yield them in any order, and more than once.

        Raises `ConnectionLost` or what the server gave as the reason when the connection ends;
        returns after `close`.
        """

    @abstractmethod
    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        """Return at most ``limit`` events, ascending: the first after a seq, or the last before one."""

    @abstractmethod
    async def members(self) -> list[Member]: ...

    @abstractmethod
    async def ping(self) -> float:
        """Return the round-trip time in seconds."""

    @abstractmethod
    async def close(self, *, leave: bool = True) -> None:
        """End the connection and, with ``leave``, the seat. Safe to call twice, never raises."""

    def activity(self) -> str:
        """Return what the status bar shows besides the rtt, e.g. ``polls 40, empty 37``."""
        return ""

    def notices(self) -> Sequence[str]:
        """Return what the user should know about this connection once it stands, a line each."""
        return ()


# --- the server half ---------------------------------------------------------------------------

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

    gap: float = 0.005
    """Seconds between two writes under load, to a hundred connections or more; to fewer, less. Idle rooms
    are written at once."""

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


# --- the log -----------------------------------------------------------------------------------


class Committed(Struct, frozen=True):
    """One entry that the log hands back, in its room's order."""

    room: str
    entry: Entry
    note: Any
    """What `Log.append` was given with it; None for an entry of another node."""


class Log(ABC):
    """The rooms' memory. An append that was handed back through ``committed`` is durable.

    Reads answer with what was handed back: what is committed but not yet decided by the room
    stays out of them.
    """

    node: str = "solo"
    """What the server on this log calls itself in it. The one server of an embedded log keeps the same name
    for ever, so that a restart moves nobody; of several on one log each has its own."""

    shared: bool = False
    """Others may append to it as well."""

    async def gone(self, nodes: Collection[str]) -> set[str]:
        """Return those of these nodes, none of them this one, that are certainly not there any more."""
        return set()

    async def first(self, room: str) -> int:
        """Return the seq of the oldest entry that is kept: 1, unless the log cuts off what is old."""
        return 1

    @abstractmethod
    async def start(
        self,
        committed: Callable[[list[Committed]], None],
        failed: Callable[[list[Any], ChatError], None],
    ) -> None:
        """Open. Both callbacks run on the loop; ``failed`` gets the notes of what is not stored.

        Raises `ChatError` when the log can't be used: damaged, foreign, locked, not writable.
        """

    @abstractmethod
    def append(self, room: str, body: Body, note: Any) -> None:
        """Enqueue an entry; it gets its seq and its ``at`` now. Raises `Closing` when not open."""

    @abstractmethod
    async def rooms(self) -> list[str]: ...

    @abstractmethod
    async def tail(self, room: str, count: int) -> list[Entry]:
        """Return the newest ``count`` entries, refused ones included, ascending."""

    @abstractmethod
    def refuse(self, room: str, seq: int) -> None:
        """Remember that the room refused this entry, so that `read` leaves it out.

        May be said again: a server that was killed may not have written it down.
        """

    @abstractmethod
    async def read(
        self, room: str, *, after: int | None = None, before: int | None = None, limit: int
    ) -> tuple[int, list[Entry]]:
        """Return accepted entries, ascending, and the seq of the accepted one before them (or 0).

        The first ``limit`` after a seq (and below ``before``, if both are given), or the last
        ``limit`` before one; with neither, the newest. Checkpoints and refused entries are left out.
        """

    async def remove(self, room: str) -> None:
        """Forget a room for good, where a log outlives its servers. Nobody may be in it."""
        raise ChatError("this log keeps its rooms to itself: end its server instead")

    @abstractmethod
    async def stop(self) -> None:
        """Commit what is enqueued, and close."""
