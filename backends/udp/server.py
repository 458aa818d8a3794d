"""The UDP server: one socket for everybody, no connection, no task a peer.

A peer is an address that has proven itself and taken a seat. What the hub writes goes out as the same bytes
to all of them; what a network loses is theirs to notice.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeAlias, cast

from backends.udp.codec import (
    LONGEST,
    SEAL,
    AwayMessage,
    CookieMessage,
    EndMessage,
    GoneMessage,
    HelloMessage,
    MembersMessage,
    NamesMessage,
    PongMessage,
    Request,
    WelcomeMessage,
    decode_request,
    encode_members,
    encode_names,
    encode_page,
    pack,
)
from backends.udp.cookie import Cookies
from backends.udp.faults import Faults
from backends.udp.seal import DOWN, HELLO_DOWN, HELLO_UP, UP, Opener, Sealer, body_of, derive, root_key
from chat.codec import AckMessage, ErrorMessage, HistoryMessage, LeaveMessage, PingMessage, encode
from chat.model import (
    AccessDenied,
    Ack,
    BadRequest,
    ChatError,
    Closing,
    ConnectionLost,
    Draft,
    Event,
)
from chat.ports import Address, ChatServer, Seat, Sink

SILENCE = 6
"""Seconds without a datagram after which a peer is taken for gone; its seat stays for the grace time. Clients
ping every second."""
TICK = 1.0
"""Seconds between two looks at who is silent."""
MAX_ENTERING = 256
"""Hellos with a good cookie that wait for their seat; more are dropped, and come again."""
MAX_UNDECIDED = 1000
"""Drafts of one peer that may wait for the log; more are dropped, and are unconfirmed at their author."""
MAX_READING = 4
"""Questions of one peer that read the log at once; more are dropped, and come again."""
QUESTIONS = 500
"""Questions of one peer that are answered in a second, and complaints about what is none."""
PAGE_EVENTS = 12
"""Events that are read for a page: the shortest take a hundred bytes each."""
PAGE_NAMES = 40
"""Events that are read for a page of names."""
SPENT = 4096
"""Hellos that were served and whose connection has ended: coming again, they are replays."""
BUFFER = 4 * 1024 * 1024
"""Bytes of the kernel's two buffers, if it allows so many: a burst that finds them full is lost."""
TEXT_BYTES = (LONGEST - SEAL - 2000) // 2
"""Bytes of the longest text: as JSON it may double, and an event has other fields."""
PORTS = 16
"""Free ports that are tried until one is free in every family of the host."""

Peername: TypeAlias = tuple[Any, ...]
"""Whatever the socket calls an address."""
Datagrams: TypeAlias = tuple[bytes, ...]

log = logging.getLogger(__name__)


class UdpServer(ChatServer):
    async def start(self) -> Address:
        if self.hub.limits.text_bytes > TEXT_BYTES:
            raise ChatError(
                f"udp carries texts of up to {TEXT_BYTES:,} bytes, and {self.hub.limits.text_bytes:,} are "
                "allowed here: set a lower limit"
            )
        self.counts: Counter[str] = Counter()
        """What was dropped, and why."""
        self.doors: list[Door] = []
        for _ in range(PORTS - 1):
            try:
                return await self._listen()
            except OSError:
                if self.address.port:
                    raise
        return await self._listen()

    async def _listen(self) -> Address:
        loop = asyncio.get_running_loop()
        port = self.address.port
        found = await loop.getaddrinfo(
            self.address.host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )
        try:
            for family, place in dict.fromkeys((family, place) for family, _, _, _, place in found):
                made = open_socket(family, (place[0], port, *place[2:]))
                port = made.getsockname()[1]
                _, door = await loop.create_datagram_endpoint(lambda made=made: Door(self, made), sock=made)  # type: ignore[misc]  # bound
                self.doors.append(door)
        except OSError:
            await self._close_doors()
            raise
        host, port = self.doors[0].socket.getsockname()[:2]
        return Address(host, port)

    async def stop(self) -> None:
        for door in self.doors:
            door.end(Closing("the server is going down; come back and resume"))
        await self._close_doors()
        if self.counts:
            log.info("udp dropped: %s", ", ".join(f"{why} {n}" for why, n in sorted(self.counts.items())))

    async def _close_doors(self) -> None:
        for door in self.doors:
            await door.close()
        self.doors.clear()


