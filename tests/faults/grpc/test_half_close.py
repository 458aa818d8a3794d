"""A half-close says that nothing more is sent; it is no goodbye: the stream goes on until the call ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from chat.server.hub import Hub
from chat.server.seat import HubSeat
from protos import chat_pb2 as pb
from tests.support.grpc_peer import HELLO, come_in, ending, until
from tests.support.http2_peer import RST_STREAM, Http2Peer
from tests.support.kit import Serving
from tests.support.people import Person


@pytest.fixture
async def raw(server: Serving) -> AsyncIterator[Http2Peer]:
    async with await Http2Peer.open(server.address) as raw:
        yield raw


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a seat's connection is gone."""
    away = asyncio.Event()
    detach = HubSeat.detach

    def detached(self: HubSeat, *of_which: Any) -> None:
        detach(self, *of_which)
        away.set()

    monkeypatch.setattr(HubSeat, "detach", detached)
    return away


def send(text: str) -> pb.ClientFrame:
    return pb.ClientFrame(send=pb.Send(text=text))


async def hears(call: Any, text: str) -> None:
    while not any(event.text == text for event in (await until(call, "events")).events):
        pass


async def test_who_only_listens_stays(stub: Any, ann: Person) -> None:
    call = await come_in(stub)
    await call.done_writing()
    await ann.say("one")
    await hears(call, "one")
    await ann.say("two")
    await hears(call, "two")
    call.cancel()


async def test_the_author_of_a_draft_sent_before_it_hears_its_event(stub: Any) -> None:
    call = stub.Chat()
    await call.write(HELLO)
    await call.write(send("the last that I say"))
    await call.done_writing()
    await hears(call, "the last that I say")
    call.cancel()


async def test_a_refusal_of_a_draft_sent_before_it_is_told(stub: Any) -> None:
    call = await come_in(stub)
    await call.write(send(" "))
    await call.done_writing()
    assert (await until(call, "problem")).code == "bad_text"
    call.cancel()


async def test_a_leave_sent_before_it_ends_the_stream_well(stub: Any, hub: Hub) -> None:
    call = await come_in(stub)
    await call.write(pb.ClientFrame(leave=pb.Leave()))
    await call.done_writing()
    assert (await ending(call))[0] is grpc.StatusCode.OK
    assert hub.seats == 0


async def test_without_a_hello_before_it_the_stream_is_refused(stub: Any) -> None:
    call = stub.Chat()
    await call.done_writing()
    assert (await ending(call))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_call_cancelled_after_it_leaves_the_seat_for_the_grace_time(
    stub: Any, hub: Hub, away: asyncio.Event
) -> None:
    call = await come_in(stub)
    await call.done_writing()
    call.cancel()
    await away.wait()
    assert hub.seats == 1


async def test_over_plain_http2_an_author_and_a_listener_hear(raw: Http2Peer, ann: Person) -> None:
    """With END_STREAM on the only DATA frame, as `grpcurl -d` sends it."""
    author, listener = await raw.call(), await raw.call()
    await raw.say(listener, pb.ClientFrame(hello=pb.Hello(room="lab", nick="listener")), end=True)
    await raw.say(author, HELLO, send("all at once"), end=True)
    await raw.hears(author, "all at once")
    await raw.hears(listener, "all at once")
    await ann.say("and later")
    await raw.hears(listener, "and later")
    await raw.hears(author, "and later")


@pytest.mark.parametrize("how", ["the stream is reset", "the connection is closed"])
async def test_a_peer_that_vanishes_after_it_is_away(
    raw: Http2Peer, hub: Hub, away: asyncio.Event, how: str
) -> None:
    stream = await raw.call()
    await raw.say(stream, HELLO, end=True)
    assert (await raw.hear(stream)).WhichOneof("kind") == "welcome"
    assert not away.is_set()
    if how == "the stream is reset":
        await raw.send(RST_STREAM, 0, stream, (8).to_bytes(4, "big"))  # CANCEL (RFC 9113, 7)
    else:
        await raw.close()
    await away.wait()
    assert hub.seats == 1
