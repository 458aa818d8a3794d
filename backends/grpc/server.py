"""The gRPC server: one bidirectional stream a person, unary calls beside it, health and reflection.

The hub's events are serialized once for everybody. A stream is a coroutine that writes what the hub hands
over; how far its peer is behind is known from its acks, because HTTP/2 alone would let megabytes pile up.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from backends.grpc import tracing
from backends.grpc.codec import (
    MAX_FRAME,
    MAX_REPLY,
    SERVICE,
    STATUS,
    access_of,
    draft_of,
    event_message,
    events_frame,
    hello_of,
    member_message,
    problem_frame,
    trailer,
    welcome_frame,
)
from chat.domain.errors import BadRequest, ChatError, Closing, ConnectionLost, Full, SeatGone
from chat.domain.model import Ack, Draft, Event
from chat.interfaces.address import Address
from chat.interfaces.server import LOW_WATER, ChatServer, Seat, Sink
from protos import chat_pb2 as pb

HELLO_TIMEOUT = 5.0
"""Seconds until the first frame must be there."""
WINDOW = 256 * 1024
"""Bytes of events that are sent ahead of the peer's acks."""
SHARE = 4
"""The part of the window that counts against the hub's marks: 256 KiB ahead are its 64 KiB."""
MAX_UNDECIDED = 1000
"""Drafts of one peer that may wait for the log; then it is not read until half of them are decided."""
MAX_UNREAD = 64 * 1024
"""Bytes of answers that a peer may leave lying; then it is not read until it has taken them."""
LINGER = 2.0
"""Seconds that a peer has to take the last words."""
LAST_STATUS = 0.1
"""Seconds that a watcher of the health is left to take the last status."""
HEALTH_EVERY = 0.5
"""Seconds between two looks at whether the hub can store what is said."""
OPTIONS = [
    ("grpc.so_reuseport", 0),  # a port that is taken is an error
    ("grpc.max_receive_message_length", MAX_FRAME),
    ("grpc.max_send_message_length", MAX_REPLY),
    ("grpc.max_metadata_size", 8192),
    ("grpc.max_concurrent_streams", 16),  # of one connection
    # A frozen peer is noticed after 8 + 4 seconds. Without ping_timeout_ms it took half a minute.
    ("grpc.keepalive_time_ms", 8_000),
    ("grpc.keepalive_timeout_ms", 4_000),
    ("grpc.http2.ping_timeout_ms", 4_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 3),
]
OPEN = "/grpc.health.v1.Health/"
"""What needs no access token: balancers ask it, and it tells nothing of what is said."""
MAX_WATCHERS = 64
"""Watchers of the health; the oldest is let go for one more, and comes again."""
MAX_SEATLESS = 256
"""Streams without a seat; the oldest is cut for one more."""

log = logging.getLogger(__name__)
Context = grpc.aio.ServicerContext[Any, Any]


