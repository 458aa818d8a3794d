"""The sink for techniques whose clients must answer: each has a `Wire` between its socket and the checker.

The runner starts it as ``python -m lab.bench.rpc_sink``; it is asked and answers like `lab.bench.sink`.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from lab.bench.dialects import DIGITS, TEXT_BYTES
from lab.bench.sink import Sink, Target, serve
from lab.bench.wires import LINES, Wire

IDLE = 0.02
"""Seconds after which the sink looks again whether it has something to do, while others are measured."""
_FILLER = b"." * (TEXT_BYTES - DIGITS)


def wires(dialect: str) -> Callable[[int], Wire]:
    """Return what makes the wire of a client; only its technique's library is imported."""
    if dialect == "grpc":
        from lab.bench.grpc_wire import GrpcWire

        return GrpcWire
    from lab.bench.rpyc_wire import RpycWire

    return (lambda number: RpycWire(number, room="bench")) if dialect == "rpyc" else RpycWire


class RpcSink(Sink):
    def __init__(self, target: Target) -> None:
        super().__init__(target, LINES)
        self._make = wires(target.dialect)
        self._wires: list[Wire] = []
        self._full: set[int] = set()  # clients whose socket did not take everything

    def rest(self) -> None:
        """Answer what the server asks between two measurements: whether its clients are still there."""
        for fd in self._poll(IDLE):
            number = self._numbers[fd]
            self._checker.feed(number, self._read(number))
        self._send()

    def _hello(self, number: int) -> bytes:
        wire = self._make(number)
        self._wires.append(wire)
        hello = bytes(wire.out)
        wire.out.clear()
        return hello

    def _say(self, number: int) -> None:
        self._wires[0].say(b"%010d" % number + _FILLER)
        self._full.add(0)

    def _send(self) -> None:
        for number in list(self._full):
            self._write(number)

    def _write(self, number: int) -> None:
        out = self._wires[number].out
        with suppress(BlockingIOError):
            del out[: self._sockets[number].send(out)]
        if out:
            self._full.add(number)
        else:
            self._full.discard(number)

    def _read(self, number: int) -> bytes:
        wire = self._wires[number]
        lines = wire.feed(bytes(self._receive(number)))
        if wire.out:
            self._write(number)
        return lines


def tasks(sink: RpcSink) -> Iterator[bytes]:
    """Yield what the runner asks for. A thread waits for that: a pipe can't be polled on every system."""
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin.buffer:
            asked.put(line)
        asked.put(b"")

    threading.Thread(target=listen, daemon=True).start()
    while True:
        try:
            line = asked.get_nowait()
        except queue.Empty:
            sink.rest()
            continue
        if not line:
            return
        yield line


if __name__ == "__main__":
    serve(RpcSink, tasks)