def open_socket(family: int, place: Peername) -> socket.socket:
    """Return a UDP socket that is bound there. Raises OSError when the port is taken."""
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as asyncio does it for TCP
        widen(made)
        made.bind(place)
    except OSError:
        made.close()
        raise
    return made


def widen(made: socket.socket) -> None:
    """Ask for large buffers; the kernel gives what it allows."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        with suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, option, BUFFER)


class Door(asyncio.DatagramProtocol):
    """One socket, and the peers behind it."""

    def __init__(self, server: UdpServer, made: socket.socket) -> None:
        self.hub = server.hub
        self.socket = made
        self.counts = server.counts
        self.peers: dict[Peername, Peer] = {}
        self.entering: dict[Peername, asyncio.Task[None]] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self._access = server.options.access
        self._root = root_key(self._access) if self._access else b""
        self._cookies = Cookies(os.urandom(32))
        self._spent: OrderedDict[str, None] = OrderedDict()  # nonces
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        settings = server.options.settings
        self._in: Faults[tuple[bytes, Peername]] = Faults(settings, "in", self._deliver)
        self._out: Faults[tuple[bytes, Peername]] = Faults(settings, "out", self._put)
        self._rough = self._in.any
        self._tick = self._loop.call_later(TICK, self._look)

    # --- the socket ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set_result(None)

    def send(self, datagram: bytes, address: Peername) -> None:
        """Send; what the kernel does not take now is lost, as what the network does not take."""
        if self._rough:
            self._out.send((datagram, address))
            return
        try:
            self.socket.sendto(datagram, address)
        except OSError:
            self.counts["unsent"] += 1

    def _put(self, item: tuple[bytes, Peername]) -> None:
        try:
            self.socket.sendto(*item)
        except OSError:
            self.counts["unsent"] += 1

    def end(self, reason: ChatError) -> None:
        """Tell everybody, and forget them."""
        self._tick.cancel()
        for peer in list(self.peers.values()):
            peer.close(reason)

    async def close(self) -> None:
        self._tick.cancel()
        self._in.close()
        self._out.close()
        tasks = [*self.entering.values(), *self.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.end(Closing("the server is going down; come back and resume"))
        self._transport.close()
        await self._lost

    def _look(self) -> None:
        self._tick = self._loop.call_later(TICK, self._look)
        for peer in list(self.peers.values()):
            peer.tick()

    def keep(self, work: Coroutine[Any, Any, None], done: Callable[[], None]) -> None:
        """Run what takes a while."""
        task = asyncio.create_task(work)
        self.tasks.add(task)

        def finished(task: asyncio.Task[None]) -> None:
            self.tasks.discard(task)
            done()

        task.add_done_callback(finished)

    # --- what comes ----------------------------------------------------------------------------

    def datagram_received(self, data: bytes, address: Peername) -> None:
        if self._rough:
            self._in.send((data, address))
        else:
            self._take(data, address)

    def _deliver(self, item: tuple[bytes, Peername]) -> None:
        if not self._transport.is_closing():
            self._take(*item)

    def _take(self, data: bytes, address: Peername) -> None:
        peer = self.peers.get(address)
        if peer is None:
            self._stranger(data, address)
            return
        body = data if peer.opener is None else peer.opener.open(data)
        if body is None:  # forged, a replay, or a new client with this port
            self._stranger(data, address)
            return
        try:
            request = decode_request(body)
        except BadRequest as error:
            peer.complain(error)
            return
        if isinstance(request, HelloMessage):
            self._greet(request, data, address)
        else:
            peer.take(request)

    def _stranger(self, data: bytes, address: Peername) -> None:
        """Somebody without a seat, or without its key: only a hello is heard."""
        try:
            request = decode_request(body_of(data) if self._root else data)
        except BadRequest:
            self.counts["garbage"] += 1
            return
        if isinstance(request, HelloMessage):
            self._greet(request, data, address)
        elif isinstance(request, PingMessage) and not self._root:
            self._answer(GoneMessage(), data, address)
        else:
            self.counts["strangers"] += 1

    def _answer(self, message: object, data: bytes, address: Peername) -> None:
        """Send no more than has come: the address may be a victim's, and we no amplifier."""
        answer = encode(message)
        if len(answer) <= len(data):
            self.send(answer, address)
        else:
            self.counts["too short"] += 1

    # --- coming in -----------------------------------------------------------------------------

    def _greet(self, hello: HelloMessage, data: bytes, address: Peername) -> None:
        now = self._loop.time()
        if not self._cookies.good(hello.cookie, address, now):
            cookie = self._cookies.make(address, now)
            self._answer(CookieMessage(cookie, hello.nonce, bool(self._root)), data, address)
            return
        if self._root:
            key = derive(self._root, HELLO_UP, hello.nonce, hello.cookie)
            if Opener(key).open(data) is None:
                self._deny(hello, data, address)
                return
        peer = self.peers.get(address)
        if peer is not None and peer.hello == hello:  # the welcome was lost
            peer.greet()
        elif hello.nonce and hello.nonce in self._spent:
            self.counts["replayed hellos"] += 1
        elif address not in self.entering and len(self.entering) < MAX_ENTERING:
            task = asyncio.create_task(self._enter(hello, address))
            self.entering[address] = task
            task.add_done_callback(lambda _: self.entering.pop(address, None))

    def _deny(self, hello: HelloMessage, data: bytes, address: Peername) -> None:
        """Say so without a seal: who has not the token could not open it."""
        shown = "" if body_of(data) is data else f"not {self._access}"
        try:
            self.hub.admit(shown)
        except AccessDenied as denied:
            self.send(encode(EndMessage.of(denied, hello.nonce)), address)

    def _refuse(self, hello: HelloMessage, error: ChatError, address: Peername) -> None:
        refusal = encode(EndMessage.of(error, hello.nonce))
        if self._root:
            key = derive(self._root, HELLO_DOWN, hello.nonce, hello.cookie)
            refusal = Sealer(key).seal(refusal)
        self.send(refusal, address)

    async def _enter(self, hello: HelloMessage, address: Peername) -> None:
        try:
            seat = await self.hub.take_seat(hello.hello(self._access), "udp")
        except ChatError as error:
            self._refuse(hello, error, address)
            return
        except Exception:
            log.exception("a hello failed")  # ours: its peer is told, and comes back
            self._refuse(hello, ConnectionLost("the server failed at this hello; come again"), address)
            return
        if (old := self.peers.get(address)) is not None:
            old.hang_up()
        peer = self.peers[address] = Peer(self, address, hello, seat, self._root)
        peer.greet()
        seat.attach(peer, live=True)

    def forget(self, peer: Peer) -> None:
        """This address has no seat any more."""
        if self.peers.get(peer.address) is peer:
            del self.peers[peer.address]
        if peer.hello.nonce:
            self._spent[peer.hello.nonce] = None
            if len(self._spent) > SPENT:
                self._spent.popitem(last=False)


