"""The health service: who may ask, for how long, and what it says."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import backends.grpc.first_frames
import backends.grpc.health
import backends.grpc.server
import chat.server.hub
from backends.grpc.codec import SERVICE
from chat.domain.errors import NotStored
from chat.domain.model import Hello, Say
from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from tests.support.grpc_peer import NO_PROXY, ending
from tests.support.kit import Connect
from tests.support.stage import Disk, running


@pytest.mark.parametrize("access", ["secret"])
async def test_health_can_be_asked_without_the_token(channel: grpc.aio.Channel, access: str) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    reply = await stub.Check(health_pb2.HealthCheckRequest())
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


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
