"""The access token of gRPC calls: one interceptor checks it before every method."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import grpc

from backends.grpc.codec import SERVICE, STATUS, access_of, trailer
from backends.grpc.first_frames import FirstFrames
from chat.domain.errors import ChatError
from chat.interfaces.server import HubPort

HEALTH_SERVICE = "/grpc.health.v1.Health/"
"""Calls that need no access token: balancers make them, and they tell nothing about the chat."""
Context = grpc.aio.ServicerContext[Any, Any]


def host_of(context: Context) -> str:
    """Return the host that a call comes from, of ``ipv4:HOST:PORT`` or ``ipv6:[HOST]:PORT``."""
    _, _, place = unquote(context.peer() or "").partition(":")
    return place.rpartition(":")[0].strip("[]")


def credentials(context: Context) -> tuple[str, str]:
    """Return the access token that a call shows, and the host that it comes from."""
    return access_of(context.invocation_metadata()), host_of(context)


class AccessInterceptor(grpc.aio.ServerInterceptor):
    """Refuses a call of any method without the access token, where the server asks for one.

    Taking a seat and reading a room check it again; this covers the methods that do neither.
    """

    def __init__(self, hub: HubPort, first_frames: FirstFrames) -> None:
        self._hub = hub
        self._first_frames = first_frames

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(HEALTH_SERVICE):
            return handler
        # Every right token is let in here, even while its host must wait; the method says so then.
        access = access_of(handler_call_details.invocation_metadata)
        try:
            self._hub.admit(access, "")
        except ChatError as error:
            return self._refuse(access, error, stream=handler.request_streaming)
        if handler_call_details.method.startswith(f"/{SERVICE}/"):
            return handler
        return self._guarded(handler)

    def _guarded(self, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Return a method of the library's, reflection, that also refuses a host that must wait."""
        inner: Any = handler.stream_stream

        async def guarded(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            try:
                self._hub.may_guess(host_of(context))
            except ChatError as error:
                await context.abort(STATUS[error.code], str(error), trailer(error))
            async for reply in inner(requests, context):
                yield reply

        return grpc.stream_stream_rpc_method_handler(
            guarded, handler.request_deserializer, handler.response_serializer
        )

    def _refuse(self, access: str, error: ChatError, *, stream: bool) -> grpc.RpcMethodHandler[Any, Any]:
        async def refuse(_: Any, context: Context) -> Any:
            nonlocal error
            try:
                self._hub.admit(access, host_of(context))  # only here it is known who calls
            except ChatError as counted:
                error = counted
            await context.abort(STATUS[error.code], str(error), trailer(error))

        async def refuse_stream(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            with suppress(TimeoutError, ChatError):
                await self._first_frames.read(requests)
            await refuse(requests, context)
            yield b""  # never reached: it makes this a generator, which a tracing interceptor expects

        if stream:
            return grpc.stream_stream_rpc_method_handler(refuse_stream)
        return grpc.unary_unary_rpc_method_handler(refuse)
