"""How a call has ended: the status that the server gave it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc

STATUS_TRIES = 100
"""How often the status is looked for, 10 ms apart; it comes after a few, or not at all."""
RELEASE_TIMEOUT = 0.2
"""Seconds that the library has to end a call that was never connected; it takes a few milliseconds."""
T = TypeVar("T")


class Ending:
    """The status with which the server ended a call.

    If the server ends a stream while the client writes, the write fails. `grpc.aio` then gives the call a
    status of its own, "Internal error from Core". That one hides the server's status if it comes after it,
    and is replaced by the server's if it comes before it. A done callback sees the first of the two.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._first: grpc.aio.AioRpcError | None = None
        call.add_done_callback(self._done)

    def _done(self, call: Any) -> None:
        self._first = _status(call)

    async def error(self) -> grpc.aio.AioRpcError | None:
        """Return the status and its trailing metadata when the call is over; None if the status is OK.

        Read the call to its end before: the status comes after the last message.
        """
        await self._call.code()
        status = self._first or _status(self._call)
        for _ in range(STATUS_TRIES):
            if not _is_of_the_library(status):
                break
            await asyncio.sleep(0.01)
            status = _status(self._call)
        return None if status.code() is grpc.StatusCode.OK else status


async def released() -> None:
    """Wait until the library has ended a call that was never connected."""
    inside = [
        task for task in asyncio.all_tasks() if "Call._" in getattr(task.get_coro(), "__qualname__", "")
    ]
    if inside:
        await asyncio.wait(inside, timeout=RELEASE_TIMEOUT)


def _is_of_the_library(status: grpc.aio.AioRpcError) -> bool:
    return status.code() is grpc.StatusCode.INTERNAL and status.details() == "Internal error from Core"


def _status(call: Any) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        _now(call.code()), _now(call.initial_metadata()), _now(call.trailing_metadata()), _now(call.details())
    )


def _now(value: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that has nothing to wait for.

    Raises `RuntimeError` if it waits: then the call is not over.
    """
    try:
        value.send(None)
    except StopIteration as returned:
        result: T = returned.value
        return result
    value.close()
    raise RuntimeError("the call is not over")
