"""The gRPC server: one bidirectional stream a client, unary calls beside it, health and reflection.

The hub's events are serialized once for all clients. A stream is a coroutine that writes what the hub hands
over. The client's acks say how far it is behind, because HTTP/2 alone would let megabytes pile up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from backends.grpc import reflection, tracing
from backends.grpc.access import AccessInterceptor, credentials, host_of
from backends.grpc.codec import (
    MAX_FRAME,
    MAX_REPLY,
    SERVICE,
    STATUS,
    client_frame_of,
    draft_of,
    event_message,
    events_frame,
    hello_of,
    member_message,
    problem_frame,
    trailer,
    welcome_frame,
)
from backends.grpc.first_frames import HELLO_TIMEOUT, FirstFrames
from backends.grpc.health import Health, keep
from backends.grpc.listening import credentials_of, listen
from backends.grpc.serving import Serving
from backends.grpc.waking import woken_once
from chat.domain.errors import BadRequest, ChatError, Closing, ConnectionLost, SeatGone
from chat.domain.model import Ack, Draft, Event
from chat.interfaces.address import Address
from chat.interfaces.server import LOW_WATER, ChatServer, Seat, Sink
from chat.language import N_
from chat.transport.connection_state import State
from chat.transport.stream import LINGER, MAX_UNDECIDED
from protos import chat_pb2 as pb

WINDOW = 256 * 1024
"""Bytes of events that are sent ahead of the client's acks."""
WINDOW_SCALE = 4
"""Unacknowledged bytes per byte that `buffered` reports: a full `WINDOW` is then the hub's `HIGH_WATER`."""
MAX_UNREAD = 64 * 1024
"""Bytes of frames that wait to be written; then the client is not read until it has taken them."""
MIN_STREAMS = 100
"""Calls that one connection may carry at once, at least (RFC 9113, 6.5.2, recommends no fewer)."""
HEALTH_EVERY = 0.5
"""Seconds between two checks of whether the hub can store drafts."""
MAX_METADATA = 8192
"""Bytes of metadata that a call may have, as HTTP/2 counts them (RFC 9113, 6.5.2)."""
OPTIONS = [
    ("grpc.max_receive_message_length", MAX_FRAME),
    ("grpc.max_send_message_length", MAX_REPLY),
    ("grpc.max_metadata_size", MAX_METADATA),
    ("grpc.absolute_max_metadata_size", MAX_METADATA),  # without it, chance decides between 8 and 16 KiB
    ("grpc.http2.bdp_probe", 0),  # a client sends little: a ping after it sends costs more than it gains
    # A frozen peer is noticed after 8 + 4 seconds. Without ping_timeout_ms it took half a minute.
    ("grpc.keepalive_time_ms", 8_000),
    ("grpc.keepalive_timeout_ms", 4_000),
    ("grpc.http2.ping_timeout_ms", 4_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 3),
]

log = logging.getLogger(__name__)
Context = grpc.aio.ServicerContext[Any, Any]


