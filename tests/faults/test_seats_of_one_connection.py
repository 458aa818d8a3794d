"""One connection over which many seats are taken: of the techniques whose every call may take one."""

from __future__ import annotations

import grpc
import pytest

import backends
from chat.domain.model import Bounds
from chat.interfaces.technique import Technique
from protos.chat_pb2_grpc import ChatServiceStub
from protos.chat_xdr import CHAT_JOIN, chat_status, join_args, join_res
from tests.support.grpc_peer import HELLO, NO_PROXY, come_in, ending
from tests.support.http_peer import HttpPeer
from tests.support.kit import Serving
from tests.support.oncrpc_peer import DatagramPeer, StreamPeer
from tests.support.soap_peer import SoapPeer


@pytest.fixture
def bounds() -> Bounds:
    return Bounds(connection_seats=2)


@pytest.fixture
def technique(request: pytest.FixtureRequest) -> Technique:
    return backends.technique(request.param)


@pytest.mark.parametrize("technique", ["rest"], indirect=True)
async def test_rest(server: Serving) -> None:
    async with await HttpPeer.open(server.address) as peer, await HttpPeer.open(server.address) as other:
        for nick in ("ann", "bob"):
            assert (await peer.ask("POST", "/rooms/lab/seats", {"nick": nick})).status == 201
        refused = await peer.ask("POST", "/rooms/lab/seats", {"nick": "cat"})
        assert (refused.status, refused.problem["code"]) == (503, "full")
        assert "over this connection" in refused.problem["detail"]
        assert (await other.ask("POST", "/rooms/lab/seats", {"nick": "cat"})).status == 201


@pytest.mark.parametrize("technique", ["soap"], indirect=True)
async def test_soap(server: Serving) -> None:
    async with await SoapPeer.open(server.address) as peer, await SoapPeer.open(server.address) as other:
        for nick in ("ann", "bob"):
            await peer.join(nick)
        fault = await peer.fails("Join", room="lab", nick="cat")
        assert (fault.name, "over this connection" in fault.text) == ("Full", True)
        assert await other.join("cat")


@pytest.mark.parametrize("technique", ["oncrpc"], indirect=True)
async def test_oncrpc(server: Serving) -> None:
    async with await StreamPeer.open(server.address) as peer, await StreamPeer.open(server.address) as other:
        for nick in ("ann", "bob"):
            await peer.join(nick)
        refused = await peer.call(CHAT_JOIN, join_args("lab", "cat", "", "", None), join_res)
        assert refused.status is chat_status.CHAT_FULL
        assert (await other.join("cat")).nick == "cat"


@pytest.mark.parametrize("technique", ["oncrpc"], indirect=True)
async def test_oncrpc_over_udp_where_each_datagram_may_name_another_address(server: Serving) -> None:
    peers = [DatagramPeer.open(server.address) for _ in range(3)]
    for peer, nick in zip(peers[:2], ("ann", "bob"), strict=True):
        await peer.join(nick)
    refused = await peers[2].call(CHAT_JOIN, join_args("lab", "cat", "", "", None), join_res)
    assert refused.status is chat_status.CHAT_FULL
    for peer in peers:
        await peer.__aexit__()


@pytest.mark.parametrize("technique", ["grpc"], indirect=True)
async def test_grpc(server: Serving) -> None:
    target = str(server.address)
    async with (
        grpc.aio.insecure_channel(target, NO_PROXY) as channel,
        grpc.aio.insecure_channel(target, NO_PROXY) as another,
    ):
        stub, other = ChatServiceStub(channel), ChatServiceStub(another)
        calls = [await come_in(stub, nick=nick) for nick in ("ann", "bob")]
        refused = stub.Chat()
        await refused.write(HELLO)
        status, trailing = await ending(refused)
        assert (status, trailing["chat-error"]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        calls.append(await come_in(other, nick="cat"))
        for call in calls:
            call.cancel()
