"""One connection, as HTTP/2 bounds it: how many calls it carries, and how many pings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from backends.grpc.server import MIN_STREAMS, OPTIONS
from chat.domain.model import Limits
from protos import chat_pb2 as pb
from tests.support.grpc_peer import HELLO, come_in
from tests.support.http2_peer import (
    ACK,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    MAX_CONCURRENT_STREAMS,
    PING,
    Frame,
    Http2Peer,
)
from tests.support.kit import Serving

CONTRACT = Path(__file__).parents[3] / "protos" / "chat.proto"
RECOMMENDED = 100
"""Calls of one connection at once (RFC 9113, 6.5.2)."""


async def test_a_hundred_chats_and_a_unary_call_share_a_connection(stub: Any) -> None:
    calls = [await come_in(stub, nick=f"p{number}") for number in range(RECOMMENDED)]
    reply = await stub.Members(pb.MembersRequest(room="lab"), timeout=20)
    assert [member.nick for member in reply.members] == [f"p{number}" for number in range(RECOMMENDED)]
    for call in calls:
        call.cancel()


@pytest.mark.parametrize("limits", [Limits(seats=1), Limits()], ids=["one seat", "the default"])
async def test_the_settings_allow_for_a_connection_what_the_seats_allow(
    server: Serving, limits: Limits
) -> None:
    async with await Http2Peer.open(server.address) as peer:
        assert peer.settings[MAX_CONCURRENT_STREAMS] == max(RECOMMENDED, 2 * limits.seats)


# --- pings -----------------------------------------------------------------------------------------

EARLY = 3
"""Pings that may come too early; the next one ends the connection."""


async def ping(peer: Http2Peer) -> Frame:
    """Send a ping; return the answer, or the end of the connection."""
    await peer.send(PING, 0, 0, bytes(8))
    while True:
        frame = await peer.frame()
        if frame.kind == GOAWAY or (frame.kind, frame.flags) == (PING, ACK):
            return frame


async def test_a_few_pings_that_come_too_early_are_answered(server: Serving) -> None:
    async with await Http2Peer.open(server.address) as peer:
        stream = await peer.call()
        await peer.say(stream, HELLO)
        await peer.hears(stream, "")  # the own coming: all that follows is silence
        for _ in range(1 + EARLY):  # the first is not early
            assert (await ping(peer)).kind == PING
        await peer.say(stream, pb.ClientFrame(send=pb.Send(text="still here")))
        await peer.hears(stream, "still here")


async def test_many_end_the_connection_with_too_many_pings(server: Serving) -> None:
    """Soon, and not at a count: the server forgets them when it sends something, be it a window update."""
    async with await Http2Peer.open(server.address) as peer:
        stream = await peer.call()
        await peer.say(stream, HELLO)
        await peer.hears(stream, "")
        while (goaway := await ping(peer)).kind != GOAWAY:
            pass
    assert int.from_bytes(goaway.payload[4:8], "big") == ENHANCE_YOUR_CALM
    assert goaway.payload[8:] == b"too_many_pings"


def test_the_contract_names_the_bounds_of_a_connection() -> None:
    options = dict(OPTIONS)
    seconds = options["grpc.http2.min_ping_interval_without_data_ms"] // 1000
    contract = re.sub(r"\s+//\s+", " ", CONTRACT.read_text(encoding="utf-8"))
    assert options["grpc.http2.max_ping_strikes"] == EARLY
    assert f"at least {MIN_STREAMS} calls at once" in contract
    assert f"ping every {seconds} s" in contract
