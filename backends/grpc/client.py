"""The gRPC client: one channel, one stream for the chat, unary calls beside it.

Only two tasks touch the stream, one that writes and one that reads: in grpc.aio, cancelling a task that waits
for a write or a read cancels the whole call.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from time import perf_counter
from typing import Any, TypeVar

import grpc

from backends.grpc import tracing
from backends.grpc.codec import (
    MAX_FRAME,
    MAX_REPLY,
    SERVICE,
    credentials,
    draft_frame,
    event_of,
    hello_frame,
    member_of,
    problem_of,
    refusal,
    welcome_of,
)
from backends.grpc.ending import Ending, released
from chat.domain.errors import BadRequest, BadText, ChatError, ConnectionLost
from chat.domain.model import Ack, Draft, Event, Hello, Member, Welcome
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.language import N_
from chat.transport.errors import (
    closed_without_a_word,
    connection_refused,
    no_tls,
    not_our_words,
    not_trusted,
    silent,
)
from chat.transport.inbox import Inbox
from chat.transport.pending_replies import PendingReplies
from chat.transport.stream_client import GOODBYE_TIMEOUT, WELCOME_TIMEOUT
from protos import chat_pb2 as pb
from protos.chat_pb2_grpc import ChatServiceStub

DEADLINE = 10.0
"""Seconds that a unary call may take; the server knows the deadline, too."""
ACKS_PER_WINDOW = 5
"""How often a window's worth of events is acknowledged: each ack costs the server as much as a write."""
UNREADABLE = N_("what it sent can't be decoded")
"""Said where grpc.aio returned None: it does so for a message that it can't decode, and only logs why."""
OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.use_local_subchannel_pool", 1),  # share no connection with other clients in this process
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),  # the session sends again, and knows which drafts
    ("grpc.max_send_message_length", MAX_FRAME),
    ("grpc.max_receive_message_length", MAX_REPLY),
    # A frozen server is noticed after 8 + 4 seconds. Without ping_timeout_ms it took half a minute.
    ("grpc.keepalive_time_ms", 8_000),
    ("grpc.keepalive_timeout_ms", 4_000),
    ("grpc.http2.ping_timeout_ms", 4_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    # How long an attempt may last: when a frozen server goes on, it answers the one that is under way.
    ("grpc.min_reconnect_backoff_ms", int(WELCOME_TIMEOUT * 1000)),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]
BALANCE = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": SERVICE},
}
"""With several servers: each new call goes to the next one, and none to a server that says NOT_SERVING."""


T = TypeVar("T")


