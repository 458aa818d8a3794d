"""Calls by hand, with nothing but the generated stub: what status ends them, and what the server survives."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import backends
import backends.grpc.health
import backends.grpc.server
import chat.server.hub
from backends.grpc.codec import SERVICE, STATUS
from backends.grpc.server import WINDOW, Stream
from chat.domain.errors import ERRORS, BadText, Closing, NotStored
from chat.domain.model import Hello, Limits, Say
from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from chat.server.fanout import PAGE_BYTES
from chat.server.hub import Hub
from chat.server.seat import HubSeat
from protos import chat_pb2 as pb
from protos.chat_pb2_grpc import ChatServiceStub
from tests.support.kit import Connect, Serving
from tests.support.people import Person
from tests.support.stage import Disk, running

HELLO = pb.ClientFrame(hello=pb.Hello(room="lab", nick="me"))
NO_PROXY = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]


@pytest.fixture
def technique() -> Technique:
    return backends.technique("grpc")


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def channel(server: Serving) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(str(server.address), NO_PROXY) as channel:
        yield channel
    # The library ends its own task of a cancelled call a moment later.
    inside = [task for task in asyncio.all_tasks() if "_AioCall" in repr(task.get_coro())]
    if inside:
        await asyncio.wait(inside, timeout=5)


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return ChatServiceStub(channel)


async def come_in(stub: Any, **hello: Any) -> Any:
    """Return a stream whose welcome has come."""
    call = stub.Chat()
    await call.write(pb.ClientFrame(hello=pb.Hello(**{"room": "lab", "nick": "me", **hello})))
    assert (await call.read()).WhichOneof("kind") == "welcome"
    return call


async def until(call: Any, kind: str) -> Any:
    """Return the next frame of this kind."""
    while True:
        frame = await call.read()
        assert frame is not grpc.aio.EOF, await call.code()
        if frame.WhichOneof("kind") == kind:
            return getattr(frame, kind)


async def ending(call: Any) -> tuple[grpc.StatusCode, dict[str, Any]]:
    """Read to the end; return the status and the trailing metadata."""
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError:
        pass
    return await call.code(), dict(await call.trailing_metadata() or ())


# --- status codes --------------------------------------------------------------------------------


def test_every_error_has_a_status() -> None:
    assert set(STATUS) == set(ERRORS)
    assert grpc.StatusCode.OK not in STATUS.values()


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    trailing = dict(error.value.trailing_metadata() or ())
    return error.value.code(), str(trailing.get("chat-error", ""))


async def test_a_unary_call_that_is_refused_has_a_status_and_a_code(stub: Any) -> None:
    assert await refused(stub.Members(pb.MembersRequest(room="nowhere"))) == (
        grpc.StatusCode.NOT_FOUND,
        "no_such_room",
    )
    assert await refused(stub.History(pb.HistoryRequest(room="No Room"))) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "bad_name",
    )


@pytest.mark.parametrize("access", ["secret"])
async def test_without_the_token_no_call_gets_in(stub: Any, access: str) -> None:
    denied = (grpc.StatusCode.UNAUTHENTICATED, "access_denied")
    for metadata in ((), (("authorization", "Bearer wrong"),), (("authorization", "secret"),)):
        assert await refused(stub.Members(pb.MembersRequest(room="lab"), metadata=metadata)) == denied
        code, trailing = await ending(stub.Chat(metadata=metadata))
        assert (code, trailing["chat-error"]) == denied


@pytest.mark.parametrize("access", ["secret"])
async def test_health_can_be_asked_without_the_token(channel: grpc.aio.Channel, access: str) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    reply = await stub.Check(health_pb2.HealthCheckRequest())
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


async def test_who_says_no_hello_runs_into_the_deadline(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends.grpc.server, "HELLO_TIMEOUT", 0.05)
    code, _ = await ending(stub.Chat())
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_the_callers_deadline_ends_a_stream_and_the_seat_stays(stub: Any, hub: Hub) -> None:
    call = stub.Chat(timeout=2)
    await call.write(HELLO)
    assert (await call.read()).WhichOneof("kind") == "welcome"
    assert (await ending(call))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    assert hub.seats == 1


async def test_a_first_frame_that_is_no_hello_is_refused(stub: Any) -> None:
    call = stub.Chat()
    await call.write(pb.ClientFrame(ping=pb.Ping(ref=1)))
    assert (await ending(call))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_method_is_unimplemented(channel: grpc.aio.Channel) -> None:
    nothing: Any = channel.unary_unary(f"/{SERVICE}/Nothing")
    assert (await refused(nothing(b"")))[0] is grpc.StatusCode.UNIMPLEMENTED


# --- frames that are none ------------------------------------------------------------------------

BAD = {
    "not protobuf": b"\xff\xff\xff",
    "cut short": b"\x12\x7fhello",
    "text that is not UTF-8": b"\x12\x04\x12\x02\xff\xfe",
    "empty": b"",
    "a kind of tomorrow": b"\xa2\x06\x00",
    "a number over 2^53": pb.ClientFrame(send=pb.Send(n=2**53, text="x")).SerializeToString(),
    "an id over 2^53": pb.ClientFrame(delete=pb.Delete(id=2**64 - 1)).SerializeToString(),
    "hello again": HELLO.SerializeToString(),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_frame_that_is_none_is_a_problem_and_the_stream_goes_on(
    channel: grpc.aio.Channel, name: str
) -> None:
    call: Any = channel.stream_stream(f"/{SERVICE}/Chat", response_deserializer=pb.ServerFrame.FromString)()
    await call.write(HELLO.SerializeToString())
    await call.write(BAD[name])
    problem = await until(call, "problem")
    assert (problem.code, bool(problem.text)) == ("bad_request", True)
    await call.write(pb.ClientFrame(send=pb.Send(n=1, text="still here")).SerializeToString())
    while not any(event.text == "still here" for event in (await until(call, "events")).events):
        pass
    call.cancel()


@pytest.mark.parametrize("name", [name for name in BAD if name != "hello again"])
async def test_a_first_frame_that_is_none_ends_the_stream(channel: grpc.aio.Channel, name: str) -> None:
    call: Any = channel.stream_stream(f"/{SERVICE}/Chat")()
    await call.write(BAD[name])
    assert (await ending(call))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_frame_over_the_limit_ends_the_stream(stub: Any, connect: Connect) -> None:
    bob, _ = await connect("bob")
    call = await come_in(stub)
    await call.write(pb.ClientFrame(send=pb.Send(n=1, text="x" * 70_000)))
    assert (await ending(call))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await bob.ping() > 0


async def test_a_draft_without_a_number_gets_one(stub: Any) -> None:
    call = await come_in(stub)
    for text in ("one", "two"):
        await call.write(pb.ClientFrame(send=pb.Send(text=text)))
    numbers: list[int] = []
    while len(numbers) < 2:
        numbers += [event.n for event in (await until(call, "events")).events if event.n]
    assert numbers == [1, 2]
    call.cancel()


# --- coming and going ----------------------------------------------------------------------------


async def test_who_leaves_sees_it_and_the_stream_ends_well(stub: Any, hub: Hub) -> None:
    call = await come_in(stub)
    await call.write(pb.ClientFrame(leave=pb.Leave()))
    last = None
    while (frame := await call.read()) is not grpc.aio.EOF:
        last = frame.events.events[-1]
    assert last is not None
    assert (last.kind, last.author) == (pb.Event.LEFT, "me")
    assert await call.code() is grpc.StatusCode.OK
    assert hub.seats == 0


async def test_who_ends_only_the_own_side_keeps_the_seat(stub: Any, hub: Hub) -> None:
    call = await come_in(stub)
    await call.done_writing()
    assert (await ending(call))[0] is grpc.StatusCode.OK
    assert hub.seats == 1


async def test_a_server_that_stops_is_unavailable(stub: Any, server: Serving) -> None:
    call = await come_in(stub)
    await server.server.stop()
    code, trailing = await ending(call)
    assert (code, trailing["chat-error"]) == (grpc.StatusCode.UNAVAILABLE, "closing")


async def test_a_call_that_is_cancelled_twice_still_frees_the_seat(
    connect: Connect, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library does that now and then: once when the peer has gone, and again when the call is cleared."""
    end = Stream.end

    async def end_and_be_cancelled(self: Stream) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        await end(self)

    monkeypatch.setattr(Stream, "end", end_and_be_cancelled)
    away = asyncio.Event()
    detach = HubSeat.detach

    def detached(self: HubSeat, sink: Any = None) -> None:
        detach(self, sink)
        away.set()

    monkeypatch.setattr(HubSeat, "detach", detached)
    client, _ = await connect("ann")
    await client.close(leave=False)
    async with asyncio.timeout(10):
        await away.wait()
    (seat,) = hub._rooms["lab"].seats.values()
    assert seat.expires_in() is not None


