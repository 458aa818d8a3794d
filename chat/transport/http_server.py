"""What the techniques over HTTP share on the server's side: uvicorn on the running loop, and its doorman.

uvicorn parses HTTP and holds the connections; here stand the limits that it has not, the check that no web
page calls in its reader's name, and long polls that end with the connection or the server.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from email.utils import formatdate
from functools import lru_cache
from ipaddress import ip_address
from time import time
from typing import Any, TypeAlias, TypeVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from chat.domain.errors import BadRequest, ChatError, Closing, Full
from chat.interfaces.address import Address
from chat.interfaces.server import ChatServer
from chat.transport.stream import keep_alive

Scope: TypeAlias = Any
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application (asgi.readthedocs.io, specification 2.3)."""

REQUEST_TIMEOUT = 10.0
"""Seconds for a whole request, and from the connection to the first one."""
KEEP_ALIVE = 75.0
"""Seconds that a connection may rest between two requests: more than between two polls."""
ANSWER_TIMEOUT = 30.0
"""Seconds in which a peer must take some of an answer that waits for it."""
MAX_HEAD = 16 * 1024
"""Bytes of a request's line and headers."""
MAX_AHEAD = 64
"""Requests that a peer may send before the one before them is answered."""
LINGER = 1.0
"""Seconds that an answer may still take when the server stops, and a peer to read why it is hung up on."""
EXTRA = 256
"""Connections beyond two for each seat."""

CROWDED = "crowded"
"""In a request's state (ASGI): its connection is one too many."""

T = TypeVar("T")

logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it warns of every malformed request


class HungUp(Exception):
    """The peer has closed the connection: there is nobody to answer."""


