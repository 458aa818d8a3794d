"""A response that is written in one piece is the one that uvicorn writes in two."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

import chat.transport.http_response
from chat.transport.asgi import Send
from chat.transport.http_response import WholeResponse, respond

DATE = b"Thu, 01 Jan 1970 00:00:00 GMT"
SIZED = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
CLOSING = [*SIZED, (b"connection", b"close")]
START = "http.response.start"
BODY = "http.response.body"


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True


class Exchange:
    """One request, and its response as far as it was written."""

    def __init__(self, method: str, *, keep_alive: bool) -> None:
        self.transport = Transport()
        self.completed = 0
        transport = cast("asyncio.Transport", self.transport)
        self.flow = FlowControl(transport)
        self.cycle = RequestResponseCycle(
            scope=cast("Any", {"method": method}),
            transport=transport,
            flow=self.flow,
            logger=logging.getLogger(),
            access_logger=logging.getLogger(),
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=self._complete,
        )

    def _complete(self) -> None:
        self.completed += 1

    @property
    def state(self) -> tuple[object, ...]:
        cycle = self.cycle
        return (
            b"".join(self.transport.written),
            self.transport.closed,
            self.completed,
            cycle.response_started,
            cycle.response_complete,
            cycle.keep_alive,
            cycle.message_event.is_set(),
        )


@pytest.fixture(autouse=True)
def the_time_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.transport.http_response, "time", lambda: 0.0)


def whole(exchange: Exchange) -> WholeResponse:
    return WholeResponse(exchange.cycle, exchange.flow, exchange.cycle.send)


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept alive", "closed"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("status", "headers", "pieces", "writes"),
    [
        (200, SIZED, [b"hello"], 1),
        (500, CLOSING, [b"hello"], 1),
        (304, [(b"etag", b'"a"')], [b""], 1),
        (204, [], [b""], 1),
        (200, [(b"content-type", b"text/plain")], [b"hello"], 2),
        (200, SIZED, [b"he", b"llo"], 3),
    ],
    ids=["with a body", "that closes", "unmodified", "empty", "of unknown length", "in pieces"],
)
async def test_the_bytes_and_the_state_are_those_of_uvicorn(
    keep_alive: bool,
    method: str,
    status: int,
    headers: list[tuple[bytes, bytes]],
    pieces: list[bytes],
    writes: int,
) -> None:
    ours, theirs = (Exchange(method, keep_alive=keep_alive) for _ in range(2))
    mine = whole(ours)
    uvicorn_sends = cast("Send", theirs.cycle.send)
    await mine({"type": START, "status": status, "headers": list(headers)})
    await uvicorn_sends({"type": START, "status": status, "headers": [*headers, (b"date", DATE)]})
    for number, piece in enumerate(pieces, 1):
        more = number < len(pieces)
        await mine({"type": BODY, "body": piece, "more_body": more})
        await uvicorn_sends({"type": BODY, "body": piece, "more_body": more})
    assert ours.state == theirs.state
    if method == "GET":
        assert len(ours.transport.written) == writes


async def test_in_one_step_it_is_the_same_response() -> None:
    at_once, in_parts = (Exchange("GET", keep_alive=True) for _ in range(2))
    await respond(whole(at_once), 200, SIZED, b"hello")
    looked_at = whole(in_parts)

    async def looks_at_the_parts(message: Any) -> None:
        await looked_at(message)

    await respond(looks_at_the_parts, 200, SIZED, b"hello")
    assert at_once.state == in_parts.state


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nb", b"\0"])
async def test_a_header_is_never_two(value: bytes) -> None:
    exchange = Exchange("GET", keep_alive=True)
    response = whole(exchange)
    await response({"type": START, "status": 204, "headers": [(b"location", value)]})
    with pytest.raises(RuntimeError, match="header"):
        await response({"type": BODY})
    assert exchange.transport.written == []


async def test_who_has_not_taken_the_last_response_is_waited_for() -> None:
    exchange = Exchange("GET", keep_alive=True)
    exchange.flow.pause_writing()
    response = whole(exchange)
    await response({"type": START, "status": 200, "headers": SIZED})
    writing = asyncio.create_task(response({"type": BODY, "body": b"hello"}))
    await asyncio.sleep(0)
    assert exchange.transport.written == []
    exchange.flow.resume_writing()
    await writing
    assert len(exchange.transport.written) == 1


async def test_nothing_is_written_to_who_is_gone() -> None:
    exchange = Exchange("GET", keep_alive=True)
    exchange.cycle.disconnected = True
    response = whole(exchange)
    await response({"type": START, "status": 200, "headers": SIZED})
    await response({"type": BODY, "body": b"hello"})
    assert exchange.state[:3] == (b"", False, 0)
