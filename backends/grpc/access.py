"""The access token of gRPC calls: one interceptor checks it before every method."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import grpc

from backends.grpc.codec import STATUS, access_of, trailer
from backends.grpc.first_frames import FirstFrames
from chat.domain.errors import ChatError

HEALTH_SERVICE = "/grpc.health.v1.Health/"
"""Calls that need no access token: balancers make them, and they tell nothing about the chat."""
Context = grpc.aio.ServicerContext[Any, Any]


class AccessInterceptor(grpc.aio.ServerInterceptor):
    """Refuses a call of any method without the access token, where the server asks for one.

    Taking a seat and reading a room check it again; this covers the methods that do neither.
    """

    def __init__(self, admit: Callable[[str], None], first_frames: FirstFrames) -> None:
        self._admit = admit
        self._first_frames = first_frames

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(HEALTH_SERVICE):
            return handler
        try:
            self._admit(access_of(handler_call_details.invocation_metadata))
        except ChatError as error:
            return self._refuse(error, stream=handler.request_streaming)
        return handler

    def _refuse(self, error: ChatError, *, stream: bool) -> grpc.RpcMethodHandler[Any, Any]:
        async def refuse(_: Any, context: Context) -> Any:
            await context.abort(STATUS[error.code], str(error), trailer(error))

        async def refuse_stream(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            with suppress(TimeoutError, ChatError):
                await self._first_frames.read(requests)
            await refuse(requests, context)
            yield b""  # never reached: it makes this a generator, which a tracing interceptor expects

        if stream:
            return grpc.stream_stream_rpc_method_handler(refuse_stream)
        return grpc.unary_unary_rpc_method_handler(refuse)
