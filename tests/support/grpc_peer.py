"""gRPC calls by hand, with nothing but the generated stub."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from protos import chat_pb2 as pb

HELLO = pb.ClientFrame(hello=pb.Hello(room="lab", nick="me"))
NO_PROXY = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]


async def come_in(stub: Any, **hello: Any) -> Any:
    """Return a stream whose welcome has come."""
    call = stub.Chat()
    await call.write(pb.ClientFrame(hello=pb.Hello(**{"room": "lab", "nick": "me", **hello})))
    assert (await call.read()).WhichOneof("kind") == "welcome"
    return call


async def until(call: Any, kind: str) -> Any:
    """Return the next frame of this kind."""
    while True:
        frame = await call.read()
        assert frame is not grpc.aio.EOF, await call.code()
        if frame.WhichOneof("kind") == kind:
            return getattr(frame, kind)


async def ending(call: Any) -> tuple[grpc.StatusCode, dict[str, Any]]:
    """Read to the end; return the status and the trailing metadata."""
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError:
        pass
    return await call.code(), dict(await call.trailing_metadata() or ())


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    trailing = dict(error.value.trailing_metadata() or ())
    return error.value.code(), str(trailing.get("chat-error", ""))
