"""The RPyC server: calls the function that each client has handed it, once for each event.

A reply to such a call is an acknowledgement that costs nothing. So the server knows which events a client has
really taken, not only how many bytes its kernel has. A client that answers too late is disconnected, and no
other client waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from rpyc.core import consts

from backends.rpyc import codec, service
from backends.rpyc.callbacks import Callbacks
from backends.rpyc.codec import Callback, Local, Raised, Request, Returned
from backends.rpyc.protocol import Exposed, NoSuchName, RpycProtocol
from backends.rpyc.service import BOUND, METHODS, NAMES, ROOT, History, Leave, Login, Members
from chat.domain.errors import BadRequest, ChatError, SeatGone, SlowReader
from chat.domain.json_codec import shorten
from chat.domain.model import Ack, Delete, Draft, Edit, Event, Say
from chat.domain.validation import printable
from chat.interfaces.server import LOW_WATER, Seat
from chat.transport.connection_state import State
from chat.transport.flow_control import Reason
from chat.transport.stream import StreamConnection, StreamServer

CALLBACK_TIMEOUT = 15.0
"""Seconds that a callback may take."""
PING_EVERY = 10.0
"""Seconds without a callback after which the server pings a client."""
ACCEPT = "it must accept every event: def on_event(**event)"
CALLS = frozenset((consts.HANDLE_GETATTR, consts.HANDLE_CALL, consts.HANDLE_CALLATTR))
"""Requests whose refusal a program sees."""
Came = bytes | list[int]
"""A message, or the numbers of callbacks that were answered with None."""
CLOSE_DELAY = 0.05
"""Seconds between a client's last reply and the end of the connection. A stock client that is still writing
that reply when its other thread reads the end fails on its own locks."""


class RpycServer(StreamServer["ClientConnection"]):
    def accept(self) -> ClientConnection:
        return ClientConnection(self)


class ClientConnection(StreamConnection[tuple[bytes, ...], Came], Exposed):
    """One client: serves its calls, and calls its callback as the sink of its seat."""

    technique = "rpyc"

    def __init__(self, server: RpycServer) -> None:
        self.protocol = RpycProtocol(self, codec.MAX_FRAME, serves_older=True)
        super().__init__(server, self.protocol)
        self._loop = asyncio.get_running_loop()
        self._callbacks = Callbacks(self.protocol)
        self._login: int | None = None  # the number of a login that waits for its seat
        self._leave: int | None = None  # the number of the leave
        self._reason: ChatError | None = None  # why the connection ends
        self._last: int | None = None  # the number of the callback that says so
        self._told = False  # a call of the client's was refused with the reason
        self._stays = False  # until one is
        self._hung_up = False
        self._heard = 0.0  # when the client last showed that it takes what is written
        self._unread_bytes = 0  # bytes in the transport's buffer at that time
        self._watch: asyncio.TimerHandle | None = None

    # --- the connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.protocol.separate = transport.get_extra_info("sslcontext") is not None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self._unread_bytes = self.transport.get_write_buffer_size()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._heard = self._loop.time()
        super().resume_writing()

    def drained(self) -> None:
        if not self.state.ended and self.buffered() <= LOW_WATER:
            super().drained()

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            self.transport.write(data)

    def _flush_unless_serving(self) -> None:
        """Send what was collected; within a turn of the queue it is sent at the turn's end."""
        if not self.queue.serving:
            self._flush()

    # --- what the hub writes -------------------------------------------------------------------

    @staticmethod
    def encode(events: Sequence[Event]) -> tuple[bytes, ...]:
        return tuple(map(service.event_keywords, events))

    def write(self, blob: tuple[bytes, ...]) -> None:
        self._callbacks.put(blob)
        self._callbacks.send(self._loop.time())
        self._flush_unless_serving()

    def buffered(self) -> int:
        return self._callbacks.outstanding + self.transport.get_write_buffer_size()

    # --- requests and replies ------------------------------------------------------------------

    def requests(self, data: bytes) -> Sequence[Came]:
        if numbers := self.protocol.acknowledged(data):
            return (numbers,)
        try:
            return self.protocol.receive_data(data)
        except BadRequest as error:
            self.close(error)
            self._abandon_replies()
            return []

    def serve(self, came: Came) -> None:
        if isinstance(came, list):
            self._callbacks.returned(came)
            return
        try:
            message = self.protocol.decode(came)
        except BadRequest as error:
            self.close(error)
            return
        if isinstance(message, Request):
            self.protocol.serve(message)
            if self.protocol.bytes_to_send > LOW_WATER:  # to notice a client that does not read
                self._flush()
        else:
            self._answered(message)

    def _answered(self, answer: Returned | Raised) -> None:
        """Take the reply to a callback or a ping."""
        if isinstance(answer, Returned):
            self._callbacks.returned((answer.number,))
        elif not self._callbacks.raised(answer):
            what = shorten(printable(f"{answer.name}: {answer.text}" if answer.text else answer.name))
            self.close(BadRequest(f"your callback raised {what}; {ACCEPT}"))

    def turn_over(self) -> None:
        if not self.state.ended:
            self._callbacks.send(self._loop.time())
            self._flush()
            self.drained()

    # --- how it ends ---------------------------------------------------------------------------

    def last_words(self, reason: ChatError) -> None:
        """Call the callback a last time, and answer the login or the leave that waits."""
        self._reason = reason
        callbacks = self._callbacks
        callbacks.open()
        tells = self._leave is None and callbacks.function is not None
        if tells:
            callbacks.put((codec.keywords(service.last_words(reason)),))
        callbacks.send(self._loop.time())
        if tells:
            self._last = next(reversed(callbacks.under_way))
        if self._leave is not None:
            if isinstance(reason, SeatGone):
                self.protocol.reply(self._leave, None)
            else:
                self.protocol.refuse(self._leave, reason)
        elif self._login is not None:
            self.protocol.refuse(self._login, reason)
        self._flush()
        self._stop_watching()

    def finish(self, unserved: Sequence[Came]) -> None:
        """Close after the last reply: if it closed at once, the client could lose the closing reason."""
        if self._callbacks.function is None:
            self.hang_up()
        else:
            self._settle(unserved)

    def discard(self, data: bytes) -> None:
        try:
            self._settle(self.protocol.receive_data(data))
        except BadRequest:
            self._abandon_replies()

    def _settle(self, unserved: Sequence[Came]) -> None:
        """Take replies, and refuse calls; close the connection when no reply is missing."""
        try:
            for came in unserved:
                if isinstance(came, list):
                    self._callbacks.returned(came)
                    continue
                message = self.protocol.decode(came)
                if isinstance(message, Request):
                    self._refuse(message)
                    continue
                self._callbacks.under_way.pop(message.number, None)
                if isinstance(message, Raised) and message.number == self._last and not self._told:
                    self._stay()
        except BadRequest:
            self._abandon_replies()
            return
        if not self._callbacks.under_way and not self._stays:
            self._loop.call_later(CLOSE_DELAY, self.hang_up)

    def _abandon_replies(self) -> None:
        """No reply can be read any more."""
        self._callbacks.under_way.clear()
        self._stays = False
        self._settle([])

    def _refuse(self, request: Request) -> None:
        """Answer a call that came too late with the reason why the connection ends."""
        if request.handler == consts.HANDLE_CLOSE:
            self._stays = False
        elif request.handler in CALLS and self._reason is not None and not self._hung_up:
            if self.transport.get_write_buffer_size() <= LOW_WATER:  # it reads its answers
                self.protocol.refuse(request.number, self._reason)
                self._flush()
            self._told, self._stays = True, False

    def _stay(self) -> None:
        """Wait for the client's next call: its callback could not take the reason."""
        if not self.server.stopping:
            self._stays = True
            self.server.deadlines.set(self, CALLBACK_TIMEOUT)

    def close(self, reason: ChatError) -> None:
        if self._stays:  # and now there is another reason not to
            self.hang_up()
        super().close(reason)

    def hang_up(self) -> None:
        self._hung_up = True
        super().hang_up()

    # --- whether the client still answers ------------------------------------------------------

    def _check_client(self) -> None:
        """Close the connection if no reply has come for too long; send a ping if none is due."""
        now = self._loop.time()
        if self.queue.paused_for(Reason.UNREAD):
            unread = self.transport.get_write_buffer_size()
            if unread < self._unread_bytes:  # it does read, but its replies can't be read yet
                self._heard = now
            self._unread_bytes = unread
        elif self.queue.paused_for(Reason.BUSY) or self.queue.paused_for(Reason.UNDECIDED):
            self._heard = now  # its replies are not read, which is not its fault
        wait = CALLBACK_TIMEOUT
        if not self._callbacks.under_way:
            number = self.protocol.request(consts.HANDLE_PING, "")
            self._flush()
            self._callbacks.under_way[number] = b"", now
        else:
            _, asked = next(iter(self._callbacks.under_way.values()))
            wait += max(asked, self._heard) - now
            if wait <= 0:
                late = CALLBACK_TIMEOUT
                self.close(
                    SlowReader(f"your callback has not answered for {late:.0f} s; reconnect and resume")
                )
                return
        self._watch = self._loop.call_later(min(wait, PING_EVERY), self._check_client)

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    # --- what the client may do ----------------------------------------------------------------

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

    def hint(self) -> str:
        return f"call a method of conn.root: {', '.join(METHODS)}; what they return is plain values"

    def peer_closes(self) -> None:
        self.protocol.state = State.CLOSING
        self.queue.stop()
        self._flush()
        self.transport.close()

    def called(self, number: int, target: Any, args: tuple[Any, ...], kwargs: tuple[Any, ...]) -> None:
        if type(target) is not Local or (method := NAMES.get(target)) is None:
            raise BadRequest(f"only the methods of conn.root can be called: {', '.join(METHODS)}")
        call, seat = service.call(method, args, kwargs), self.seat
        if seat is None:
            if not isinstance(call, Login):
                raise BadRequest(f"{method} came before the login")
            self.serve_later(self._enter(number, call))
            return
        match call:
            case Say() | Edit() | Delete():
                self.send_draft(seat, call, partial(self._decided, number))
            case History():
                self.serve_later(self._history(number, seat, call))
            case Members():
                self.serve_later(self._members(number, seat))
            case Leave():
                self._leave = number
                self.protocol.state = State.LEAVING
                seat.leave()
            case Login():
                raise BadRequest("this connection has its seat already: one login each")

    async def _enter(self, number: int, login: Login) -> None:
        self._login = number
        try:
            seat = await self.take_seat(login.hello())
        except ChatError as error:
            if not self.state.ended:
                self.protocol.refuse(number, error)  # the client may try again
                self._flush()
            return
        finally:
            self._login = None
        if seat is not None:
            self._callbacks.function = Callback(login.callback)
            self.protocol.reply_brine(number, service.welcome_brine(seat.welcome))
            self._flush()
            seat.attach(self)
            self._watch = self._loop.call_later(PING_EVERY, self._check_client)

    async def _history(self, number: int, seat: Seat, call: History) -> None:
        try:
            events = await seat.history(after=call.after, before=call.before, limit=call.limit)
        except ChatError as error:
            if not self.state.ended:
                self.protocol.refuse(number, error)
        else:
            if not self.state.ended:
                self.protocol.reply(number, tuple(map(service.event_pairs, events)))
        self._flush()

    async def _members(self, number: int, seat: Seat) -> None:
        try:
            members = await seat.members()
        except ChatError as error:
            if not self.state.ended:
                self.protocol.refuse(number, error)
        else:
            if not self.state.ended:
                self.protocol.reply(number, service.member_pairs(members))
        self._flush()

    def _decided(self, number: int, draft: Draft, outcome: Event | Ack | ChatError) -> None:
        self.draft_decided()
        if self.state.ended:
            return
        if isinstance(outcome, ChatError):
            self.protocol.refuse(number, outcome)
        else:
            self.protocol.reply(number, outcome.seq)
        self._flush_unless_serving()
