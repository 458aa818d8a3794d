"""How the library wakes the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import grpc
import pytest

from backends.grpc import waking


@pytest.mark.parametrize("events", [1, 2, 100])
def test_one_turn_takes_all_that_has_happened(events: int) -> None:
    source, sink = socket.socketpair()
    with source, sink:
        source.setblocking(False)
        left = []

        def take() -> None:
            left.append(source.recv(1))

        read = waking.in_one_turn(source, take)
        for _ in range(events):
            sink.send(b"1")
        read()
        assert left == [b"1"]
        with pytest.raises(BlockingIOError):
            source.recv(1)


async def test_the_library_is_woken_so(monkeypatch: pytest.MonkeyPatch) -> None:
    readers = []

    def noted(source: socket.socket, callback: Callable[[], None]) -> Callable[[], None]:
        readers.append(callback)
        return callback

    monkeypatch.setattr(waking, "in_one_turn", noted)
    with waking.woken_once():
        server = grpc.aio.server()
    assert len(readers) == 1
    assert "add_reader" not in vars(asyncio.get_running_loop())
    await server.stop(None)