class GrpcServer(ChatServer):
    async def start(self) -> Address:
        self.streams: set[Stream] = set()
        self.seatless: dict[Stream, None] = {}  # the oldest first
        self._calls: set[asyncio.Task[Any]] = set()  # those that last: streams, and watchers of the health
        interceptors = tracing.server_interceptors(self.options.settings.get("trace", "off"))
        self._server = grpc.aio.server(
            options=OPTIONS,
            interceptors=[*interceptors, Door(self.hub.admit)],
            maximum_concurrent_rpcs=2 * self.hub.limits.seats,
        )
        self._server.add_generic_rpc_handlers((self._handlers(),))
        self._health = Health(self._calls)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        port = await self._listen()
        await self._server.start()
        await self._tell(self.hub.ready)
        self._watching = asyncio.create_task(self._watch())
        return Address(self.address.host, port)

    async def _listen(self) -> int:
        """Listen at every address of the host; given its name, the library is content with one of them."""
        loop = asyncio.get_running_loop()
        host, port = self.address.host, self.address.port
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, place in found:
            port = self._add(family, Address(str(place[0]), port))
        return port

    def _add(self, family: int, address: Address) -> int:
        identity = self.options.identity
        try:
            if identity is None:
                return self._server.add_insecure_port(str(address))
            pair = (identity.key, identity.certificate)
            return self._server.add_secure_port(str(address), grpc.ssl_server_credentials([pair]))
        except RuntimeError as error:  # it does not say which
            with socket.socket(family) as probe:
                probe.bind((address.host, address.port))  # raises the system's own OSError
            raise OSError(str(error)) from None

    def _handlers(self) -> grpc.GenericRpcHandler:
        """Like the generated ``add_ChatServiceServicer_to_server``; but frames are serialized already."""
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
        for stream in list(self.streams):
            stream.close(Closing("the server is going down; come back and resume"))
        await self._server.stop(LINGER)
        if self._calls:  # whose peer has gone just before: the library does not wait for them
            await asyncio.wait(self._calls, timeout=LINGER)
        await asyncio.gather(self._watching, return_exceptions=True)

    # --- health --------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Say NOT_SERVING while nothing can be stored, so that balancers send people elsewhere."""
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
        _keep(asyncio.current_task(), self._calls)
        try:
            try:
                async with asyncio.timeout(HELLO_TIMEOUT) as stream.patience:
                    self.seatless[stream] = None
                    if len(self.seatless) > MAX_SEATLESS:
                        next(iter(self.seatless)).make_room()
                    first = await anext(requests, None)
            except TimeoutError:
                if stream in self.seatless:
                    await context.abort(
                        grpc.StatusCode.DEADLINE_EXCEEDED, f"no hello came within {HELLO_TIMEOUT:.0f} s"
                    )
                full = Full(f"more than {MAX_SEATLESS} streams said nothing, and yours was the oldest")
                await context.abort(STATUS[full.code], str(full), trailer(full))
            self.seatless.pop(stream, None)
            if first is None:
                return
            try:
                yield await stream.enter(first, access_of(context.invocation_metadata()))
                async for frame in stream.serve(requests):
                    yield frame
            except ChatError as error:
                await context.abort(STATUS[error.code], str(error), trailer(error))
        finally:
            self.streams.discard(stream)
            self.seatless.pop(stream, None)
            await stream.end()

    async def _history(self, request: pb.HistoryRequest, context: Context) -> pb.HistoryReply:
        after = request.after if request.HasField("after") else None
        before = request.before if request.HasField("before") else None
        try:
            room = await self.hub.look(request.room, access_of(context.invocation_metadata()))
            events = await room.history(after, before, request.limit or self.hub.limits.page)
        except ChatError as error:
            await context.abort(STATUS[error.code], str(error), trailer(error))
        return pb.HistoryReply(events=map(event_message, events))

    async def _members(self, request: pb.MembersRequest, context: Context) -> pb.MembersReply:
        try:
            room = await self.hub.look(request.room, access_of(context.invocation_metadata()))
        except ChatError as error:
            await context.abort(STATUS[error.code], str(error), trailer(error))
        return pb.MembersReply(members=map(member_message, room.members()))


