"""The UDP server: one socket for everybody, no connection, no task a peer.

A peer is an address that has proven itself and taken a seat. What the hub writes goes out as the same bytes
to all of them; what a network loses is theirs to notice.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, cast

from msgspec import structs

from backends.udp.codec import (
    LONGEST,
    SEAL,
    CookieMessage,
    EndMessage,
    GoneMessage,
    HelloMessage,
    decode_request,
)
from backends.udp.cookie import Cookies
from backends.udp.faults import Faults
from backends.udp.peer import SILENCE, Peer, Peername
from backends.udp.seal import HELLO_DOWN, HELLO_UP, Opener, Sealer, body_of, derive, root_key
from backends.udp.sockets import widen
from chat.domain.errors import AccessDenied, BadRequest, ChatError, Closing, ConnectionLost, NickTaken
from chat.domain.json_codec import LeaveMessage, PingMessage, encode
from chat.interfaces.address import Address
from chat.interfaces.server import ChatServer

TICK = 1.0
"""Seconds between two looks at who is silent."""
MAX_ENTERING = 256
"""Hellos with a good cookie that wait for their seat; more are dropped, and come again."""
SPENT = 4096
"""Hellos that were served and whose connection has ended: coming again, they are replays."""
TEXT_BYTES = (LONGEST - SEAL - 2000) // 2
"""Bytes of the longest text: as JSON it may double, and an event has other fields."""
PORTS = 16
"""Free ports that are tried until one is free in every family of the host."""

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


def same(one: HelloMessage, other: HelloMessage) -> bool:
    """Whether a hello was said again; the cookie may be a newer one."""
    return structs.replace(one, cookie="", pad="") == structs.replace(other, cookie="", pad="")


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
        elif isinstance(request, PingMessage | LeaveMessage) and not self._root:
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
        if peer is not None and same(peer.hello, hello):  # the welcome was lost
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
            if isinstance(error, NickTaken) and error.retry_after is None and self._unheard(hello):
                error = NickTaken(
                    f"{hello.nick} is taken by a connection that has not spoken yet: come again, or choose "
                    "another name",
                    retry_after=SILENCE,
                )
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

    def _unheard(self, hello: HelloMessage) -> bool:
        """Whether the nick's owner may be the same person, whom no welcome has reached."""
        wanted = (hello.room, hello.nick)
        return any(
            not peer.heard and (peer.hello.room, peer.hello.nick) == wanted for peer in self.peers.values()
        )

    def forget(self, peer: Peer) -> None:
        """This address has no seat any more."""
        if self.peers.get(peer.address) is peer:
            del self.peers[peer.address]
        if peer.hello.nonce:
            self._spent[peer.hello.nonce] = None
            if len(self._spent) > SPENT:
                self._spent.popitem(last=False)
