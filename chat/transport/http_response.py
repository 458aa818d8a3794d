"""One HTTP response, written in one piece where the application has it whole, with its date.

uvicorn writes the head when the application begins the response, and the body when that comes; and it
searches each header twice for what may not be in it. This takes a third of the time.
"""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from time import time
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

from chat.transport.asgi import Send

BODILESS = (204, 304)
"""Statuses whose responses have no body, and need no Content-Length."""
HEADS = 16
"""Heads of responses that are kept: many clients that poll get the same one."""


class WholeResponse:
    """The response to one request."""

    __slots__ = ("_begun", "_cycle", "_flow", "_is_head", "_send")

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
        self._is_head = cycle.scope["method"] == "HEAD"
        self._begun: Any = None

    async def send(self, message: Any) -> None:
        """Take what the application sends (ASGI)."""
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"date", http_date())]
            self._begun = message
            return
        begun, self._begun = self._begun, None
        if begun is None:
            await self._send(message)
            return
        body = message.get("body", b"")
        cycle = self._cycle
        head = None
        if not message.get("more_body"):
            head = _head(begun["status"], tuple(begun["headers"]), len(body), cycle.keep_alive)
        if head is None:
            await self._send(begun)
            await self._send(message)
            return
        if self._flow.write_paused and not cycle.disconnected:
            await self._flow.drain()
        if cycle.disconnected:
            return
        written, closes = head
        cycle.transport.write(written if self._is_head else written + body)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if closes:
            cycle.keep_alive = False
            cycle.transport.close()
        cycle.on_response()


@lru_cache(HEADS)
def _head(
    status: int, headers: tuple[tuple[bytes, bytes], ...], size: int, keep_alive: bool
) -> tuple[bytes, bool] | None:
    """Return the status line and the headers of a response, and whether it closes the connection.

    Args:
        status: of the response.
        headers: by their names in lower case.
        size: of the body.
        keep_alive: the connection is for more requests, as far as its client and the server say.

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
    lines = [b"%b: %b\r\n" % header for header in (*headers, *more)]
    return b"".join((STATUS_LINE[status], *lines, b"\r\n")), closes or not keep_alive


def http_date() -> bytes:
    """Return this time as the Date header has it (RFC 9110, 6.6.1)."""
    return _date_of(int(time()))


@lru_cache(1)
def _date_of(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
