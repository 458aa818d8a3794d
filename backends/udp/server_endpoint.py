"""One address that the UDP server listens on: the handshakes, and the connections of its clients."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import Counter, OrderedDict

from msgspec import structs

from backends.udp.codec import CookieMessage, EndMessage, GoneMessage, HelloMessage, decode_request
from backends.udp.message_auth import (
    HELLO_DOWN,
    HELLO_UP,
    Authenticator,
    Verifier,
    derive,
    has_trailer,
    root_key,
    unverified_body,
)
from backends.udp.server_connection import SILENCE_TIMEOUT, ServerConnection
from backends.udp.server_socket import Peername, ServerSocket
from chat.domain.errors import AccessDenied, BadRequest, ChatError, Closing, ConnectionLost, NickTaken
from chat.domain.json_codec import LeaveMessage, PingMessage, encode
from chat.interfaces.server import HubPort, ServerOptions
from chat.transport.cookie import Cookies

TICK = 1.0
"""Seconds between two checks which clients are silent."""
MAX_HANDSHAKES = 256
"""Hellos with a valid cookie that wait for their seat; more are dropped, and the clients repeat them."""
REMEMBERED_NONCES = 4096
"""Nonces of connections that have ended; a hello with one of them is a replay."""

log = logging.getLogger(__name__)


class ServerEndpoint:
    """What happens on one `ServerSocket`: gives seats to clients, and passes on their requests."""

    def __init__(
        self, hub: HubPort, options: ServerOptions, udp: socket.socket, counts: Counter[str]
    ) -> None:
        """Begin to check for silent clients.

        Args:
            hub: gives the seats.
            options: the access token and the settings of `LossSimulation`.
            udp: from `bind_socket`.
            counts: what was dropped, and why.
        """
        self.udp = ServerSocket(udp, options.settings, counts, self._receive)
        self.connections: dict[Peername, ServerConnection] = {}
        self.handshakes: dict[Peername, asyncio.Task[None]] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        """Of connections that read the log."""
        self.counts = counts
        self._hub = hub
        self._access = options.access
        self._root = root_key(self._access) if self._access else b""
        self._cookies = Cookies(os.urandom(32))
        self._used_nonces: OrderedDict[str, None] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(TICK, self._tick)

    def renew(self, access: str) -> None:
        """Take another access token; clients that have a seat go on with the keys that they have."""
        self._access = access
        self._root = root_key(access) if access else b""

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK, self._tick)
        for connection in list(self.connections.values()):
            connection.tick()

    def end(self, reason: ChatError) -> None:
        """Tell every client that the connection ends, and why."""
        self._timer.cancel()
        for connection in list(self.connections.values()):
            connection.close(reason)

    async def close(self) -> None:
        """End every connection, wait for all tasks, close the socket."""
        self._timer.cancel()
        self.udp.stop_simulation()
        tasks = [*self.handshakes.values(), *self.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.end(Closing("the server is going down; reconnect and resume"))
        await self.udp.close()

    # --- receiving -----------------------------------------------------------------------------

    def _receive(self, data: bytes, address: Peername) -> None:
        connection = self.connections.get(address)
        if connection is None:
            self._handle_unknown(data, address)
            return
        body = data if connection.verifier is None else connection.verifier.verify(data)
        if body is None:  # forged, a replay, or a new client with the same address
            self._handle_unknown(data, address)
            return
        try:
            request = decode_request(body)
        except BadRequest as error:
            connection.reject(error)
            return
        if isinstance(request, HelloMessage):
            self._handle_hello(request, data, address)
        else:
            connection.handle(request)

    def _handle_unknown(self, data: bytes, address: Peername) -> None:
        """Process a datagram that belongs to no connection: only a hello can be one of a new client."""
        try:
            request = decode_request(unverified_body(data) if self._root else data)
        except BadRequest:
            self.counts["malformed"] += 1
            return
        if isinstance(request, HelloMessage):
            self._handle_hello(request, data, address)
        elif isinstance(request, PingMessage | LeaveMessage) and not self._root:
            self._reply_if_shorter(GoneMessage(), data, address)
        else:
            self.counts["no connection"] += 1

    def _reply_if_shorter(self, message: object, data: bytes, address: Peername) -> None:
        """Reply if that takes no more bytes than came.

        The source address may be forged. Longer replies would let an attacker use this server to amplify what
        he sends to a victim.
        """
        reply = encode(message)
        if len(reply) <= len(data):
            self.udp.send(reply, address)
        else:
            self.counts["too short"] += 1

    # --- the handshake -------------------------------------------------------------------------

    def _handle_hello(self, hello: HelloMessage, data: bytes, address: Peername) -> None:
        now = self._loop.time()
        if not self._cookies.is_valid(hello.cookie, address, now):
            cookie = self._cookies.make(address, now)
            self._reply_if_shorter(CookieMessage(cookie, hello.nonce, bool(self._root)), data, address)
            return
        if self._root:
            try:
                self._hub.may_guess(address[0])
            except AccessDenied as denied:
                self.udp.send(encode(EndMessage.of(denied, hello.nonce)), address)
                return
            key = derive(self._root, HELLO_UP, hello.nonce, hello.cookie)
            if Verifier(key).verify(data) is None:
                self._deny(hello, data, address)
                return
        connection = self.connections.get(address)
        if connection is not None and is_repeated(hello, connection.hello):  # the welcome was lost
            connection.send_welcome()
        elif hello.nonce and hello.nonce in self._used_nonces:
            self.counts["replayed hellos"] += 1
        elif address not in self.handshakes and len(self.handshakes) < MAX_HANDSHAKES:
            self.handshakes[address] = asyncio.create_task(self._shake_hands(hello, address))

    def _deny(self, hello: HelloMessage, data: bytes, address: Peername) -> None:
        """Refuse a client that has not proven the token. It could not verify a MAC, so there is none."""
        shown = f"not {self._access}" if has_trailer(data) else ""
        try:
            self._hub.admit(shown, address[0])
        except AccessDenied as denied:
            self.udp.send(encode(EndMessage.of(denied, hello.nonce)), address)

    def _refuse(self, hello: HelloMessage, error: ChatError, address: Peername) -> None:
        refusal = encode(EndMessage.of(error, hello.nonce))
        if self._root:
            key = derive(self._root, HELLO_DOWN, hello.nonce, hello.cookie)
            refusal = Authenticator(key).protect(refusal)
        self.udp.send(refusal, address)

    async def _shake_hands(self, hello: HelloMessage, address: Peername) -> None:
        try:
            await self._take_seat(hello, address)
        finally:
            self.handshakes.pop(address, None)

    async def _take_seat(self, hello: HelloMessage, address: Peername) -> None:
        try:
            seat = await self._hub.take_seat(hello.hello(self._access), "udp", address[0])
        except ChatError as error:
            if isinstance(error, NickTaken) and error.retry_after is None and self._is_unconfirmed(hello):
                error = NickTaken(
                    f"{hello.nick} is taken by a connection that has sent nothing yet: try again in "
                    f"{SILENCE_TIMEOUT} s, or choose another name",
                    retry_after=SILENCE_TIMEOUT,
                )
            self._refuse(hello, error, address)
            return
        except Exception:
            log.exception("a hello failed")  # a bug of ours: the client tries again
            self._refuse(hello, ConnectionLost("the server failed to handle this hello: try again"), address)
            return
        if (old := self.connections.get(address)) is not None:
            old.end()
        connection = ServerConnection(self.udp, address, hello, seat, self._root, self.tasks, self._forget)
        self.connections[address] = connection
        connection.send_welcome()
        seat.attach(connection, live=True)

    def _is_unconfirmed(self, hello: HelloMessage) -> bool:
        """Return whether the nick's owner may be the same client, which has not got its welcome."""
        wanted = (hello.room, hello.nick)
        return any(
            not connection.confirmed and (connection.hello.room, connection.hello.nick) == wanted
            for connection in self.connections.values()
        )

    def _forget(self, connection: ServerConnection) -> None:
        if self.connections.get(connection.address) is connection:
            del self.connections[connection.address]
        if connection.hello.nonce:
            self._used_nonces[connection.hello.nonce] = None
            if len(self._used_nonces) > REMEMBERED_NONCES:
                self._used_nonces.popitem(last=False)


def is_repeated(hello: HelloMessage, earlier: HelloMessage) -> bool:
    """Return whether a hello is the earlier one, sent again; the cookie may be a newer one."""
    return structs.replace(hello, cookie="", pad="") == structs.replace(earlier, cookie="", pad="")