class Peer(Sink[Datagrams]):
    """One address with its seat."""

    gap = (
        0.03  # fewer datagrams are cheaper for everybody: the kernel takes as long for a short as for a long
    )

    encode = staticmethod(pack)

    def __init__(self, door: Door, address: Peername, hello: HelloMessage, seat: Seat, root: bytes) -> None:
        self.address = address
        self.hello = hello
        self.opener: Opener | None = None
        self._door = door
        self._seat = seat
        self._start = seat.start
        self._sealer: Sealer | None = None
        self._salt = ""
        if root:
            self._salt = secrets.token_hex(8)
            self.opener = Opener(derive(root, UP, hello.nonce, self._salt))
            self._sealer = Sealer(derive(root, DOWN, hello.nonce, self._salt))
        self._silent = 0  # ticks since it was heard
        self._questions = 0  # in this tick
        self._reading = 0
        self._undecided = 0
        self._gone = False

    def greet(self) -> None:
        """Send the welcome, or send it again."""
        if not self._may_ask():
            return
        welcome = WelcomeMessage.of(self._seat.welcome, self._start, self.hello.nonce, self._salt)
        self._send(welcome)

    def tick(self) -> None:
        """A second has passed."""
        self._questions = 0
        self._silent += 1
        if self._silent > SILENCE:
            self.hang_up()

    def hang_up(self) -> None:
        """The connection has ended; the seat has its grace time."""
        self._gone = True
        self._door.forget(self)
        self._seat.detach(self)

    # --- what the hub writes -------------------------------------------------------------------

    def write(self, blob: Datagrams) -> None:
        send, address, sealer = self._door.send, self.address, self._sealer
        for datagram in blob:
            send(datagram if sealer is None else sealer.seal(datagram), address)

    def buffered(self) -> int:
        """Nothing: what the kernel does not take is lost, and who is slow loses."""
        return 0

    def close(self, reason: ChatError) -> None:
        if not self._gone:
            self._send(EndMessage.of(reason, self.hello.nonce))
            self.hang_up()

    # --- what the peer says --------------------------------------------------------------------

    def complain(self, error: BadRequest) -> None:
        """Answer what was not understood."""
        if self._may_ask():
            self._send(ErrorMessage.of(error))

    def take(self, request: Request) -> None:
        self._silent = 0
        match request:
            case PingMessage():
                self._send(PongMessage(request.ref, self._seat.head))
            case HistoryMessage() | NamesMessage():
                if self._reading < MAX_READING and self._may_ask():
                    self._reading += 1
                    work = self._history if isinstance(request, HistoryMessage) else self._names
                    self._door.keep(self._read(work, request), self._read_done)
            case MembersMessage():
                if self._may_ask():
                    members = self._seat.members()[request.skip :]
                    self._put(encode_members(request.ref, members))
            case LeaveMessage():
                self._seat.leave()
            case AwayMessage():
                self.hang_up()
            case HelloMessage():
                pass  # the door's
            case _:
                self._draft(request)

    def _may_ask(self) -> bool:
        self._questions += 1
        if self._questions > QUESTIONS:
            self._door.counts["too many questions"] += 1
            return False
        return True

    def _draft(self, draft: Draft) -> None:
        if not draft.n:
            self.complain(BadRequest("a draft needs a number, counted from 1: it may come twice"))
        elif self._undecided < MAX_UNDECIDED:
            self._undecided += 1
            self._seat.send(draft, self._decided)
        else:
            self._door.counts["too many drafts"] += 1

    def _decided(self, draft: Draft, outcome: Event | Ack | ChatError) -> None:
        """Say what no event says; an accepted draft's answer is its event."""
        self._undecided -= 1
        if isinstance(outcome, Ack):
            self._send(AckMessage.of(outcome))
        elif isinstance(outcome, ChatError):
            self._send(ErrorMessage.of(outcome))

    async def _read(self, work: Callable[[Any], Coroutine[Any, Any, bytes]], request: Any) -> None:
        try:
            self._put(await work(request))
        except ChatError as error:
            self._send(ErrorMessage.of(error, request.ref))
        except Exception:
            log.exception("a request failed")  # ours: its peer is told, and comes back
            self.close(ConnectionLost("the server failed at this request; come back and resume"))

    def _read_done(self) -> None:
        self._reading -= 1

    async def _history(self, asked: HistoryMessage) -> bytes:
        limit = max(1, min(asked.limit, PAGE_EVENTS))
        events = await self._seat.history(after=asked.after, before=asked.before, limit=limit)
        return encode_page(asked.ref, self._seat.head, events, backwards=asked.after is None)

    async def _names(self, asked: NamesMessage) -> bytes:
        events = await self._seat.history(after=asked.after, before=asked.before, limit=PAGE_NAMES)
        return encode_names(asked.ref, events, len(events) == PAGE_NAMES)

    def _send(self, message: object) -> None:
        self._put(encode(message))

    def _put(self, datagram: bytes) -> None:
        if not self._gone:
            self._door.send(datagram if self._sealer is None else self._sealer.seal(datagram), self.address)