class GrpcServer(ChatServer):
    async def start(self) -> Address:
        self.streams: set[Stream] = set()
        self._first_frames = FirstFrames()
        self._calls: set[asyncio.Task[Any]] = set()  # the long ones: streams, and watchers of the health
        # One connection may carry them all: clients of one process, or of one proxy, share it. A call over
        # the limit of its connection waits in the client, without a word.
        self._max_calls = max(MIN_STREAMS, 2 * self.hub.limits.seats)
        self._interceptors = tracing.server_interceptors(self.options.settings.get("trace", "off"))
        self._health = Health(self._calls)
        self._serving = Serving(self._make)
        address = await self._serving.start(self.address.port)
        await self._tell(self.hub.ready)
        self._watching = asyncio.create_task(self._watch())
        return address

    async def _make(self, port: int) -> tuple[grpc.aio.Server, Address]:
        """Make a server of the library that listens at a port. Raises OSError."""
        shares = ("grpc.so_reuseport", int(self.options.shares_port))  # else a port that is taken is an error
        with woken_once():
            server = grpc.aio.server(
                options=[*OPTIONS, shares, ("grpc.max_concurrent_streams", self._max_calls)],
                interceptors=[*self._interceptors, AccessInterceptor(self.hub, self._first_frames)],
                maximum_concurrent_rpcs=self._max_calls,
            )
        server.add_generic_rpc_handlers((self._handlers(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.add(server, (pb.DESCRIPTOR, health_pb2.DESCRIPTOR))
        proof = credentials_of(lambda: self.options.identity)
        return server, await listen(server, Address(self.address.host, port), proof)

    def _handlers(self) -> grpc.GenericRpcHandler:
        """Do what the generated ``add_ChatServiceServicer_to_server`` does, with serialized frames."""
        unary = grpc.unary_unary_rpc_method_handler
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Chat": grpc.stream_stream_rpc_method_handler(self._chat),
                "History": unary(
                    self._history, pb.HistoryRequest.FromString, pb.HistoryReply.SerializeToString
                ),
                "Members": unary(
                    self._members, pb.MembersRequest.FromString, pb.MembersReply.SerializeToString
                ),
            },
        )

    async def stop(self) -> None:
        self._watching.cancel()
        await self._health.stop()
        self._first_frames.close()
        for stream in list(self.streams):
            stream.close(Closing("the server is going down; reconnect and resume"))
        await self._serving.stop(LINGER)
        if self._calls:  # the library does not wait for those whose client has just gone
            await asyncio.wait(self._calls, timeout=LINGER)
        await asyncio.gather(self._watching, return_exceptions=True)

    # --- health --------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Report NOT_SERVING while nothing can be stored, so that balancers choose another server."""
        told = self.hub.ready
        while True:
            await asyncio.sleep(HEALTH_EVERY)
            if self.hub.ready != told:
                told = self.hub.ready
                await self._tell(told)

    async def _tell(self, ready: bool) -> None:
        status = health_pb2.HealthCheckResponse
        for service in (SERVICE, ""):
            await self._health.set(service, status.SERVING if ready else status.NOT_SERVING)

    # --- the calls -----------------------------------------------------------------------------

    async def _chat(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        stream = Stream(self)
        self.streams.add(stream)
        keep(asyncio.current_task(), self._calls)
        try:
            try:
                self.hub.may_guess(host_of(context))
                try:
                    first = await self._first_frames.read(requests)
                except TimeoutError:
                    late = N_(f"no hello came within {HELLO_TIMEOUT:.0f} s")
                    await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, late)
                if first is None:
                    raise BadRequest("the first frame of a stream must be a hello, and none came")
                access, peer = credentials(context)
                yield await stream.enter(first, access, peer, context.peer() or "")
                stream.listen(requests)
                while (frame := await stream.next()) is not None:
                    yield frame  # waits while HTTP/2's own window is full
                    stream.wrote(frame)
            except ChatError as error:
                if isinstance(error, BadRequest) and not stream.seated:
                    self.hub.dropped("grpc", error, host_of(context))
                await context.abort(STATUS[error.code], str(error), trailer(error))
        finally:
            self.streams.discard(stream)
            await stream.end()

    async def _history(self, request: pb.HistoryRequest, context: Context) -> pb.HistoryReply:
        after = request.after if request.HasField("after") else None
        before = request.before if request.HasField("before") else None
        try:
            room = await self.hub.look(request.room, *credentials(context))
            events = await room.history(
                after=after, before=before, limit=request.limit or self.hub.limits.page
            )
        except ChatError as error:
            await context.abort(STATUS[error.code], str(error), trailer(error))
        return pb.HistoryReply(events=map(event_message, events))

    async def _members(self, request: pb.MembersRequest, context: Context) -> pb.MembersReply:
        try:
            room = await self.hub.look(request.room, *credentials(context))
            members = await room.members()
        except ChatError as error:
            await context.abort(STATUS[error.code], str(error), trailer(error))
        return pb.MembersReply(members=map(member_message, members))


Mark = tuple[int, int]
"""What is kept of a frame until it is acknowledged: the seq of its last event, and its size in bytes."""


class Blob(NamedTuple):
    """One frame that is written to every stream."""

    frame: bytes
    mark: Mark


class Stream(Sink[Blob]):
    """One client's stream: reads its frames, writes the hub's, and is the sink of its seat."""

    coalescing = 0.03
    """A frame costs 50 us for each client, however large it is: under load fewer and larger ones are sent."""
    coalescing_single = 0.01
    """In which the next messages of those who send many can be read, 0.1 ms each, and stored."""

    def __init__(self, server: GrpcServer) -> None:
        self._server = server
        self._state = State.OPENING
        self._seat: Seat | None = None
        # No deques and no `asyncio.Event`s: each would take most of a kilobyte for every client that idles.
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._unacked: list[Mark] = []
        self._unacked_bytes = 0
        self._acked = 0  # the seq up to which the client has acknowledged
        self._above_low_water = False  # `Seat.drained` is called when that changes
        self._idle: asyncio.Future[None] | None = None  # until there is something to write, or the end
        self._full: asyncio.Future[None] | None = None  # until the client may be read again
        self._undecided = 0
        self._reason: ChatError | None = None
        self._reader: asyncio.Task[None] | None = None
        self._task = asyncio.current_task()
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def seated(self) -> bool:
        """Whether it has ever had a seat."""
        return self._seat is not None

    async def enter(self, first: bytes, access: str, peer: str, connection: str) -> bytes:
        """Take the seat; return the welcome. Raises `ChatError`."""
        frame = client_frame_of(first)
        if frame.WhichOneof("kind") != "hello":
            raise BadRequest("the first frame of a stream must be a hello")
        seat = await self._server.hub.take_seat(hello_of(frame.hello, access), "grpc", peer, connection)
        if self._state.ended:  # the server has been stopped meanwhile
            raise self._reason or Closing("the server is going down; reconnect and resume")
        self._seat, self._state = seat, State.SEATED
        welcome = welcome_frame(seat.welcome, WINDOW)
        seat.attach(self)
        return welcome

    def listen(self, requests: AsyncIterator[bytes]) -> None:
        """Take the client's frames from now on."""
        self._reader = asyncio.create_task(self._read(requests))

    async def next(self) -> bytes | None:
        """Wait for the next frame to write; None: the client has left. Raises the reason of another end."""
        while not self._out:
            if self._state.ended:
                if self._reason is not None:
                    raise self._reason
                return None
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle
        return self._out.pop(0)

    def wrote(self, frame: bytes) -> None:
        """The library has taken this frame."""
        self._out_bytes -= len(frame)
        self._go_on()

    async def end(self) -> None:
        """The call is over, however it ended."""
        self._state = State.CLOSED
        if self._deadline is not None:
            self._deadline.cancel()
        if self._seat is not None:  # before the await, which may be cancelled
            self._seat.detach(self, self._reason)
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])

    # --- what the hub writes -------------------------------------------------------------------

    @staticmethod
    def encode(events: Sequence[Event]) -> Blob:
        frame = events_frame(events)
        return Blob(frame, (events[-1].seq, len(frame)))

    def write(self, blob: Blob) -> None:
        size = len(blob.frame)
        self._out.append(blob.frame)
        self._out_bytes += size
        self._unacked.append(blob.mark)
        self._unacked_bytes += size
        self._above_low_water = self._above_low_water or self.buffered() > LOW_WATER
        _end(self._idle)

    def buffered(self) -> int:
        return max(self._out_bytes, self._unacked_bytes // WINDOW_SCALE)

    def taken(self, written: int) -> int | None:
        """Return what HTTP/2 has taken, as acks are rare; while something waits, what was acknowledged."""
        return self._acked if self._out_bytes or self._state.ended else written

    def close(self, reason: ChatError) -> None:
        if self._state.ended:
            return
        if self._state is not State.LEAVING or not isinstance(reason, SeatGone):  # it has asked for that
            self._reason = reason
        self._state = State.CLOSING
        _end(self._idle)
        if self._task is not None:  # it may wait for a client that takes nothing
            self._deadline = asyncio.get_running_loop().call_later(LINGER, self._task.cancel)

    def _go_on(self) -> None:
        """Resume what waited for the client to take something, or for the room's decision."""
        if self._above_low_water and self.buffered() <= LOW_WATER and self._seat is not None:
            self._above_low_water = False
            self._seat.drained(self)
        if self._undecided <= MAX_UNDECIDED // 2 and self._out_bytes <= MAX_UNREAD:
            _end(self._full)

    # --- frames of the client ------------------------------------------------------------------

    async def _read(self, requests: AsyncIterator[bytes]) -> None:
        """Take the client's frames until it half-closes; it may listen on until the call ends."""
        seat = self._seat
        assert seat is not None
        try:
            async for data in requests:
                try:
                    self._take(seat, client_frame_of(data))
                except BadRequest as error:
                    self._answer(problem_frame(error))
                if self._undecided >= MAX_UNDECIDED or self._out_bytes > MAX_UNREAD:
                    self._full = asyncio.get_running_loop().create_future()
                    await self._full
        except asyncio.CancelledError:
            pass  # by `end`, or by grpc: the call is gone
        except grpc.aio.AbortError:
            pass  # by `_chat`, which has told the client why
        except Exception:
            log.exception("a stream failed")  # a bug: the client gets an error, and may reconnect
            self.close(ConnectionLost("the server failed to handle this stream; reconnect and resume"))

    def _take(self, seat: Seat, frame: pb.ClientFrame) -> None:
        match frame.WhichOneof("kind"):
            case "send" | "edit" | "delete":
                draft = draft_of(frame)
                self._undecided += 1
                seat.send(draft, self._decided)
            case "ack":
                self._acknowledged(frame.ack.seq)
            case "ping":
                self._answer(pb.ServerFrame(pong=pb.Pong(ref=frame.ping.ref)))
            case "leave":
                self._state = State.LEAVING
                seat.leave()
            case "hello":
                raise BadRequest("this stream has its seat already: a second hello is refused")
            case _:
                raise BadRequest("a frame without a kind that this server knows")

    def _acknowledged(self, seq: int) -> None:
        if marks := list(takewhile(lambda mark: mark[0] <= seq, self._unacked)):
            del self._unacked[: len(marks)]
            self._acked = marks[-1][0]
            self._unacked_bytes -= sum(size for _, size in marks)
        self._go_on()

    def _decided(self, draft: Draft, outcome: Event | Ack | ChatError) -> None:
        """Answer a draft that no event answers; an accepted draft's event is its answer."""
        self._undecided -= 1
        self._go_on()
        if isinstance(outcome, Ack):
            self._answer(pb.ServerFrame(ack=pb.DraftAck(n=outcome.n, seq=outcome.seq)))
        elif isinstance(outcome, ChatError):
            self._answer(problem_frame(outcome))

    def _answer(self, frame: pb.ServerFrame) -> None:
        if not self._state.ended:
            data = frame.SerializeToString()
            self._out.append(data)
            self._out_bytes += len(data)
            _end(self._idle)


def _end(wait: asyncio.Future[None] | None) -> None:
    if wait is not None and not wait.done():
        wait.set_result(None)
