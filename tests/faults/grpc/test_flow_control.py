"""The window of events that a client has not acknowledged."""

from __future__ import annotations

import itertools
from typing import Any

import grpc
import pytest

from backends.grpc.server import WINDOW
from chat.server.fanout import PAGE_BYTES
from protos import chat_pb2 as pb
from tests.support.grpc_peer import come_in, until
from tests.support.people import Person


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
