"""A gRPC client among strangers: a server that speaks gRPC and answers with what is no message of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from backends.grpc.client import GrpcClient
from backends.grpc.codec import SERVICE
from chat.domain.errors import ConnectionLost
from chat.domain.model import Hello
from chat.interfaces.address import Address
from protos import chat_pb2 as pb

NO_MESSAGE = b"\xff"
"""A tag that no field has: it ends in its first byte."""
WELCOME = pb.ServerFrame(welcome=pb.Welcome(seat="s", room="lab", nick="me")).SerializeToString()


@pytest.fixture
async def stranger() -> AsyncIterator[Callable[..., Any]]:
    """Serves a stream that says the given frames, and unary calls that answer with what is no message."""
    servers = []
    calls: set[asyncio.Task[Any] | None] = set()

    async def serve(*frames: bytes) -> Address:
        async def chat(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            calls.add(asyncio.current_task())
            for frame in frames:
                yield frame
            async for _ in requests:
                pass

        async def unary(request: bytes, context: Any) -> bytes:
            return NO_MESSAGE

        server = grpc.aio.server()
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Chat": grpc.stream_stream_rpc_method_handler(chat),
            "Members": grpc.unary_unary_rpc_method_handler(unary),
            "History": grpc.unary_unary_rpc_method_handler(unary),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        servers.append(server)
        return Address("127.0.0.1", port)

    yield serve
    for server in servers:
        await server.stop(None)
    if pending := [call for call in calls if call is not None and not call.done()]:
        await asyncio.wait(pending)  # the library does not wait for them


async def test_a_welcome_that_is_no_message_is_told(stranger: Callable[..., Any]) -> None:
    client = GrpcClient(await stranger(NO_MESSAGE))
    with pytest.raises(ConnectionLost, match="does not speak grpc"):
        await client.connect(Hello("lab", "me"))
    await client.close()


async def test_a_frame_that_is_no_message_ends_the_events(stranger: Callable[..., Any]) -> None:
    client = GrpcClient(await stranger(WELCOME, NO_MESSAGE))
    await client.connect(Hello("lab", "me"))
    with pytest.raises(ConnectionLost, match="can't be decoded"):
        async for _ in client.events():
            pass
    await client.close()


async def test_an_answer_that_is_no_message_is_told(stranger: Callable[..., Any]) -> None:
    client = GrpcClient(await stranger(WELCOME))
    await client.connect(Hello("lab", "me"))
    with pytest.raises(ConnectionLost, match="can't be decoded"):
        await client.members()
    with pytest.raises(ConnectionLost, match="can't be decoded"):
        await client.history(limit=1)
    await client.close()
