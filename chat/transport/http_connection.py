"""One HTTP connection of a client: uvicorn's, with the limits that uvicorn does not have.

It subclasses uvicorn's protocol for httptools, which is not a documented interface. A test checks what it
relies on (``tests/unit/transport/test_uvicorn_contract.py``), and `pyproject.toml` bounds the version.
"""

from __future__ import annotations

import asyncio
import re
from array import array
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from chat.domain.errors import BadRequest, ChatError
from chat.transport.asgi import Application, Receive, Scope, Send, WebSite
from chat.transport.http_response import WholeResponse, http_date
from chat.transport.request_guard import CROWDED
from chat.transport.stream import TURN_BYTES

KEEP_ALIVE = 75.0
"""Seconds that a connection may rest between two requests: longer than the longest time between two polls."""
REQUEST_TIMEOUT = 10.0
"""Seconds for a whole request, and from the connection to the first one."""
ANSWER_TIMEOUT = 30.0
"""Seconds in which a client must take some of a response that waits for it."""
CLOSE_TIMEOUT = 1.0
"""Seconds that a client has to read why its connection is closed."""
MAX_HEAD = 16 * 1024
"""Bytes of a request's line and headers."""
MAX_AHEAD = 64
"""Requests that a client may send before the one before them is answered."""
CONNECTION = "connection"
"""In a request's state (ASGI): its connection."""


class RequestParser(httptools.HttpRequestParser):
    """Reads on where a request offers another protocol: a server may ignore the offer (RFC 9110, 7.8).

    httptools ends such a request behind its headers, whatever its body. Then the headers are parsed again
    without the offer, and the connection takes no notice of the first time.
    """

    def __init__(self, connection: HttpConnection) -> None:
        super().__init__(connection)
        self._connection = connection
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does

    def feed_data(self, data: bytes | bytearray | memoryview | array[int]) -> None:
        rest = memoryview(data)
        while True:
            try:
                super().feed_data(rest)
                return
            except httptools.HttpParserUpgrade as offered:
                if self._connection.refused:
                    return
                rest = rest[offered.args[0] :]
                super().feed_data(self._connection.head_without_upgrade())


_WITHOUT_PATH = re.compile(rb"https?://[^/?#]+(?=[?#]|$)", re.IGNORECASE)
"""A request target in absolute form (RFC 9112, 3.2.2) whose path is empty: ``http://HOST``, ``http://HOST?QUERY``."""


