"""The tap: a relay between clients and a server that records what passes. No backend knows of it.

Whoever looks is never in the way: bytes are handed on first, recorded then, and decoded by somebody else. A
tap of a client in the same process runs on that client's event loop. In a thread of its own it would wait for
the interpreter's lock several times for each piece, while the client holds it; that doubles the time of a
message over REST. A tap for other programs, or for synchronous code, has a thread and a loop of its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Self, TypeVar

from chat.interfaces.address import Address
from lab.wire.capture import Capture, Transport
from lab.wire.datagrams import DatagramRelay
from lab.wire.encryption import Encryption
from lab.wire.lane import Lane
from lab.wire.passing import Interference
from lab.wire.relay import Relay
from lab.wire.streams import StreamRelay

T = TypeVar("T")
R = TypeVar("R")

TIMEOUT = 10.0
"""Seconds that opening a relay may take."""


class Tap:
    """Relays for the connections of one or several clients, with one capture.

    The methods may be called from any thread, but block it for a moment: off an event loop, see
    `asyncio.to_thread`.
    """

    def __init__(
        self,
        capture: Capture | None = None,
        interference: Interference | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Begin.

        Args:
            capture: records what passes; None: a new one.
            interference: what goes wrong on the way; None: nothing.
            loop: the clients', which runs until the tap is closed; None: one of its own, in its own thread.
        """
        self.capture = capture or Capture()
        self._interference = interference
        self._frozen = False
        self._loop = loop or _new_loop()
        self._relays: dict[tuple[str, str, int], Relay] = {}
        self._thread: threading.Thread | None = None
        if loop is None:
            self._thread = threading.Thread(target=self._loop.run_forever, name="tap", daemon=True)
            self._thread.start()

    def relay(
        self,
        target: Address,
        transport: Transport = "tcp",
        port: int = 0,
        *,
        encryption: Encryption | None = None,
        host: str = "127.0.0.1",
    ) -> Address:
        """Return the address of a relay to ``target``; the one that there is, if there is one.

        Args:
            target: the server.
            transport: what carries the bytes.
            port: to listen at; 0: any that is free.
            encryption: the ends of TLS; None: bytes are handed on as they are.
            host: the address to listen at.

        Raises:
            OSError: it cannot listen.
        """
        key = (transport, target.host, target.port)
        if key not in self._relays:
            relay: Relay
            if transport == "tcp":
                relay = StreamRelay(self.capture, target, self._interference, encryption)
            else:
                relay = DatagramRelay(self.capture, target, self._interference)
            relay.frozen = self._frozen
            relay.here = Address(host, port)
            self._run(relay.start(port))
            self._relays[key] = relay
        here = self._relays[key].here
        # The URL of a broker, if there is one, is the URL of who stands before it.
        return Address(here.host, here.port, target.url.replace(str(target), str(here)), target.named_by)

    def cut(self) -> int:
        """Break every connection, and return how many there were; new ones are relayed as before."""
        return sum(self._run(relay.cut()) for relay in self._relays.values())

    def wake(self) -> None:
        """Hand on what the interference does not hold any more."""
        for relay in self._relays.values():
            self._run(relay.wake())

    def freeze(self, frozen: bool) -> None:
        """Stop the wire, so that nothing passes by itself; or let everything pass that waits."""
        self._frozen = frozen
        for relay in self._relays.values():
            relay.frozen = frozen
        if not frozen:
            self.wake()

    @property
    def frozen(self) -> bool:
        return self._frozen

    def with_lanes(self, work: Callable[[list[Lane]], R]) -> R:
        """Return what ``work`` returns, which is called on the tap's loop with every lane that there is."""

        done: Future[R] = Future()

        def call() -> None:
            try:
                done.set_result(work([lane for relay in self._relays.values() for lane in relay.lanes()]))
            except Exception as error:
                done.set_exception(error)

        # No coroutine: one that a tap is given while it ends would never be awaited.
        self._loop.call_soon_threadsafe(call)
        return done.result(TIMEOUT)

    def refuse(self, refused: bool) -> None:
        """Break every connection and let nobody in any more, or let them in again."""
        for relay in self._relays.values():
            self._run(relay.refuse(refused))

    def close(self) -> None:
        """Break every connection, and stop. It may be called twice."""
        if self._loop.is_closed():
            return
        self.freeze(False)
        for relay in self._relays.values():
            self._run(relay.stop())
        self._relays.clear()
        if self._thread is not None:
            self._run(_nothing_is_left())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(TIMEOUT)
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT)


async def _nothing_is_left() -> None:
    """End what the loop itself still does, such as the handshake with a client: it would wait for it."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
