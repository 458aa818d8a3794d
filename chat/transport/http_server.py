"""What the techniques over HTTP share on the server's side: uvicorn on the running loop, and long polls.

uvicorn serves each connection (`chat.transport.http_connection` adds limits), a guard checks each request
(`chat.transport.request_guard`), and the technique is an ASGI application. A long poll ends with its
connection or with the server.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import uvicorn
from uvicorn.server import ServerState

from chat.domain.errors import ChatError, Closing
from chat.domain.model import Event
from chat.interfaces.address import Address
from chat.interfaces.server import ChatServer, Reader, Seat
from chat.transport.asgi import Application, Receive, Scope, Send
from chat.transport.deadlines import Deadlines
from chat.transport.http_connection import CONNECTION, REQUEST_TIMEOUT, HttpConnection
from chat.transport.http_response import Headers, respond
from chat.transport.listener import listen
from chat.transport.public_url import PROXIES, public_url, read_proxies
from chat.transport.request_guard import RequestGuard

LINGER = 1.0
"""Seconds that answers may still take when the server stops; then their connections are aborted."""
EXTRA_CONNECTIONS = 256
"""Connections beyond two for each seat."""
ANYWHERE = ("0.0.0.0", "::")
"""Addresses that stand for every interface."""

T = TypeVar("T")
Whole: TypeAlias = tuple[int, Headers, bytes]
"""A response: its status, headers and body."""

logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it warns of every malformed request


class ClientDisconnected(Exception):
    """The client has closed the connection: nobody would receive the response."""


@dataclass(frozen=True, slots=True)
class News:
    """What a long poll waits for."""

    source: Seat | Reader
    head: int
    """The newest seq that its client knows: the poll waits for what comes behind it."""
    after: int
    """The seq behind which it reads then."""
    limit: int
    """Events, at most."""
    wait: float
    """Seconds, at most."""
    form: str
    """Answers of one form are the same for the same list of events; "": it depends on more than the form."""


class WebServer(ChatServer):
    """A chat server that is an ASGI application."""

    origins: frozenset[str] = frozenset()
    """Origins whose pages may call; pages of the server's own origin always may."""

    @abstractmethod
    def application(self) -> Application:
        """Return the ASGI application; called once, by `start`."""

    @abstractmethod
    def refusal(self, status: int, error: ChatError) -> tuple[str, bytes]:
        """Return the content type and the body of an error, in the technique's own form."""

    async def start(self) -> Address:
        self.stopping = False
        self._polls: set[asyncio.Task[Any]] = set()
        self._kept: dict[str, tuple[list[Event], Whole]] = {}  # the last answer to a poll, by its form
        # A connection that has rested for too long is not closed: that would wait until the client has read.
        self.resting: Deadlines[Any] = Deadlines(lambda connection: connection.transport.abort())
        self._state = ServerState()
        self._config = uvicorn.Config(
            RequestGuard(self.application(), self),
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        self._config.load()
        self._proxies = read_proxies(PROXIES.among(self.options.settings))
        identity = self.options.identity
        self._listener = await listen(
            lambda: HttpConnection(self, self._config, self._state),
            self.address,
            ssl=identity.context if identity else None,
            ssl_handshake_timeout=REQUEST_TIMEOUT if identity else None,
        )
        address = self._listener.address
        named = socket.gethostname() if address.host in ANYWHERE else address.host
        self._own_url = f"{'https' if identity else 'http'}://{Address(named, address.port)}"
        return address

    async def stop(self) -> None:
        self.stopping = True
        self._listener.close()
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
        self.resting.stop()
        await self._listener.wait_closed()

    def asked_at(self, scope: Scope) -> str:
        """Return the scheme, the host and the port at which a client asked: see `public_url`."""
        return public_url(scope, self._own_url, self._proxies)

    @property
    def crowded(self) -> bool:
        """Whether there are more connections than the seats can need."""
        return len(self._state.connections) > 2 * self.hub.limits.seats + EXTRA_CONNECTIONS

    @property
    def _connections(self) -> list[HttpConnection]:
        return [one for one in self._state.connections if isinstance(one, HttpConnection)]

    async def answer_news(
        self, scope: Scope, send: Send, news: News, answer: Callable[[list[Event] | Exception], Whole]
    ) -> None:
        """Answer a long poll, a request whose body was read, with the events that come.

        Args:
            scope: the request's.
            send: takes the answer.
            news: what it waits for.
            answer: returns the answer for the events, or for why there are none.
        """
        source = news.source
        told: list[Event] | Exception | None = None
        try:
            if news.head >= source.head:
                held = source.hold_poll(news.head, news.wait)
                try:
                    await self.poll(scope, held)
                finally:
                    source.release_poll(held)
                told = source.recent(news.after, news.limit)
            if told is None:
                told = await source.read(news.after, news.limit, 0)
        except ClientDisconnected:
            return
        except Exception as error:
            told = error
        kept = self._kept.get(news.form)
        if kept is not None and kept[0] is told:  # a poll that was woken together with this one
            whole = kept[1]
        else:
            whole = answer(told)
            if news.form and not isinstance(told, Exception):
                self._kept[news.form] = told, whole
        await respond(send, *whole)

    async def poll(self, scope: Scope, work: Awaitable[T]) -> T:
        """Await what a long poll waits for, a request whose body was read.

        Args:
            scope: the request's.
            work: what it waits for.

        Raises:
            ClientDisconnected: the client is gone.
            Closing: the server stops.
        """
        connection: HttpConnection = scope["state"][CONNECTION]
        poll = asyncio.current_task()
        assert poll is not None
        if self.stopping or connection.lost.done():
            if asyncio.iscoroutine(work):
                work.close()
            raise self._ended(connection)
        self._polls.add(poll)
        connection.hold(poll)
        try:
            return await work
        except asyncio.CancelledError:
            if not (self.stopping or connection.lost.done()):
                raise
            poll.uncancel()
            raise self._ended(connection) from None
        finally:
            connection.release()
            self._polls.discard(poll)

    @staticmethod
    def _ended(connection: HttpConnection) -> Exception:
        """Return why a long poll is not answered with news."""
        if connection.lost.done():
            return ClientDisconnected()
        return Closing("the server is going down; reconnect and resume")


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """Return a request's body.

    Returns:
        The body; None if it is longer than ``limit`` bytes.

    Raises:
        ClientDisconnected: the client went before the body was complete.
    """
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            return None
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)
