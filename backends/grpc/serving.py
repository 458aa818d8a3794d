"""The server of the gRPC library, and another one when it has ended by itself.

A malformed request may end the task in which grpc.aio 1.85.3 waits for calls. The calls under way go on, new
ones are refused, and `grpc.aio.Server.wait_for_termination` returns only when the last of them is over. So
that task is what is watched here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import grpc

from chat.interfaces.address import Address

RESTART_EVERY = 0.1
"""Seconds until the port is tried again, after the library's server has ended by itself."""
Made = tuple[grpc.aio.Server, Address]

log = logging.getLogger(__name__)


class Serving:
    """Keeps one server of the library at a port, until `stop`.

    Args:
        make: makes a server that listens at a port (0: any), and is not started yet. Raises OSError.
    """

    def __init__(self, make: Callable[[int], Awaitable[Made]]) -> None:
        self._make = make
        self._ended: dict[grpc.aio.Server, asyncio.Task[None]] = {}  # they serve the calls they had
        self._stopping = False

    async def start(self, port: int) -> Address:
        """Start a server. Raises OSError."""
        server, address = await self._make(port)
        accepting = await _start(server)
        self._current = server
        self._keeping = asyncio.create_task(self._keep(accepting, address.port))
        return address

    async def _keep(self, accepting: asyncio.Future[None], port: int) -> None:
        await accepting
        log.error("the gRPC library has ended its server; another one is started")
        ended = self._current
        self._ended[ended] = asyncio.create_task(self._forget(ended))
        while not self._stopping:
            try:
                await self.start(port)
                break
            except OSError:  # the old one still has the port
                await asyncio.sleep(RESTART_EVERY)

    async def _forget(self, server: grpc.aio.Server) -> None:
        """Forget a server whose last call is over."""
        with suppress(Exception):  # it raises what has ended the server
            await server.wait_for_termination()
        del self._ended[server]

    async def stop(self, grace: float) -> None:
        """Stop all, the calls under way after ``grace`` seconds."""
        self._stopping = True
        self._keeping.cancel()
        ended = [*self._ended.values()]
        await asyncio.gather(*(server.stop(grace) for server in {*self._ended, self._current}))
        await asyncio.gather(self._keeping, *ended, return_exceptions=True)


async def _start(server: grpc.aio.Server) -> asyncio.Future[None]:
    """Start a server; return what is done as soon as it accepts no call any more."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def accepts_none(task: asyncio.Task[object]) -> None:
        if not ended.done():
            ended.set_result(None)
        if not task.cancelled() and task.exception() is not None:
            # The library stops the server in a task that fails with the same, and asks nobody about it.
            for stopping in _tasks_in("AioServer.shutdown"):
                stopping.add_done_callback(_retrieve)

    before = _tasks_in("AioServer._server_main_loop")
    await server.start()
    for task in _tasks_in("AioServer._server_main_loop") - before:
        task.add_done_callback(accepts_none)
    return ended


def _tasks_in(function: str) -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") == function}


def _retrieve(task: asyncio.Task[object]) -> None:
    if not task.cancelled():
        task.exception()