async def test_an_end_of_ours_is_no_error_of_ours(
    connect: Connect, server: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    client, _ = await connect("ann")
    await server.server.stop()
    with pytest.raises(Closing):
        async for _ in client.events():
            pass
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_draft_that_no_frame_can_hold_is_refused_and_the_stream_goes_on(ann: Person) -> None:
    with pytest.raises(BadText) as refused:
        await ann.say("x" * 70_000, n=1)
    assert refused.value.n == 1
    await ann.say("and on we go", n=1)


async def test_watchers_do_not_keep_anybody_out(
    channel: grpc.aio.Channel, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends.grpc.health, "MAX_WATCHERS", 3)
    health: Any = health_pb2_grpc.HealthStub(channel)
    watches = []
    for _ in range(6):
        watches.append(health.Watch(health_pb2.HealthCheckRequest()))
        assert (await watches[-1].read()).status == health_pb2.HealthCheckResponse.SERVING
    for watch in watches[:3]:
        assert (await ending(watch))[0] is grpc.StatusCode.OK
    await connect("ann")
    for watch in watches[3:]:
        watch.cancel()


async def test_of_streams_that_say_nothing_the_oldest_is_cut(
    stub: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends.grpc.server, "MAX_UNAUTHENTICATED", 3)
    silent = [stub.Chat() for _ in range(5)]
    endings = [asyncio.create_task(ending(call)) for call in silent]
    for next_one in itertools.islice(asyncio.as_completed(endings), 2):
        assert (await next_one)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    await connect("ann")
    for call in silent:
        call.cancel()
    await asyncio.gather(*endings, return_exceptions=True)


# --- flow control --------------------------------------------------------------------------------


@pytest.fixture
async def ann(connect: Connect) -> AsyncIterator[Person]:
    person = Person(*await connect("ann"))
    person.listen()
    yield person
    await person.stop()


async def read_on(call: Any, frames: list[pb.ServerFrame]) -> None:
    while (frame := await call.read()) is not grpc.aio.EOF:
        frames.append(frame)


async def test_who_acks_nothing_gets_the_window_and_no_more(stub: Any, ann: Person) -> None:
    """Several windows wait for it; when the ring has moved on it is cut, and can resume where it was."""
    call = await come_in(stub)
    for _ in range(1200):
        await ann.say("x" * 1000)
    frames: list[pb.ServerFrame] = []
    with pytest.raises(grpc.aio.AioRpcError) as cut:
        await read_on(call, frames)
    assert cut.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(cut.value.trailing_metadata() or ())["chat-error"] == "slow_reader"
    assert 0 < sum(frame.ByteSize() for frame in frames) <= WINDOW + 2 * PAGE_BYTES
    last = frames[-1].events.events[-1].seq
    (event,) = await ann.client.history(after=last, limit=1)
    assert event.prev == last, "nothing is missing before what comes next"


async def test_who_acks_gets_everything(stub: Any, ann: Person) -> None:
    call = await come_in(stub)
    seen: list[pb.Event] = []
    for number in range(1200):
        ack = await ann.say("x" * 1000)
        if number % 50 == 49:
            while not seen or seen[-1].seq < ack.seq:
                seen += (await until(call, "events")).events
                await call.write(pb.ClientFrame(ack=pb.EventsAck(seq=seen[-1].seq)))
    assert all(event.prev == before.seq for before, event in itertools.pairwise(seen))
    assert len(seen) > 1200
    call.cancel()


# --- health --------------------------------------------------------------------------------------


async def test_health_follows_what_the_server_can_do(
    technique: Technique, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is NOT_SERVING, a disk with room again SERVING, and a server that stops says so first."""
    monkeypatch.setattr(chat.server.hub, "UNREADY", 3600.0)
    monkeypatch.setattr(backends.grpc.server, "HEALTH_EVERY", 0.01)
    status = health_pb2.HealthCheckResponse
    disk = Disk()
    async with running(disk) as hub:
        server = technique.load_server()(hub, Address("127.0.0.1", 0))
        address = await server.start()
        client = technique.load_client()(address)
        await client.connect(Hello("lab", "ann"))
        async with grpc.aio.insecure_channel(str(address), NO_PROXY) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
            assert (await watch.read()).status == status.SERVING
            disk.full = True
            with pytest.raises(NotStored):
                await client.send(Say("lost", 1))
            assert (await watch.read()).status == status.NOT_SERVING
            disk.full = False
            monkeypatch.setattr(chat.server.hub, "UNREADY", 0.0)
            assert (await watch.read()).status == status.SERVING
            await client.close()
            await server.stop()
            assert (await watch.read()).status == status.NOT_SERVING
            await ending(watch)
