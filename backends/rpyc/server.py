"""The RPyC server: calls the function that each client has handed it, once for each event.

A reply to such a call is an acknowledgement that costs nothing. So the server knows what a client has really
taken, and not only what the kernel has: who answers too late is cut, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

from rpyc.core import consts

from backends.rpyc import codec, service
from backends.rpyc.codec import Callback, Local, Raised, Request, Returned
from backends.rpyc.connection import Connection, NoSuchName
from backends.rpyc.service import BOUND, METHODS, NAMES, ROOT, History, Leave, Login, Members
from chat.domain.errors import BadRequest, ChatError, Closing, ConnectionLost, Full, SeatGone, SlowReader
from chat.domain.json_codec import shorten
from chat.domain.model import Ack, Delete, Draft, Edit, Event, Say
from chat.domain.validation import printable
from chat.interfaces.address import Address
from chat.interfaces.server import LOW_WATER, ChatServer, Seat, Sink

LOGIN_TIMEOUT = 60.0
"""Seconds until somebody must have a seat: long, because people type it."""
HANDSHAKE_TIMEOUT = 5.0
"""Seconds for the TLS handshake: no person types that."""
MAX_SEATLESS = 256
"""Connections without a seat; the oldest is cut for one more."""
TURN = 256
"""Messages of one peer that are served in one go."""
MAX_UNDECIDED = 1000
"""Drafts of one peer that may wait for the log; then it is not read until half of them are decided."""
WINDOW = 64
"""Callbacks that may be on their way to one client at a time."""
PATIENCE = 15.0
"""Seconds that a callback may take."""
PING_EVERY = 10.0
"""Seconds without a callback after which a client is asked whether it is there."""
BREATH = 0.05
"""Seconds between a client's last answer and the end: a stock client that is still in the middle of that
answer when its other thread sees the end trips over its own locks."""
LINGER = 2.0
"""Seconds that a peer has to take the last words and to close its side."""


log = logging.getLogger(__name__)


class RpycServer(ChatServer):
    async def start(self) -> Address:
        self.connections: set[ClientConnection] = set()
        self.seatless: dict[ClientConnection, None] = {}  # no login yet, or cut and not yet gone
        self.stopping = False
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {}
        if (identity := self.options.identity) is not None:
            tls = {"ssl": identity.context, "ssl_handshake_timeout": HANDSHAKE_TIMEOUT}
            tls["ssl_shutdown_timeout"] = LINGER
        self._server = await loop.create_server(
            lambda: ClientConnection(self), self.address.host, self.address.port, backlog=1024, **tls
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(host, port)

    async def stop(self) -> None:
        self.stopping = True
        self._server.close()
        for connection in list(self.connections):
            connection.close(Closing("the server is going down; come back and resume"))
        if self.connections:
            await asyncio.wait([connection.lost for connection in self.connections], timeout=LINGER + 1)
        await self._server.wait_closed()


class ClientConnection(Connection, Sink[tuple[bytes, ...]]):
    """One peer: serves its calls, and calls it back as the sink of its seat."""

    def __init__(self, server: RpycServer) -> None:
        super().__init__(codec.MAX_FRAME)
        self._server = server
        self._hub = server.hub
        self._seat: Seat | None = None
        self._callback: Callback | None = None
        self._entering: int | None = None  # the number of a login that is being decided about
        self._leaving: int | None = None  # the number of the leave
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[bytes] = []  # messages that have come and are not served yet
        self._unread = False  # the peer does not take what it has been written
        self._undecided = 0  # drafts that the room has not answered
        self._full = False  # too many of them
        self._closing = False
        self._garbled = False  # where a frame begins is not known any more
        self._queue: deque[tuple[int, bytes]] = deque()  # callbacks for which the window has no room
        self._under_way: dict[int, tuple[int, float]] = {}  # bytes and time of those not answered yet
        self._outstanding = 0  # bytes of both
        self._heard = 0.0  # when the peer showed last that it takes what is written
        self._left = 0  # bytes that it had not taken then
        self._watch: asyncio.TimerHandle | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # --- the connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=LOW_WATER, low=LOW_WATER)
        self._deadline = self._loop.call_later(LOGIN_TIMEOUT, self._too_late)
        server = self._server
        server.connections.add(self)
        server.seatless[self] = None
        if len(server.seatless) > MAX_SEATLESS:
            next(iter(server.seatless)).make_room()

    def make_room(self) -> None:
        """End for one more that says nothing; it counts until it has taken the reason, or has had to go."""
        del self._server.seatless[self]
        if self._closing:
            self.transport.abort()
        else:
            self.close(Full(f"more than {MAX_SEATLESS} connections said nothing, and yours was the oldest"))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._deadline.cancel()
        if self._watch is not None:
            self._watch.cancel()
        self._server.connections.discard(self)
        self._server.seatless.pop(self, None)
        if self._task is not None:
            self._task.cancel()
        if self._seat is not None:
            self._seat.detach(self)
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        """Who does not read is not listened to, so that replies can't pile up."""
        self._unread = True
        self._left = self.transport.get_write_buffer_size()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self._unread = False
        self._heard = self._loop.time()
        self._go_on()
        self._drained()

    def _too_late(self) -> None:
        self.close(BadRequest(f"no login came within {LOGIN_TIMEOUT:.0f} s"))

    # --- what the hub writes -------------------------------------------------------------------

    @staticmethod
    def encode(events: Sequence[Event]) -> tuple[bytes, ...]:
        return tuple(codec.keywords(service.event_pairs(event)) for event in events)

    def write(self, blob: tuple[bytes, ...]) -> None:
        for keywords in blob:
            self._enqueue(keywords)
        self._pump()

    def _enqueue(self, keywords: bytes) -> None:
        assert self._callback is not None
        number = self.next_number()
        frame = self._callback.frame(number, keywords)
        self._queue.append((number, frame))
        self._outstanding += len(frame)

    def _pump(self, window: int = WINDOW) -> None:
        """Call back what the window has room for, in one piece."""
        queue, under_way = self._queue, self._under_way
        now, frames = self._loop.time(), []
        while queue and len(under_way) < window:
            number, frame = queue.popleft()
            under_way[number] = len(frame), now
            frames.append(frame)
        if frames:
            self.put(*frames)

    def buffered(self) -> int:
        return self._outstanding + self.transport.get_write_buffer_size()

    def _drained(self) -> None:
        if self._seat is not None and not self._closing and self.buffered() <= LOW_WATER:
            self._seat.drained(self)

    def close(self, reason: ChatError) -> None:
        """Tell the peer why, and that nothing more comes; the connection ends when it has answered to all.

        Ending it at once would reset it while the peer still sends, and take the reason away from it.
        """
        if self._closing:
            return
        if self._leaving is None and self._callback is not None:
            self._enqueue(codec.keywords(service.last_words(reason)))
        self._pump(len(self._queue) + len(self._under_way))
        if self._leaving is not None:
            if isinstance(reason, SeatGone):
                self.give(self._leaving, None)
            else:
                self.refuse(self._leaving, reason)
        elif self._entering is not None:
            self.refuse(self._entering, reason)
        self._closing = True
        self._deadline.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if self._seat is not None:
            self._seat.detach(self)
        self._server.seatless[self] = None
        self._deadline = self._loop.call_later(LINGER, self.transport.abort)
        self.transport.resume_reading()
        waiting, self._waiting = self._waiting, []
        self._settle(waiting)

    def _settle(self, messages: list[bytes]) -> None:
        """While closing: take answers and nothing else, and hang up after the last one."""
        try:
            for message in messages:
                answer = codec.decode(message)
                if not isinstance(answer, Request):
                    self._under_way.pop(answer.number, None)
        except BadRequest:
            self._under_way.clear()
        if self._callback is None:
            self._hang_up()
        elif not self._under_way:
            self.flush()
            self._loop.call_later(BREATH, self._hang_up)

    def _hang_up(self) -> None:
        self.flush()
        if self.transport.is_closing():
            return
        if self._server.stopping or not self.transport.can_write_eof():  # TLS knows no half of an end
            self.transport.close()
        else:
            try:
                self.transport.write_eof()
            except OSError:  # it is reset already
                self.transport.abort()

    # --- whether the peer is there -------------------------------------------------------------

    def _look(self) -> None:
        """End the connection if it has not answered for too long; ask it if there was nothing to answer."""
        now = self._loop.time()
        if self._unread:
            left = self.transport.get_write_buffer_size()
            if left < self._left:  # it does take something, and can't be heard meanwhile
                self._heard = now
            self._left = left
        elif self._task is not None or self._full:  # we don't listen
            self._heard = now
        wait = PATIENCE
        if not self._under_way:
            number = self.ask(consts.HANDLE_PING, "")
            self._under_way[number] = 0, now
        else:
            _, asked = next(iter(self._under_way.values()))
            wait += max(asked, self._heard) - now
            if wait <= 0:
                late = f"your callback has not answered for {PATIENCE:.0f} s; come back and resume"
                self.close(SlowReader(late))
                return
        self._watch = self._loop.call_later(min(wait, PING_EVERY), self._look)

    def peer_closes(self) -> None:
        self._closing = True
        super().peer_closes()

    def take(self, answer: Returned | Raised) -> None:
        size, _ = self._under_way.pop(answer.number, (0, 0.0))
        self._outstanding -= size
        if isinstance(answer, Raised):
            what = shorten(printable(answer.name))
            self.close(BadRequest(f"your callback raised {what}: it must take whatever it is called with"))

    # --- what the peer says --------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._garbled:
            return
        try:
            messages = self._framer.feed(data)
        except BadRequest as error:
            self._garbled = True
            self.close(error)
            self._under_way.clear()  # no answer can be read any more
            self._settle([])
            return
        if self._closing:
            self._settle(messages)
        elif self._waiting or self._task is not None or self._unread or self._full:
            self._waiting += messages  # reading is paused, but this was under way
        else:
            self._work(messages)

    def _work(self, messages: list[bytes]) -> None:
        """Serve in order, until something takes a while or is not read, or it is others' turn."""
        self.begin()
        for place, data in enumerate(messages, 1):
            try:
                message = codec.decode(data)
            except BadRequest as error:
                self.close(error)
            else:
                if isinstance(message, Request):
                    self.serve(message)
                else:
                    self.take(message)
            if self._closing:
                self._waiting = []
                self._settle(messages[place:])
                break
            if self._task is not None or self._unread or self._full or place == TURN:
                self._waiting = messages[place:]
                self.transport.pause_reading()
                if place == TURN:
                    self._loop.call_soon(self._go_on)
                break
        if not self._closing:
            self._pump()
        self.end()
        self._drained()

    def _go_on(self) -> None:
        """Serve what waits, and read on when nothing does."""
        if self._closing or self._task is not None or self._unread or self._full:
            return
        messages, self._waiting = self._waiting, []
        self._work(messages)
        if not (self._closing or self._task or self._unread or self._full or self._waiting):
            self.transport.resume_reading()

    # --- the service ---------------------------------------------------------------------------

    def root(self) -> Local:
        return ROOT

    def attribute(self, target: Any, name: Any) -> Local:
        if target == ROOT and type(name) is str and (bound := BOUND.get(name.removeprefix("exposed_"))):
            return bound
        raise NoSuchName(f"the chat has {', '.join(METHODS)}, and nothing else")

    def methods(self, name: Any) -> tuple[tuple[str, str], ...]:
        if name != ROOT.name:
            return ()
        return tuple((method, kind.__doc__ or "") for method, kind in METHODS.items())

    def called(self, number: int, target: Any, args: tuple[Any, ...], kwargs: tuple[Any, ...]) -> None:
        if type(target) is not Local or (method := NAMES.get(target)) is None:
            raise BadRequest(f"only the methods of conn.root can be called: {', '.join(METHODS)}")
        call, seat = service.call(method, args, kwargs), self._seat
        if seat is None:
            if not isinstance(call, Login):
                raise BadRequest(f"{method} came before the login")
            self._later(self._enter(number, call))
            return
        match call:
            case Say() | Edit() | Delete():
                self._undecided += 1
                if self._undecided >= MAX_UNDECIDED:
                    self._full = True
                seat.send(call, partial(self._decided, number))
            case History():
                self._later(self._history(number, seat, call))
            case Members():
                self.give(number, service.member_pairs(seat.members()))
            case Leave():
                self._leaving = number
                seat.leave()
            case Login():
                raise BadRequest("this connection has its seat: one login each")

    def _later(self, work: Coroutine[None, None, None]) -> None:
        """Serve a call that takes a while; what comes behind it waits, in order."""
        self.transport.pause_reading()
        self._task = asyncio.create_task(self._finish(work))

    async def _finish(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("a request failed")  # ours: its peer is told, and comes back
            self.close(ConnectionLost("the server failed at this request; come back and resume"))
        self._task = None
        self._go_on()

    async def _enter(self, number: int, login: Login) -> None:
        self._entering = number
        try:
            seat = await self._hub.take_seat(login.hello(), "rpyc")
        except ChatError as error:
            if not self._closing:
                self.refuse(number, error)  # and may try again
            return
        finally:
            self._entering = None
        if self._closing:
            return
        self._deadline.cancel()
        self._server.seatless.pop(self, None)
        self._seat, self._callback = seat, Callback(login.callback)
        self.give(number, service.welcome_pairs(seat.welcome))
        seat.attach(self)
        self._watch = self._loop.call_later(PING_EVERY, self._look)

    async def _history(self, number: int, seat: Seat, call: History) -> None:
        try:
            events = await seat.history(after=call.after, before=call.before, limit=call.limit)
        except ChatError as error:
            if not self._closing:
                self.refuse(number, error)
        else:
            if not self._closing:
                self.give(number, tuple(map(service.event_pairs, events)))

    def _decided(self, number: int, draft: Draft, outcome: Event | Ack | ChatError) -> None:
        self._undecided -= 1
        if self._full and self._undecided <= MAX_UNDECIDED // 2:
            self._full = False
            self._loop.call_soon(self._go_on)
        if self._closing:
            return
        if isinstance(outcome, ChatError):
            self.refuse(number, outcome)
        else:
            self.give(number, outcome.seq)
