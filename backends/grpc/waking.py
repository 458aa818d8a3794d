"""How the library wakes the event loop: once for all that has happened, not once for each event.

A thread of grpc.aio 1.85.3 waits for what happens on all calls. It puts each event into a queue, and writes a
byte to a socket. The loop's reader takes one byte, and all events that are queued; so after a frame to each
of 200 clients, nearly 200 turns of the loop find nothing.

Where the thread and the loop share a core, it interrupts the loop after each frame. With a lower priority it
would not, but where that core has other work, it would hand over each event alone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

BYTES = 4096
"""That are taken at once, at most: more events than wait at one time."""


@contextmanager
def woken_once() -> Iterator[None]:
    """Let the library, which is used here for the first time with this loop, wake it up less often."""
    loop: Any = asyncio.get_running_loop()  # its method is replaced for a moment
    add_reader = loop.add_reader

    def add(source: socket.socket, callback: Callable[[], None]) -> None:
        add_reader(source, in_one_turn(source, callback))

    loop.add_reader = add
    try:
        yield
    finally:
        del loop.add_reader


def in_one_turn(source: socket.socket, callback: Callable[[], None]) -> Callable[[], None]:
    """Return a reader that leaves one byte to a callback, which takes it and all events that are queued.

    An event is queued before its byte is written, so no byte is taken here whose event is still to come.
    """

    def read() -> None:
        if (waiting := len(source.recv(BYTES, socket.MSG_PEEK))) > 1:
            source.recv(waiting - 1)
        callback()

    return read
