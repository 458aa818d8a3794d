"""One HTTP response, written in one piece where the application has it whole, with its date.

uvicorn writes the head when the application begins the response, and the body when that comes; and it
searches each header twice for what may not be in it. This takes a third of the time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from email.utils import formatdate
from functools import lru_cache
from time import time
from typing import Any, TypeAlias

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

from chat.transport.asgi import Send

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
BODILESS = (204, 304)
"""Statuses whose responses have no body, and need no Content-Length."""
HEADS = 16
"""Heads of responses that are kept: many clients that poll get the same one."""


class WholeResponse:
    """The response to one request; called with what the application sends (ASGI)."""

    __slots__ = ("_begun", "_cycle", "_flow", "_send", "later")

    def __init__(self, cycle: RequestResponseCycle, flow: FlowControl, send: Send) -> None:
        """Prepare.

        Args:
            cycle: uvicorn's state of the request and its response.
            flow: of the connection.
            send: uvicorn's own way, for a response in several pieces.
        """
        self._cycle = cycle
        self._flow = flow
        self._send = send
        self._begun: Any = None
        self.later: Awaitable[None] | None = None
        """Responds when the application has returned."""

    async def __call__(self, message: Any) -> None:
        """Take a part of the response."""
        if message["type"] == "http.response.start":
            self._begun = message
            return
        begun, self._begun = self._begun, None
        if begun is None:
            await self._send(message)
            return
        headers, body = begun.get("headers", ()), message.get("body", b"")
        if message.get("more_body") or not await self.respond(begun["status"], headers, body):
            begun["headers"] = [*headers, (b"date", http_date())]
            await self._send(begun)
            await self._send(message)

    async def respond(self, status: int, headers: Headers, body: bytes) -> bool:
        """Write the whole response when it can be, or return False if uvicorn must do that."""
        if self._flow.write_paused and not self._cycle.disconnected:
            await self._flow.drain()
        return self.write(status, headers, body)

    def write(self, status: int, headers: Headers, body: bytes) -> bool:
        """Write the whole response now, or return False if that can't be."""
        cycle = self._cycle
        if cycle.disconnected:
            return True
        head = _head(status, tuple(headers), len(body), cycle.keep_alive, int(time()))
        if head is None or self._flow.write_paused:
            return False
        written, closes = head
        cycle.transport.write(written if cycle.scope["method"] == "HEAD" else written + body)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if closes:
            cycle.keep_alive = False
            cycle.transport.close()
        cycle.on_response()
        return True


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole response: in one step, unless somebody in between looks at its parts."""
    if isinstance(send, WholeResponse) and (
        send.write(status, headers, body) or await send.respond(status, headers, body)
    ):
        return
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def respond_later(send: Send, work: Awaitable[None]) -> None:
    """Let a response come when its ``work`` is done.

    What the application has of the request need not be kept until then, unless somebody in between looks at
    the parts of the response.
    """
    if isinstance(send, WholeResponse):
        send.later = work
    else:
        await work


@lru_cache(HEADS)
def _head(
    status: int, headers: tuple[tuple[bytes, bytes], ...], size: int, keep_alive: bool, second: int
) -> tuple[bytes, bool] | None:
    """Return the status line and the headers of a response, and whether it closes the connection.

    Args:
        status: of the response.
        headers: by their names in lower case; the date comes behind them.
        size: of the body.
        keep_alive: the connection is for more requests, as far as its client and the server say.
        second: the time, in seconds since the Unix epoch.

    Returns:
        None if it is not a response that is written here.
    """
    named = dict(headers)
    length = named.get(b"content-length")
    if (size or status not in BODILESS) if length is None else length != b"%d" % size:
        return None
    if HEADER_VALUE_RE.search(b"".join(named.values())):
        return None
    closes = b"close" in named.get(b"connection", b"").lower()
    more = () if closes or keep_alive else ((b"connection", b"close"),)
    lines = [b"%b: %b\r\n" % header for header in (*headers, (b"date", _date_of(second)), *more)]
    return b"".join((STATUS_LINE[status], *lines, b"\r\n")), closes or not keep_alive


def http_date() -> bytes:
    """Return this time as the Date header has it (RFC 9110, 6.6.1)."""
    return _date_of(int(time()))


@lru_cache(1)
def _date_of(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