class GrpcClient(ChatClient):
    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self._channel: grpc.aio.Channel | None = None
        self._stream: _Stream | None = None
        self._metadata: Any = ()
        self._room = ""

    async def connect(self, hello: Hello) -> Welcome:
        self._metadata = credentials(hello.access)
        first = hello_frame(hello)
        self._channel = self._open()
        self._stub = ChatServiceStub(self._channel)
        call = self._stub.Chat(metadata=self._metadata)
        try:
            return await self._enter(call, first)
        except BaseException:
            call.cancel()  # the library does not, if a write is given up at the moment of the connection
            raise

    async def _enter(self, call: Any, first: pb.ClientFrame) -> Welcome:
        ending = Ending(call)
        frames: Any = aiter(call)  # unlike `call.read`, it reads on to the end when a write has failed
        frame: Any = grpc.aio.EOF
        try:
            async with asyncio.timeout(WELCOME_TIMEOUT):
                await call.write(first)
                frame = await anext(frames, grpc.aio.EOF)
        except TimeoutError:
            raise ConnectionLost(silent(self.address)) from None
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # it was refused; the second, if it was so before the hello was written
        if frame is grpc.aio.EOF:
            error = await ending.error()
            if error is None:
                raise ConnectionLost("the server ended the stream")
            raise refusal(error) or self._lost(error)
        if frame is None or frame.WhichOneof("kind") != "welcome":
            await frames.aclose()
            raise ConnectionLost(not_our_words(self.address, "grpc", N_("its first frame is no welcome")))
        self._room = frame.welcome.room
        self._stream = _Stream(call, frames, ending, frame.welcome)
        return welcome_of(frame.welcome)

    def _open(self) -> grpc.aio.Channel:
        also, trust = self.options.also, self.options.trust
        options = [*OPTIONS]
        if also:
            options.append(("grpc.service_config", json.dumps(BALANCE)))
        target = _target([self.address, *also])
        interceptors = tracing.client_interceptors(self.options.settings.get("trace", "off"))
        if trust is None:
            return grpc.aio.insecure_channel(target, options, interceptors=interceptors)
        if name := trust.server_name or (also and self.address.host):
            # Of several servers, all must have a certificate for the first one's name.
            options.append(("grpc.ssl_target_name_override", name))
        return grpc.aio.secure_channel(
            target, grpc.ssl_channel_credentials(trust.authorities), options, interceptors=interceptors
        )

    def _lost(self, error: grpc.aio.AioRpcError) -> ConnectionLost:
        """Say for a person why the library could not do it."""
        details, code = error.details() or "", error.code()
        where = ", ".join(map(str, (self.address, *self.options.also)))
        if "CERTIFICATE_VERIFY_FAILED" in details or "Hostname Verification Check failed" in details:
            return ConnectionLost(not_trusted(where))
        if self.options.trust is not None and ("handshake" in details or "SSL" in details):
            return ConnectionLost(no_tls(where))
        if "onnection refused" in details:
            if self.options.also:
                return ConnectionLost(
                    f"nothing listens on any of {where}: start a server there with chat serve"
                )
            return ConnectionLost(connection_refused(self.address, ConnectionRefusedError()))
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return ConnectionLost(f"{where} has not answered for {DEADLINE:.0f} s")
        if "HTTP/2" in details or "SETTINGS" in details:
            return ConnectionLost(not_our_words(self.address, "grpc"))
        if "ocket closed" in details or "end of file" in details:
            return ConnectionLost(closed_without_a_word(self.address))
        return ConnectionLost(f"no connection to {where}: {code.name}, {details}")

    async def send(self, draft: Draft) -> Ack | None:
        if not draft.n:
            raise BadRequest("a draft needs a number, counted from 1: its answer refers to it")
        frame = draft_frame(draft)
        if frame.ByteSize() > MAX_FRAME:  # it would end the stream, and again after each reconnect
            raise BadText(f"a message may have {MAX_FRAME} bytes on the wire, this one has more", n=draft.n)
        return await self._connected().request(frame, ("draft", draft.n), _ack)

    def answered(self, n: int) -> None:
        self._connected().replies.resolve(("draft", n), None)

    async def events(self) -> AsyncIterator[list[Event]]:
        stream = self._connected()
        while batch := await stream.next_batch():
            yield batch

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        try:
            request = pb.HistoryRequest(room=self._room, after=after, before=before, limit=limit)
        except ValueError as error:
            raise BadRequest(f"not a valid number in a history request: {error}") from None
        reply = await self._call(lambda: self._stub.History(request, **self._terms()))
        return list(map(event_of, reply.events))

    async def members(self) -> list[Member]:
        request = pb.MembersRequest(room=self._room)
        reply = await self._call(lambda: self._stub.Members(request, **self._terms()))
        return list(map(member_of, reply.members))

    def _terms(self) -> dict[str, Any]:
        return {"metadata": self._metadata, "timeout": DEADLINE}

    async def _call(self, call: Any) -> Any:
        self._connected().check()
        try:
            if (reply := await call()) is None:
                raise ConnectionLost(not_our_words(self.address, "grpc", UNREADABLE))
            return reply
        except grpc.aio.AioRpcError as error:
            raise refusal(error) or self._lost(error) from None
        except (grpc.aio.UsageError, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                self._connected().check()  # closed while it was under way
            raise

    async def ping(self) -> float:
        stream = self._connected()
        ref = stream.next_ref()
        start = perf_counter()
        await stream.request(pb.ClientFrame(ping=pb.Ping(ref=ref)), ("ref", ref), lambda _: None)
        return perf_counter() - start

    async def close(self, *, leave: bool = True) -> None:
        if self._stream is not None:
            await self._stream.close(leave)
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close()
            if self._stream is None:
                await released()

    def activity(self) -> str:
        """Say how many events a frame has carried, on average: more than one under load."""
        counts = self.counts()
        average = f"{counts['events'] / counts['frames']:.1f}" if counts["frames"] else ""
        return N_(f"{average} events a frame") if average else ""

    def counted(self) -> Mapping[str, int]:
        if self._stream is None:
            return {}
        return {"frames": self._stream.frames, "events": self._stream.received}

    def _connected(self) -> _Stream:
        if self._stream is None:
            raise ConnectionLost("not connected")
        return self._stream


def _target(addresses: list[Address]) -> str:
    """Return the addresses as a gRPC name: a host name for its resolver, or a list of numeric addresses.

    The list is shuffled: a channel's first call, which is the chat's stream, goes to the first server that
    answers.

    Raises `ChatError` for a list that gRPC can't take.
    """
    versions: set[int] = set()
    for address in addresses:
        try:
            versions.add(ipaddress.ip_address(address.host).version)
        except ValueError:
            versions.add(0)
    if versions == {0} and len(addresses) == 1:
        return f"dns:///{addresses[0]}"
    if 0 in versions or len(versions) > 1:
        raise ChatError(
            "several servers for gRPC must all be numeric, of one kind: ipv4:10.0.0.1:50051,10.0.0.2:50051"
        )
    return f"ipv{versions.pop()}:" + ",".join(map(str, random.sample(addresses, len(addresses))))


def _ack(message: pb.DraftAck | None) -> Ack | None:
    """Return the acknowledgement; None for a draft that the client has seen as an event."""
    return None if message is None else Ack(message.n, message.seq)


class _Stream:
    """The bidirectional stream: frames up, events and replies down."""

    def __init__(self, call: Any, frames: Any, ending: Ending, welcome: pb.Welcome) -> None:
        self._call = call
        self._frames = frames
        self._ending = ending
        self._ack_every = max(1, welcome.window // ACKS_PER_WINDOW)  # bytes
        self.frames = 0
        self.received = 0
        self.replies = PendingReplies()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._inbox = Inbox(self._may_read.clear, self._may_read.set)
        self._inbox_bytes = 0
        self._unacked_bytes = 0
        self._out: deque[pb.ClientFrame] = deque()
        self._to_write = asyncio.Event()
        self._ref = 0
        self._over = False
        self._reason: ChatError = ConnectionLost("the connection is closed")
        self._reader = asyncio.create_task(self._read())
        self._writer = asyncio.create_task(self._write())

    # --- requests ------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise `ConnectionLost` if the stream is over."""
        if self._over:
            raise ConnectionLost(str(self._reason))

    async def request(self, frame: pb.ClientFrame, key: tuple[str, int], read: Callable[[Any], T]) -> T:
        """Send a frame, and wait for the reply that carries the draft's or the request's number."""
        self.check()
        self._send(frame)
        return await self.replies.wait(key, read)

    def next_ref(self) -> int:
        self._ref += 1
        return self._ref

    def _send(self, frame: pb.ClientFrame) -> None:
        self._out.append(frame)
        self._to_write.set()

    async def next_batch(self) -> list[Event]:
        """Return the events that have come, as `Inbox.take`; acknowledge them now and then."""
        batch = await self._inbox.take()
        self._unacked_bytes += self._inbox_bytes
        self._inbox_bytes = 0
        if batch and self._unacked_bytes >= self._ack_every and not self._over:
            self._unacked_bytes = 0
            self._send(pb.ClientFrame(ack=pb.EventsAck(seq=batch[-1].seq)))
        return batch

    async def close(self, leave: bool) -> None:
        self._inbox.close()
        try:
            if not self._over and leave:
                self._send(pb.ClientFrame(leave=pb.Leave()))
                await asyncio.wait([self._reader], timeout=GOODBYE_TIMEOUT)
            for task in (self._reader, self._writer):
                task.cancel()
            await asyncio.wait([self._reader, self._writer])
        finally:
            self._call.cancel()

    # --- the stream ----------------------------------------------------------------------------

    async def _write(self) -> None:
        try:
            while True:
                while self._out:
                    await self._call.write(self._out.popleft())
                self._to_write.clear()
                await self._to_write.wait()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # the reader finds out why

    async def _read(self) -> None:
        try:
            with suppress(grpc.aio.AioRpcError):
                async for frame in self._frames:
                    self._take(frame)
                    await self._may_read.wait()
            self._reason = await self._ended()
        except ChatError as error:
            self._reason = ConnectionLost(f"this is not a chat server: {error}")
        finally:
            self._over = True
            self._inbox.end(self._reason)
            self.replies.fail(self._reason)
            await self._frames.aclose()

    async def _ended(self) -> ChatError:
        """Return why the stream is over."""
        error = await self._ending.error()
        if error is None:
            return ConnectionLost("the server ended the stream")
        return refusal(error) or ConnectionLost(f"the stream broke: {error.code().name}, {error.details()}")

    def _take(self, frame: pb.ServerFrame | None) -> None:
        if frame is None:
            raise BadRequest(UNREADABLE)
        match frame.WhichOneof("kind"):
            case "events":
                self.frames += 1
                self.received += len(frame.events.events)
                self._inbox_bytes += frame.events.ByteSize()
                self._inbox.put(list(map(event_of, frame.events.events)))
            case "ack":
                self.replies.resolve(("draft", frame.ack.n), frame.ack)
            case "pong":
                self.replies.resolve(("ref", frame.pong.ref), None)
            case "problem":
                self.replies.refuse(("draft", frame.problem.n), problem_of(frame.problem))
