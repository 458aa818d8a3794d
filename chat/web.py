"""What the techniques over HTTP share on the server's side: uvicorn on the running loop, and its doorman.

uvicorn parses HTTP and holds the connections; here stand the limits that it has not, the check that no web
page calls in its reader's name, and long polls that end with the connection or the server.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from email.utils import formatdate
from functools import lru_cache
from ipaddress import ip_address
from time import time
from typing import Any, TypeAlias, TypeVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from chat.model import BadRequest, ChatError, Closing
from chat.ports import Address, ChatServer

Scope: TypeAlias = Any
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application (asgi.readthedocs.io, specification 2.3)."""
Refusal: TypeAlias = Callable[[int, ChatError], tuple[str, bytes]]
"""Makes of a status and its reason a content type and a body, in the technique's own form."""

REQUEST_TIMEOUT = 10.0
"""Seconds for a whole request, and from the connection to the first one."""
KEEP_ALIVE = 75.0
"""Seconds that a connection may rest between two requests: more than between two polls."""
MAX_HEAD = 16 * 1024
"""Bytes of a request's line and headers."""
LINGER = 1.0
"""Seconds that an answer may still take when the server stops."""
EXTRA = 256
"""Connections beyond two for each seat."""

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
        self._polls: set[asyncio.Future[Any]] = set()
        self._stopping = False
        self._state = ServerState()
        config = uvicorn.Config(
            Doorman(self.application(), self.address.host, self.origins, self.refusal),
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(KEEP_ALIVE),
            limit_concurrency=2 * self.hub.limits.seats + EXTRA,
        )
        config.load()
        identity = self.options.identity
        self._server = await loop.create_server(
            lambda: Connection(config, self._state, {}),
            self.address.host,
            self.address.port,
            backlog=1024,
            ssl=identity.context if identity else None,
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(host, port)

    async def stop(self) -> None:
        self._stopping = True
        self._server.close()
        for poll in self._polls:
            poll.cancel()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            _, late = await asyncio.wait(set(self._state.tasks), timeout=LINGER)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        lost = [one.lost for one in self._state.connections if isinstance(one, Connection)]
        if lost:
            _, open_ = await asyncio.wait(lost, timeout=LINGER)
            for one in list(self._state.connections) if open_ else ():
                one.transport.abort()
            await asyncio.gather(*lost)
        await self._server.wait_closed()

    async def poll(self, receive: Receive, work: Coroutine[Any, Any, T]) -> T:
        """Await a long poll of a request whose body was read.

        Raises `HungUp` when its peer is gone, `Closing` when the server stops.
        """
        poll = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(receive())
        self._polls.add(poll)
        try:
            await asyncio.wait((poll, gone), return_when=asyncio.FIRST_COMPLETED)
            if poll.cancelled() or (self._stopping and not poll.done()):
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
    """One peer. uvicorn waits for a request for ever, and for any number of headers: here are the limits."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self.lost: asyncio.Future[None] = self.loop.create_future()
        self._head = 0
        self._deadline = self.loop.call_later(REQUEST_TIMEOUT, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        super().connection_lost(exc)
        self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._head += len(data)
        super().data_received(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 431 \r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._deadline.cancel()
        self._deadline = self.loop.call_later(REQUEST_TIMEOUT, self.transport.abort)

    def on_headers_complete(self) -> None:
        self._head = -(2**63)  # what comes now is the body, for which the application has its limit
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head = 0
        self._deadline.cancel()
        super().on_message_complete()


class Doorman:
    """Lets through what may come in, and puts the date on what goes out (RFC 9110, 6.6.1).

    A browser sends a page's calls with the host's name as the page wrote it, and with the page's origin. So a
    public name that is not this server's belongs to a page whose name was made to lead here (DNS rebinding),
    and a strange origin is a page that calls in its reader's name.
    """

    def __init__(self, app: Application, host: str, origins: Iterable[str], refusal: Refusal) -> None:
        self._app = app
        self._names = {host.lower(), socket.gethostname().lower()}
        self._origins = frozenset(origins)
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"date", _date(int(time())))]
            await send(message)

        if (trouble := self._trouble(scope)) is None:
            await self._app(scope, receive, dated)
            return
        status, error = trouble
        kind, body = self._refusal(status, error)
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        if status != 403:
            headers.append((b"connection", b"close"))
        await dated({"type": "http.response.start", "status": status, "headers": headers})
        await dated({"type": "http.response.body", "body": body})

    def _trouble(self, scope: Scope) -> tuple[int, ChatError] | None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        if len(hosts) != 1 and not (not hosts and scope["http_version"] == "1.0"):
            return 400, BadRequest("a request needs one Host header")
        host = hosts[0].decode("latin-1").lower() if hosts else ""
        if hosts and not _is_local(host) and _without_port(host) not in self._names:
            return 421, BadRequest(
                f"this server is not {_without_port(host)}: call it by its address, or start it with --host"
            )
        if origin is not None:
            said = origin.decode("latin-1").lower()
            if said != f"{scope['scheme']}://{host}" and said not in self._origins:
                return 403, BadRequest(f"pages of {said} may not call here")
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
