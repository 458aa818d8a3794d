"""A client's connection over a byte stream: connecting, replies, events, and why it ended."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from chat.domain.errors import BadRequest, ChatError, ConnectionLost
from chat.interfaces.address import Address
from chat.interfaces.tls import Trust
from chat.transport.errors import (
    closed_without_a_word,
    connection_broke,
    connection_refused,
    handshake_failed,
    not_our_words,
    silent,
)
from chat.transport.inbox import Inbox
from chat.transport.pending_replies import PendingReplies

CONNECT_TIMEOUT = 5.0
"""Seconds for the connection and the TLS handshake."""
WELCOME_TIMEOUT = 10.0
"""Seconds from the connection to the welcome."""
GOODBYE_TIMEOUT = 1.0
"""Seconds that a server has to confirm a leave."""

C = TypeVar("C", bound="StreamClientConnection")
T = TypeVar("T")


class StreamClientConnection(asyncio.Protocol, ABC):
    """The client's end of one connection."""

    transport: asyncio.Transport
    inbox: Inbox

    def __init__(self, address: Address, technique: str) -> None:
        self._address = address
        self._technique = technique
        self._heard = False  # at least one whole message has come
        self.replies = PendingReplies()
        self.reason: ChatError | None = None
        """Why the connection ends: the server's last words, or what broke it."""
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the connection is closed."""

    # --- what a technique adds -----------------------------------------------------------------

    @abstractmethod
    def receive(self, data: bytes) -> bool:
        """Take what has come; return whether there was a whole message. Raises `BadRequest`."""

    @abstractmethod
    async def leave(self) -> None:
        """Ask for the end of the seat, if there is one, and wait until the server has confirmed it."""

    # --- the connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.inbox = Inbox(self.transport.pause_reading, self.transport.resume_reading)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.reason is None:
            self.reason = ConnectionLost(
                connection_broke(exc) if self._heard or exc else closed_without_a_word(self._address)
            )
        self.lost.set_result(None)
        self.inbox.end(self.reason)
        self.replies.fail(self.reason)

    def data_received(self, data: bytes) -> None:
        try:
            self._heard = self.receive(data) or self._heard
        except BadRequest as error:
            self.reason = ConnectionLost(not_our_words(self._address, self._technique, error))
            self.transport.abort()

    def check(self) -> None:
        """Raise `ConnectionLost` if nothing can be asked any more."""
        if self.lost.done():
            raise ConnectionLost(str(self.reason))

    async def close(self, leave: bool) -> None:
        """Close the connection, and with ``leave`` end the seat before."""
        self.inbox.close()
        if not self.lost.done():
            if leave:
                leaving = asyncio.ensure_future(self.leave())
                await asyncio.wait([leaving], timeout=GOODBYE_TIMEOUT)
                leaving.cancel()
                await asyncio.gather(leaving, return_exceptions=True)
            self.transport.abort()
            await self.lost


async def open_connection(make: Callable[[], C], address: Address, trust: Trust | None) -> C:
    """Connect, with TLS if there is a ``trust``. Raises `ConnectionLost` with a text for the user."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            _, connection = await asyncio.get_running_loop().create_connection(
                make, address.host, address.port, ssl=trust.context if trust else None
            )
            return connection
    except ssl.SSLError as error:
        raise ConnectionLost(handshake_failed(str(address), error)) from None
    except OSError as error:  # a TimeoutError is one
        if trust and isinstance(error, ConnectionResetError):  # by a server that takes TLS for nonsense
            raise ConnectionLost(handshake_failed(str(address), error)) from None
        raise ConnectionLost(connection_refused(address, error)) from None


async def welcomed(welcome: Awaitable[T], address: Address) -> T:
    """Wait for the welcome. Raises `ConnectionLost` if none comes in `WELCOME_TIMEOUT`."""
    try:
        async with asyncio.timeout(WELCOME_TIMEOUT):
            return await welcome
    except TimeoutError:
        raise ConnectionLost(silent(address)) from None
