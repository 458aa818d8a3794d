"""Requests that a client has sent over a connection and whose replies have not come yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from chat.domain.errors import ChatError, ConnectionLost

T = TypeVar("T")


class PendingReplies:
    """Finds the request that a reply belongs to, by a key that both carry, e.g. a number."""

    def __init__(self) -> None:
        self._pending: dict[Hashable, tuple[asyncio.Future[Any], Callable[[Any], Any]]] = {}

    async def wait(self, key: Hashable, read: Callable[[Any], T]) -> T:
        """Wait for the reply to a request; to be called in the same turn of the loop as it is sent.

        Args:
            key: the request's number, or whatever names it; each is used by one request at a time.
            read: turns what came into the result. It may raise `BadRequest`: then `resolve` does.

        Raises:
            ChatError: the error given to `refuse`.
            ConnectionLost: `fail` was called first.
        """
        reply: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending[key] = reply, read
        try:
            return await reply
        finally:
            self._pending.pop(key, None)

    def resolve(self, key: Hashable, value: object) -> None:
        """Give a request its reply; one without a request is dropped. Raises what ``read`` raises."""
        reply, read = self._pending.get(key, (None, None))
        if reply is not None and read is not None and not reply.done():
            reply.set_result(read(value))

    def refuse(self, key: Hashable, error: ChatError) -> None:
        """Let a request fail with this error; an error that no request waits for is dropped."""
        reply, _ = self._pending.get(key, (None, None))
        if reply is not None and not reply.done():
            reply.set_exception(error)

    def fail(self, reason: ChatError) -> None:
        """Let all requests fail with `ConnectionLost`: the connection has ended.

        The reason is about the connection and not about them: what they asked for may have happened.
        """
        for reply, _ in self._pending.values():
            if not reply.done():
                reply.set_exception(ConnectionLost(str(reason)))