class Health(health.aio.HealthServicer):
    """The standard service; its watchers, who never end by themselves, are let go when the server stops."""

    def __init__(self, calls: set[asyncio.Task[Any]]) -> None:
        super().__init__()
        self._calls = calls
        self._watchers: dict[asyncio.Event, None] = {}  # set: let go; the oldest first

    async def Watch(self, request: Any, context: Any) -> None:
        _keep(asyncio.current_task(), self._calls)
        let_go = asyncio.Event()
        self._watchers[let_go] = None
        if len(self._watchers) > MAX_WATCHERS:
            oldest = next(iter(self._watchers))
            del self._watchers[oldest]
            oldest.set()
        watch = asyncio.ensure_future(super().Watch(request, context))
        stopped = asyncio.ensure_future(let_go.wait())
        try:
            await asyncio.wait([watch, stopped], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([watch], timeout=LAST_STATUS if let_go.is_set() else None)
        finally:
            self._watchers.pop(let_go, None)
            watch.cancel()
            stopped.cancel()
            await asyncio.wait([watch, stopped])

    async def stop(self) -> None:
        """Tell every watcher NOT_SERVING, for good, and end."""
        await self.enter_graceful_shutdown()
        for let_go in self._watchers:
            let_go.set()


def _keep(task: asyncio.Task[Any] | None, calls: set[asyncio.Task[Any]]) -> None:
    if task is not None:
        calls.add(task)
        task.add_done_callback(calls.discard)


class Door(grpc.aio.ServerInterceptor):
    """Lets no call in without the access token, where one is asked for: whichever method, before it begins.

    Taking a seat and looking at a room ask for it again; this is for what does neither.
    """

    def __init__(self, admit: Callable[[str], None]) -> None:
        self._admit = admit

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(OPEN):
            return handler
        try:
            self._admit(access_of(handler_call_details.invocation_metadata))
        except ChatError as error:
            return _refuse(error, stream=handler.request_streaming)
        return handler


def _refuse(error: ChatError, *, stream: bool) -> grpc.RpcMethodHandler[Any, Any]:
    async def refuse(_: Any, context: Context) -> Any:
        await context.abort(STATUS[error.code], str(error), trailer(error))

    async def refuse_stream(requests: Any, context: Context) -> AsyncIterator[bytes]:
        await refuse(requests, context)
        yield b""  # never; but it makes a generator of this, which is what a tracing interceptor expects

    if stream:
        return grpc.stream_stream_rpc_method_handler(refuse_stream)
    return grpc.unary_unary_rpc_method_handler(refuse)


class Blob(NamedTuple):
    """What is written to every stream: one frame, and the seq of the last event in it."""

    frame: bytes
    seq: int


class Stream(Sink[Blob]):
    """One person's stream: reads its frames, writes the hub's, and is the sink of its seat."""

    coalescing = 0.03
    """A frame costs 50 us a reader here, however much is in it: under load fewer and larger ones are sent."""

    def __init__(self, server: GrpcServer) -> None:
        self.patience: asyncio.Timeout
        """With who has not said hello."""
        self._server = server
        self._seat: Seat | None = None
        self._out: deque[bytes] = deque()
        self._out_bytes = 0
        self._unacked: deque[tuple[int, int]] = deque()  # seq and size of the frames with events
        self._unacked_bytes = 0
        self._above = False  # of the hub's low-water mark
        self._news = asyncio.Event()  # something to write, or the end
        self._room = asyncio.Event()  # the peer may be read
        self._room.set()
        self._undecided = 0
        self._reason: ChatError | None = None
        self._over = False
        self._leaving = False
        self._reader: asyncio.Task[None] | None = None
        self._task = asyncio.current_task()
        self._deadline: asyncio.TimerHandle | None = None

    async def enter(self, first: bytes, access: str) -> bytes:
        """Take the seat; return the welcome. Raises `ChatError`."""
        frame = _parse(first)
        if frame.WhichOneof("kind") != "hello":
            raise BadRequest("the first frame of a stream must be a hello")
        seat = await self._server.hub.take_seat(hello_of(frame.hello, access), "grpc")
        if self._over:  # the server has been stopped meanwhile
            raise self._reason or Closing("the server is going down; come back and resume")
        self._seat = seat
        welcome = welcome_frame(seat.welcome, WINDOW).SerializeToString()
        seat.attach(self)
        return welcome

    def make_room(self) -> None:
        """End for one more stream that says nothing."""
        del self._server.seatless[self]
        self.patience.reschedule(0.0)

    async def serve(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield frames until the stream is over; raises why, unless its owner has left."""
        self._reader = asyncio.create_task(self._read(requests))
        while True:
            while self._out:
                frame = self._out.popleft()
                yield frame  # waits while HTTP/2's own window is full
                self._out_bytes -= len(frame)
                self._ease()
            if self._over:
                break
            self._news.clear()
            await self._news.wait()
        if self._reason is not None and not (self._leaving and isinstance(self._reason, SeatGone)):
            raise self._reason

    async def end(self) -> None:
        """The call is over, however it ended."""
        self._over = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._seat is not None:  # before the await, which may be cancelled
            self._seat.detach(self)
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])

    # --- what the hub writes -------------------------------------------------------------------

    @staticmethod
    def encode(events: Sequence[Event]) -> Blob:
        return Blob(events_frame(events), events[-1].seq)

    def write(self, blob: Blob) -> None:
        size = len(blob.frame)
        self._out.append(blob.frame)
        self._out_bytes += size
        self._unacked.append((blob.seq, size))
        self._unacked_bytes += size
        self._above = self._above or self.buffered() > LOW_WATER
        self._news.set()

    def buffered(self) -> int:
        return max(self._out_bytes, self._unacked_bytes // SHARE)

    def close(self, reason: ChatError) -> None:
        if self._over:
            return
        self._reason, self._over = reason, True
        self._news.set()
        if self._task is not None:  # it may wait for a peer that takes nothing
            self._deadline = asyncio.get_running_loop().call_later(LINGER, self._task.cancel)

    def _ease(self) -> None:
        """Some of what was written is taken: let the hub, or the peer, go on."""
        if self._above and self.buffered() <= LOW_WATER and self._seat is not None:
            self._above = False
            self._seat.drained(self)
        if self._undecided <= MAX_UNDECIDED // 2 and self._out_bytes <= MAX_UNREAD:
            self._room.set()

    # --- what the peer says --------------------------------------------------------------------

    async def _read(self, requests: AsyncIterator[bytes]) -> None:
        seat = self._seat
        assert seat is not None
        try:
            async for data in requests:
                try:
                    self._take(seat, _parse(data))
                except BadRequest as error:
                    self._answer(problem_frame(error))
                if self._undecided >= MAX_UNDECIDED or self._out_bytes > MAX_UNREAD:
                    self._room.clear()
                    await self._room.wait()
        except asyncio.CancelledError:
            pass  # by `end`, or by grpc: the call is gone
        except grpc.aio.AbortError:
            pass  # by `_chat`, which has told the peer why
        except Exception:
            log.exception("a stream failed")  # ours: its peer is told, and comes back
            self.close(ConnectionLost("the server failed at this stream; come back and resume"))
        if not self._leaving:
            self._over = True
            self._news.set()

    def _take(self, seat: Seat, frame: pb.ClientFrame) -> None:
        match frame.WhichOneof("kind"):
            case "send" | "edit" | "delete":
                draft = draft_of(frame)
                self._undecided += 1
                seat.send(draft, self._decided)
            case "ack":
                unacked = self._unacked
                while unacked and unacked[0][0] <= frame.ack.seq:
                    self._unacked_bytes -= unacked.popleft()[1]
                self._ease()
            case "ping":
                self._answer(pb.ServerFrame(pong=pb.Pong(ref=frame.ping.ref)))
            case "leave":
                self._leaving = True
                seat.leave()
            case "hello":
                raise BadRequest("hello was said already; this stream has its seat")
            case _:
                raise BadRequest("a frame without a kind that this server knows")

    def _decided(self, draft: Draft, outcome: Event | Ack | ChatError) -> None:
        """Say what no event says; an accepted draft's answer is its event."""
        self._undecided -= 1
        self._ease()
        if isinstance(outcome, Ack):
            self._answer(pb.ServerFrame(ack=pb.DraftAck(n=outcome.n, seq=outcome.seq)))
        elif isinstance(outcome, ChatError):
            self._answer(problem_frame(outcome))

    def _answer(self, frame: pb.ServerFrame) -> None:
        if not self._over:
            data = frame.SerializeToString()
            self._out.append(data)
            self._out_bytes += len(data)
            self._news.set()


def _parse(data: bytes) -> pb.ClientFrame:
    try:
        return pb.ClientFrame.FromString(data)
    except DecodeError:
        raise BadRequest("the frame is no chat.v1.ClientFrame") from None
