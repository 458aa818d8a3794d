"""What others can make a server write to its standard error, and that it goes on when nobody reads that."""

from __future__ import annotations

import asyncio
import json

import pytest

from backends.grpc.server import GrpcServer
from chat.interfaces.address import Address
from tests.support.http2_peer import HEADERS, Http2Peer
from tests.support.kit import Connect, Serving
from tests.support.people import Person
from tests.support.processes import running


async def malformed(address: Address, times: int) -> None:
    """Begin calls with a time limit that is no number: the library refuses them by itself."""
    async with await Http2Peer.open(address) as peer:
        for _ in range(times):
            stream = await peer.call("/grpc.health.v1.Health/Check", {"grpc-timeout": "soon"})
            while (frame := await peer.frame()).kind != HEADERS or frame.stream != stream:
                pass


async def test_a_malformed_grpc_request_writes_nothing() -> None:
    with running("serve", "grpc", "--port", "0", "--json", "--log", "memory") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        offer = json.loads(process.stdout.readline())
        await malformed(Address(offer["host"], offer["port"]), 5)
        process.terminate()
        assert process.stderr.read() == ""


@pytest.mark.parametrize("technique", ["grpc"], indirect=True)
async def test_a_server_that_the_grpc_library_ends_is_started_again(
    server: Serving, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    grpc_server = server.server
    assert isinstance(grpc_server, GrpcServer)
    stopping = []
    people = [Person(*await connect("ann"))]
    for nick in ("bob", "cid"):
        ended = grpc_server._serving._current
        # It takes no call any more, but goes on with those that it has, as when a request has ended it.
        stopping.append(asyncio.create_task(ended.stop(60)))
        await grpc_server._serving._keeping  # until another one serves
        people.append(Person(*await connect(nick)))
    for person in people:
        person.listen()
    said = await people[0].say("still here")
    for person in people:
        await person.knows(said.seq)
        await person.stop()
    assert caplog.text.count("the gRPC library has ended its server") == 2
    await grpc_server.stop()
    await asyncio.gather(*stopping)
