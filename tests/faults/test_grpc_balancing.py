"""Several gRPC servers: calls are spread, and a server that says NOT_SERVING gets no new streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import backends
import backends.grpc.server
import chat.server.hub
from backends.grpc.client import BALANCE, OPTIONS
from backends.grpc.codec import SERVICE
from chat.domain.errors import NotStored
from chat.domain.model import Hello, Say
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.interfaces.server import ChatServer
from chat.server.hub import Hub
from protos import chat_pb2 as pb
from protos.chat_pb2_grpc import ChatServiceStub
from tests.support.grpc_peer import come_in, ending
from tests.support.stage import Disk, running

GRPC = backends.technique("grpc")
CLIENTS = 8


class Node(NamedTuple):
    disk: Disk
    hub: Hub
    server: ChatServer
    address: Address


@pytest.fixture
async def nodes(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Node]]:
    """Two servers, each with rooms of its own, so that one sees where a stream went."""
    monkeypatch.setattr(chat.server.hub, "UNREADY", 3600.0)
    monkeypatch.setattr(backends.grpc.server, "HEALTH_EVERY", 0.01)
    disks = Disk(), Disk()
    async with running(disks[0]) as one, running(disks[1]) as two:
        nodes = []
        for disk, hub in zip(disks, (one, two), strict=True):
            server = GRPC.load_server()(hub, Address("127.0.0.1", 0))
            nodes.append(Node(disk, hub, server, await server.start()))
        yield nodes
        for node in nodes:
            await node.server.stop()


def client_of(nodes: list[Node]) -> ChatClient:
    return GRPC.load_client()(nodes[0].address, ClientOptions(also=(nodes[1].address,)))


async def test_streams_of_several_clients_come_to_every_server(nodes: list[Node]) -> None:
    """The first stream of a client goes to the server whose connection stands first, and that is a race."""
    clients: list[ChatClient] = []
    while not all(node.hub.seats for node in nodes):
        clients.append(client_of(nodes))
        await clients[-1].connect(Hello("lab", f"p{len(clients)}"))
    assert sum(node.hub.seats for node in nodes) == len(clients)
    await asyncio.gather(*(client.close() for client in clients))


async def test_streams_of_one_channel_take_turns(nodes: list[Node]) -> None:
    target = "ipv4:" + ",".join(str(node.address) for node in nodes)
    options = [*OPTIONS, ("grpc.service_config", json.dumps(BALANCE))]
    async with grpc.aio.insecure_channel(target, options) as channel:
        stub: Any = ChatServiceStub(channel)
        calls: list[Any] = []
        while not all(node.hub.seats for node in nodes):  # until both connections stand
            calls.append(await come_in(stub, nick=f"p{len(calls)}"))
        before = [node.hub.seats for node in nodes]
        for _ in range(CLIENTS):
            calls.append(await come_in(stub, nick=f"p{len(calls)}"))
        assert [node.hub.seats - one for node, one in zip(nodes, before, strict=True)] == [CLIENTS // 2] * 2
        for call in calls:
            await call.write(pb.ClientFrame(leave=pb.Leave()))
            await ending(call)


async def fail_a_commit(node: Node) -> None:
    client = GRPC.load_client()(node.address)
    await client.connect(Hello("lab", "eve"))
    node.disk.full = True
    with pytest.raises(NotStored):
        await client.send(Say("lost", 1))
    node.disk.full = False
    await client.close()


async def until_it_says_so(address: Address) -> None:
    """The server looks at its hub every HEALTH_EVERY: a stream may come before it has looked."""
    async with grpc.aio.insecure_channel(str(address), [("grpc.enable_http_proxy", 0)]) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        async for said in health.Watch(health_pb2.HealthCheckRequest(service=SERVICE)):
            if said.status == health_pb2.HealthCheckResponse.NOT_SERVING:
                return


async def test_a_server_that_cannot_store_gets_no_new_streams_until_it_can(
    nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    ill, well = nodes
    await fail_a_commit(ill)
    assert not ill.hub.ready
    await until_it_says_so(ill.address)
    before = ill.hub.seats
    clients = [client_of(nodes) for _ in range(CLIENTS)]
    for number, client in enumerate(clients):
        await client.connect(Hello("lab", f"p{number}"))
    assert (ill.hub.seats, well.hub.seats) == (before, CLIENTS)
    monkeypatch.setattr(chat.server.hub, "UNREADY", 0.0)
    while ill.hub.seats == before:
        clients.append(client_of(nodes))
        await clients[-1].connect(Hello("lab", f"q{len(clients)}"))
    await asyncio.gather(*(client.close() for client in clients))