class HttpConnection(HttpToolsProtocol):
    """Adds limits of time and size: uvicorn waits without end for a request, and takes any number of headers.

    Bytes that are no HTTP request are answered in the technique's form, after the requests before them; then
    nothing more is read.
    """

    def __init__(self, web: WebSite, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config, state, {})
        self.parser = RequestParser(self)
        self.app = self._serve
        self._web = web
        self._application: Application = config.loaded_app
        self._answering: RequestResponseCycle | None = None
        """The request that is being answered, or was last; later ones wait in `pipeline`."""
        self._reading = False
        """A request has begun and is not complete."""
        self._head = 0
        """Bytes of the head so far; of the trailers, while the body is read."""
        self._in_body = False
        self._read = 0  # bytes in this turn of the loop
        self._shared = False
        """The end of another request was in the same bytes."""
        self._offers = False
        """The request offers another protocol; its headers are parsed again without that."""
        self.refused = False
        """Nothing more is read."""
        self._input_over = False
        """The client has sent a FIN, and waits for answers."""
        self._poll: asyncio.Task[Any] | None = None
        """The request that waits for news, as a long poll does."""
        self._deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[None] = self.loop.create_future()

    # --- the connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        if self._web.stopping:
            transport.abort()
            return
        self.app_state[CONNECTION] = self
        self.app_state[CROWDED] = self._web.crowded  # earlier connections stay
        self._expect(REQUEST_TIMEOUT)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn closes always
        """Answer the requests that came before a half-close, e.g. of ``nc -N``; return whether there are any.

        While a long poll waits, a FIN is taken for the end of the client: most close the whole connection so.
        """
        running = self._answering
        if self.pipeline and self.pipeline[0][0].more_body:
            self.pipeline.popleft()  # the rest of its body will not come
        if running is None or running.response_complete or running.more_body:
            return False
        if self._poll is not None or not self.transport.can_write_eof():  # TLS ends both ways at once
            return False
        self._input_over = True
        self._expect(0)
        return True

    def hold(self, poll: asyncio.Task[Any]) -> None:
        """A request waits for news: cancel it when the client hangs up.

        After a FIN it does not wait for long: the client has probably closed the connection.
        """
        self._poll = poll
        if self._input_over:
            self.loop.call_later(CLOSE_TIMEOUT, self._hang_up, poll)
        else:
            self.flow.resume_reading()  # to see a FIN behind a request that came early

    def release(self) -> None:
        """The request does not wait any more."""
        self._poll = None

    def _hang_up(self, poll: asyncio.Task[Any]) -> None:
        if self._poll is poll:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(0)
        self.resume_writing()
        running = self._answering
        super().connection_lost(exc)
        self._web.resting.drop(self)
        self.pipeline.clear()
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        if self._poll is not None:
            self._poll.cancel()
        self.app_state.clear()
        self.lost.set_result(None)

    def shutdown(self) -> None:
        """Complete the response that is under way, and close."""
        self.pipeline.clear()
        running = self._answering
        if running is None or running.response_complete:
            self.transport.close()
        else:
            running.keep_alive = False
            self.refused = not running.more_body

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_deadline = self.loop.call_later(ANSWER_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None
        super().resume_writing()

    def _expect(self, seconds: float) -> None:
        """Give the client so many seconds for what it has to send now; 0: it has to send nothing."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._timed_out) if seconds else None

    def _timed_out(self) -> None:
        if self._reading and not self.refused:
            self.refuse(408, BadRequest(f"the request was not complete after {REQUEST_TIMEOUT:.0f} s"))
        else:
            self.transport.abort()

    # --- requests ------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.refused:
            return
        self._web.resting.drop(self)
        if not self._read:
            self.loop.call_soon(self._next_turn)
        self._read += len(data)
        if self._read >= TURN_BYTES and not self.transport.is_closing():
            self.transport.pause_reading()
        if self._idle:
            data = data.lstrip(b"\r\n")  # the parser ignores them, too, one by one
        self._shared = False
        super().data_received(data)
        if self._deadline is None and not self.refused and (self._reading or self._idle):
            self._expect(REQUEST_TIMEOUT)  # even if these were only empty lines
        if self._reading and not self._in_body and not self._shared:
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._too_large()

    def _next_turn(self) -> None:
        over, self._read = self._read >= TURN_BYTES, 0
        if over and not self.flow.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    @property
    def _idle(self) -> bool:
        running = self._answering
        return not self._reading and (running is None or running.response_complete)

    def on_message_begin(self) -> None:
        if self.refused:
            return
        super().on_message_begin()
        self._reading, self._in_body, self._offers, self._head = True, False, False, 0
        self._expect(0)  # most requests are complete in the same bytes, and need no timer

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.refused:
            return
        if not self._in_body:
            super().on_header(name, value)
            return
        self._head += len(name) + len(value)  # trailers may be left out (RFC 9110, 6.5.1)
        if self._head > MAX_HEAD:
            self._too_large()

    def on_headers_complete(self) -> None:
        if self.refused:
            return
        if self.url[:1] != b"/" and (target := _WITHOUT_PATH.match(self.url)):
            self.url = b"%b/%b" % (target[0], self.url[target.end() :])  # RFC 9110, 4.2.3
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD:
            self._too_large()
            return
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self.refuse(400, BadRequest("this server is no proxy"))
            self._offers = True
            return
        if len(self.pipeline) >= MAX_AHEAD:
            self.refuse(429, BadRequest(f"{MAX_AHEAD} requests are waiting already: wait for their answers"))
            return
        waiting = len(self.pipeline)
        super().on_headers_complete()
        if len(self.pipeline) == waiting:
            self._answering = self.cycle
        self._in_body, self._head = True, 0

    def head_without_upgrade(self) -> bytes:
        """Return the request's line and headers, but no offer of another protocol."""
        line = b"%b %b HTTP/%b" % (
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version().encode(),
        )
        headers = [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join((line, *headers, b"", b""))

    def on_body(self, body: bytes) -> None:
        if not self.refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.refused or self._offers:
            return
        self._reading = self._in_body = False
        self._shared = True
        self._expect(0)
        super().on_message_complete()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to the application, and write its response in one piece."""
        running = self._answering  # its task has just begun
        assert running is not None
        response = WholeResponse(running, self.flow, send)
        try:
            await self._application(scope, receive, response)
            if response.later is not None:
                await response.later
        except asyncio.CancelledError:
            if not self._web.stopping:
                raise  # while the server stops, uvicorn would log it as a failure

    def on_response_complete(self) -> None:
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._answering, _ = self.pipeline[-1]
            super().on_response_complete()
        elif self._input_over:
            self.transport.close()
        else:  # uvicorn would set a timer of the loop for each
            self.flow.resume_reading()
            self._web.resting.set(self, KEEP_ALIVE)

    # --- refusing ------------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        self.refuse(400, BadRequest("this is not an HTTP/1.1 request"))

    def _too_large(self) -> None:
        self.refuse(431, BadRequest(f"the request's line and headers may have {MAX_HEAD} bytes: send less"))

    def refuse(self, status: int, error: ChatError) -> None:
        """Send an error, close when the client has read it, and read nothing more."""
        if self.refused:
            return
        self.refused = True
        self._expect(0)
        self._web.resting.drop(self)
        self.pipeline.clear()
        running = self._answering
        if running is not None and not running.response_complete:
            if not running.more_body:
                running.keep_alive = False  # it is answered, and later ones are not
                return
            running.disconnected = True  # this request itself is refused
            running.message_event.set()
            if running.response_started:
                self.transport.abort()
                return
        kind, body = self._web.refusal(status, error)
        head = (
            f"content-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
            f"date: {http_date().decode()}\r\n\r\n"
        )
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        if self._input_over or not self.transport.can_write_eof():
            self.transport.close()
            return
        try:
            self.transport.write_eof()
        except OSError:  # the client is gone already
            self.transport.abort()
        else:
            self._expect(CLOSE_TIMEOUT)  # closing at once, with unread bytes, would reset: the answer is lost