class WebServer(ChatServer):
    """A chat server that is an ASGI application."""

    origins: frozenset[str] = frozenset()
    """Origins whose pages may call; pages of the server's own origin always may."""

    @abstractmethod
    def application(self) -> Application:
        """Return what answers; called once, by `start`."""

    @abstractmethod
    def refusal(self, status: int, error: ChatError) -> tuple[str, bytes]:
        """Return the content type and the body that tell of an error in the technique's own form."""

    async def start(self) -> Address:
        loop = asyncio.get_running_loop()
        self.stopping = False
        self._polls: set[asyncio.Future[Any]] = set()
        self._state = ServerState()
        self._config = uvicorn.Config(
            Doorman(self.application(), self),
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(KEEP_ALIVE),
        )
        self._config.load()
        identity = self.options.identity
        self._server = await loop.create_server(
            lambda: Connection(self, self._config, self._state),
            self.address.host,
            self.address.port,
            backlog=1024,
            ssl=identity.context if identity else None,
            ssl_handshake_timeout=REQUEST_TIMEOUT if identity else None,
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(host, port)

    async def stop(self) -> None:
        self.stopping = True
        self._server.close()
        for poll in self._polls:
            poll.cancel()
        for connection in self._connections:
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(set(self._state.tasks), timeout=LINGER)
        if lost := [connection.lost for connection in self._connections]:
            await asyncio.wait(lost, timeout=LINGER)
            for connection in self._connections:
                connection.transport.abort()
            await asyncio.gather(*lost)
        late = set(self._state.tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def crowded(self) -> bool:
        """Whether there are more connections than the seats can need."""
        return len(self._state.connections) > 2 * self.hub.limits.seats + EXTRA

    @property
    def _connections(self) -> list[Connection]:
        return [one for one in self._state.connections if isinstance(one, Connection)]

    async def poll(self, receive: Receive, work: Coroutine[Any, Any, T]) -> T:
        """Await a long poll of a request whose body was read.

        Raises `HungUp` when its peer is gone, `Closing` when the server stops.
        """
        poll = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(receive())
        self._polls.add(poll)
        if self.stopping:
            poll.cancel()
        try:
            await asyncio.wait((poll, gone), return_when=asyncio.FIRST_COMPLETED)
            if poll.cancelled() or (self.stopping and not poll.done()):
                raise Closing("the server is going down; come back and resume")
            if not poll.done():
                raise HungUp
            return poll.result()
        finally:
            self._polls.discard(poll)
            for task in (poll, gone):
                task.cancel()
            await asyncio.gather(poll, gone, return_exceptions=True)


class Connection(HttpToolsProtocol):
    """One peer. uvicorn waits for a request for ever, and for any number of headers: here are the limits.

    What is no HTTP is answered in the technique's form, after what came before it; then nothing more is read.
    """

    def __init__(self, web: WebServer, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config, state, {})
        self._web = web
        self._answering: RequestResponseCycle | None = None
        """The request whose turn it is; later ones wait behind it."""
        self._reading = False
        """A request has begun and not ended."""
        self._head = 0
        """Bytes of the head that is being read; of the trailers, when the body is."""
        self._in_body = False
        self._shared = False
        """What is being read began with the end of another request."""
        self._deaf = False
        """Nothing more is read."""
        self._deadline: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[None] = self.loop.create_future()

    # --- the connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        if self._web.stopping:
            transport.abort()
            return
        if (connection := transport.get_extra_info("socket")) is not None:
            keep_alive(connection)
        self.app_state[CROWDED] = self._web.crowded  # who was here before is not sent away
        self._expect(REQUEST_TIMEOUT)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(0)
        self.resume_writing()
        running = self._answering
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        self.lost.set_result(None)

    def shutdown(self) -> None:
        """Answer what is being answered, and close."""
        self.pipeline.clear()
        running = self._answering
        if running is None or running.response_complete:
            self.transport.close()
        else:
            running.keep_alive = False
            self._deaf = not running.more_body

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = self.loop.call_later(ANSWER_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        self.transport.abort()  # what its peer has not taken by now it never will

    def _expect(self, seconds: float) -> None:
        """Give the peer so many seconds for what is expected of it now; 0: nothing is."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._late) if seconds else None

    def _late(self) -> None:
        if self._reading and not self._deaf:
            self.refuse(408, BadRequest(f"the request was not whole after {REQUEST_TIMEOUT:.0f} s"))
        else:
            self.transport.abort()

    # --- what the peer says --------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._deadline is None and self._idle:
            self._expect(REQUEST_TIMEOUT)  # even if these are only empty lines
        self._shared = False
        super().data_received(data)
        if self._reading and not self._in_body and not self._shared:
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._too_large()

    @property
    def _idle(self) -> bool:
        running = self._answering
        return not self._reading and (running is None or running.response_complete)

    def on_message_begin(self) -> None:
        if self._deaf:
            return
        super().on_message_begin()
        self._reading, self._in_body, self._head = True, False, 0
        self._expect(REQUEST_TIMEOUT)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._deaf:
            return
        if not self._in_body:
            super().on_header(name, value)
            return
        self._head += len(name) + len(value)  # trailers may be left out (RFC 9110, 6.5.1)
        if self._head > MAX_HEAD:
            self._too_large()

    def on_headers_complete(self) -> None:
        if self._deaf:
            return
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD:
            self._too_large()
            return
        if len(self.pipeline) >= MAX_AHEAD:
            self.refuse(429, BadRequest(f"{MAX_AHEAD} requests wait already: wait for the answers"))
            return
        super().on_headers_complete()
        self._in_body, self._head = True, 0
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False  # nothing but HTTP/1.1 is spoken here, and the parser stops

    def on_body(self, body: bytes) -> None:
        if not self._deaf:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._deaf:
            return
        self._reading = self._in_body = False
        self._shared = True
        self._expect(0)
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    # --- what is no request --------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        self.refuse(400, BadRequest("this is no HTTP/1.1 request"))

    def _too_large(self) -> None:
        self.refuse(431, BadRequest(f"the request's line and headers may have {MAX_HEAD} bytes: send less"))

    def refuse(self, status: int, error: ChatError) -> None:
        """Answer, hang up when the peer has read it, and read nothing more."""
        if self._deaf:
            return
        self._deaf = True
        self._expect(0)
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        running = self._answering
        if running is not None and not running.response_complete:
            if not running.more_body:
                running.keep_alive = False  # it is answered, and the rest is not
                return
            running.disconnected = True  # it is the request that is wrong
            running.message_event.set()
            if running.response_started:
                self.transport.abort()
                return
        kind, body = self._web.refusal(status, error)
        head = (
            f"content-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
            f"date: {_date(int(time())).decode()}\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._expect(LINGER)  # closed at once, with something unread, it would lose the answer
        else:
            self.transport.close()


class Doorman:
    """Lets through what may come in, and puts the date on what goes out (RFC 9110, 6.6.1).

    A browser sends a page's calls with the host's name as the page wrote it, and with the page's origin. So a
    public name that is not this server's belongs to a page whose name was made to lead here (DNS rebinding),
    and a strange origin is a page that calls in its reader's name.
    """

    def __init__(self, app: Application, web: WebServer) -> None:
        self._app = app
        self._web = web
        self._names = {web.address.host.lower(), socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"date", _date(int(time())))]
            await send(message)

        if (trouble := self._trouble(scope)) is None:
            try:
                await self._app(scope, receive, dated)
            except asyncio.CancelledError:
                if not self._web.stopping:
                    raise  # else uvicorn would log it as a failure, when the peer is gone already
            return
        status, error = trouble
        kind, body = self._web.refusal(status, error)
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        if status in (400, 503):
            headers.append((b"connection", b"close"))
        await dated({"type": "http.response.start", "status": status, "headers": headers})
        await dated({"type": "http.response.body", "body": body})

    def _trouble(self, scope: Scope) -> tuple[int, ChatError] | None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 and not (not hosts and scope["http_version"] == "1.0"):
            return 400, BadRequest("a request needs one Host header")
        host = hosts[0].decode("latin-1").lower() if hosts else ""
        if hosts and not _is_local(host) and _without_port(host) not in self._names:
            return 421, BadRequest(
                f"this server is not {_without_port(host)}: call it by its address, or start it with --host"
            )
        for name, value in scope["headers"]:
            if name == b"origin":
                said = value.decode("latin-1").lower()
                if said != f"{scope['scheme']}://{host}" and said not in self._web.origins:
                    return 403, BadRequest(f"pages of {said} may not call here")
        if scope["state"][CROWDED]:
            return 503, Full("too many connections: come back later")
        return None


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """Return a request's body; None when it is longer, or longer than was said. Raises `HungUp`."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUp
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            return None
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


@lru_cache(1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def _without_port(host: str) -> str:
    return host if host.endswith("]") else host.rpartition(":")[0] if ":" in host else host


@lru_cache(256)
def _is_local(host: str) -> bool:
    """Whether it is an address, or a name that nobody can register: without a dot, or in ``.local``."""
    name = _without_port(host).rstrip(".")
    if "." not in name or name.endswith(".local"):
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
