"""Frames that are none: a problem, or the end of a stream, and the server goes on."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from backends.grpc.codec import SERVICE
from chat.domain.errors import BadText
from protos import chat_pb2 as pb
from tests.support.grpc_peer import HELLO, come_in, ending, until
from tests.support.kit import Connect
from tests.support.people import Person

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


async def test_a_draft_that_no_frame_can_hold_is_refused_and_the_stream_goes_on(ann: Person) -> None:
    with pytest.raises(BadText) as refused:
        await ann.say("x" * 70_000, n=1)
    assert refused.value.n == 1
    await ann.say("and on we go", n=1)
