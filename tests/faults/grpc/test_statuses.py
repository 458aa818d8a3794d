"""What status ends a call, and that a client gets it, whatever it is doing then."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from typing import Any

import grpc
import pytest

import backends.grpc.first_frames
import backends.grpc.health
import backends.grpc.server
from backends.grpc.codec import SERVICE, STATUS
from backends.grpc.first_frames import FirstFrames
from chat.domain.errors import ERRORS, ConnectionLost, SeatTaken
from chat.interfaces.client import ChatClient
from chat.server.hub import Hub
from protos import chat_pb2 as pb
from tests.support.grpc_peer import HELLO, ending, refused
from tests.support.kit import Connect, Serving


def test_every_error_has_a_status() -> None:
    assert set(STATUS) == set(ERRORS)
    assert grpc.StatusCode.OK not in STATUS.values()


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
        call = stub.Chat(metadata=metadata)
        await call.write(HELLO)
        code, trailing = await ending(call)
        assert (code, trailing["chat-error"]) == denied


@pytest.mark.parametrize(
    ("access", "shown"),
    [
        ("100%25-mine", "Bearer 100%25-mine"),
        ("100%25-mine", "bearer 100%2525-mine"),
        ("50% off", "BEARER 50% off"),
        ("ä", "bearer %c3%A4"),
    ],
)
async def test_the_token_is_taken_as_it_is_and_percent_encoded_and_the_scheme_in_any_case(
    stub: Any, shown: str
) -> None:
    metadata = (("authorization", shown),)
    call = stub.Chat(metadata=metadata)
    await call.write(HELLO)
    assert (await call.read()).welcome.nick == "me"
    members = await stub.Members(pb.MembersRequest(room="lab"), metadata=metadata)
    assert [member.nick for member in members.members] == ["me"]
    call.cancel()


@pytest.mark.parametrize("access", ["secret"])
async def test_a_stream_is_refused_when_its_first_frame_has_come(stub: Any, access: str) -> None:
    """Else the client's write would fail, and `grpc.aio` would say "Internal error from Core"."""
    call = stub.Chat()
    await refused(stub.Members(pb.MembersRequest(room="lab")))  # by then it would have its status
    assert not call.done()
    await call.write(HELLO)
    code, _ = await ending(call)
    assert code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("access", ["secret"])
async def test_a_stream_without_the_token_is_refused_if_nothing_comes(
    stub: Any, access: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends.grpc.first_frames, "HELLO_TIMEOUT", 0.05)
    code, _ = await ending(stub.Chat())
    assert code is grpc.StatusCode.UNAUTHENTICATED


async def test_a_client_that_writes_when_its_stream_ends_learns_why(connect: Connect) -> None:
    for attempt in range(30):
        first, welcome = await connect(f"p{attempt}")
        writing = asyncio.create_task(write_on(first))
        await connect(f"p{attempt}", seat_key=welcome.seat_key)
        with pytest.raises(SeatTaken):
            async for _ in first.events():
                pass
        await writing


async def write_on(client: ChatClient) -> None:
    with suppress(ConnectionLost):
        while True:
            await asyncio.gather(*(client.ping() for _ in range(50)))


async def test_a_server_that_stops_waits_for_no_first_frame(
    stub: Any, server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends.grpc.first_frames, "HELLO_TIMEOUT", 3600.0)
    has_come = asyncio.Event()
    read = FirstFrames.read

    def come(self: FirstFrames, requests: Any) -> Any:
        has_come.set()
        return read(self, requests)

    monkeypatch.setattr(FirstFrames, "read", come)
    call = stub.Chat()
    await has_come.wait()
    await server.server.stop()
    code, trailing = await ending(call)
    assert (code, trailing["chat-error"]) == (grpc.StatusCode.UNAVAILABLE, "closing")


async def test_who_says_no_hello_runs_into_the_deadline(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends.grpc.first_frames, "HELLO_TIMEOUT", 0.05)
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


@pytest.mark.parametrize(("size", "taken"), [(4_000, 10), (9_000, 0)])
async def test_too_much_metadata_is_refused_each_time(stub: Any, size: int, taken: int) -> None:
    """With one of the library's two limits alone, four of five calls with 9,000 bytes get in."""
    metadata = (("value", "x" * size),)
    calls = [stub.Members(pb.MembersRequest(room="nowhere"), metadata=metadata) for _ in range(10)]
    codes = [(await refused(call))[0] for call in calls]
    assert codes.count(grpc.StatusCode.NOT_FOUND) == taken
    assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) == 10 - taken


async def test_an_unknown_method_is_unimplemented(channel: grpc.aio.Channel) -> None:
    nothing: Any = channel.unary_unary(f"/{SERVICE}/Nothing")
    assert (await refused(nothing(b"")))[0] is grpc.StatusCode.UNIMPLEMENTED


async def test_of_streams_that_say_nothing_the_oldest_is_cut(
    stub: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends.grpc.first_frames, "MAX_UNAUTHENTICATED", 3)
    silent = [stub.Chat() for _ in range(5)]
    endings = [asyncio.create_task(ending(call)) for call in silent]
    for next_one in itertools.islice(asyncio.as_completed(endings), 2):
        assert (await next_one)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    await connect("ann")
    for call in silent:
        call.cancel()
    await asyncio.gather(*endings, return_exceptions=True)
