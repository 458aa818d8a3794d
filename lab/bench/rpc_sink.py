"""The load generator for gRPC and RPyC, whose clients must answer: each client has a `Wire`.

`lab.bench.comparison` starts it as ``python -m lab.bench.rpc_sink``; see `lab.bench.load`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from lab.bench.dialects import text
from lab.bench.load import IDLE, Target, serve
from lab.bench.sink import Sink
from lab.bench.wires import LINES, Wire


def wires(dialect: str) -> Callable[[int, str], Wire]:
    """Return what makes the `Wire` of a client in a room; imports only the library of this technique."""
    if dialect == "grpc":
        from lab.bench.grpc_wire import GrpcWire

        return GrpcWire
    from lab.bench.rpyc_wire import RpycWire

    if dialect == "rpyc":
        return lambda number, room: RpycWire(f"b{number}", room)
    return lambda number, room: RpycWire(f"{room}-{number}")  # it has one room, for all crowds


class RpcSink(Sink):
    def __init__(self, target: Target) -> None:
        super().__init__(target, LINES)
        self._make = wires(target.dialect)
        self._wires: list[Wire] = []
        self._full: set[int] = set()  # clients whose socket did not take everything

    def rest(self) -> None:
        """Answer the server's pings between two measurements."""
        for fd in self._poll(IDLE):
            number = self._numbers[fd]
            self._checker.feed(number, self._read(number))
        self._send()

    def _hello(self, number: int) -> bytes:
        wire = self._make(number, self._target.room_of(number))
        self._wires.append(wire)
        hello = bytes(wire.out)
        wire.out.clear()
        return hello

    def _say(self, number: int) -> None:
        self._wires[0].say(text(number))
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


if __name__ == "__main__":
    serve(RpcSink, resting=True)
