"""The load generator for many rooms over TCP: messages go to the rooms in turn.

`lab.bench.growth` starts it as ``python -m lab.bench.rooms_sink``; see `lab.bench.load`.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress

from lab.bench.checker import Checker
from lab.bench.load import Pace, Target, serve
from lab.bench.sink import Sink


class RoomsSink(Sink):
    """`Target.per_room` clients in each room; the first one sends."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        rooms = target.clients // target.per_room
        self._checkers = [
            Checker(target.per_room, self._dialect.message, self._dialect.ping) for _ in range(rooms)
        ]
        self._due: list[deque[float]] = [deque() for _ in range(rooms)]  # when those in flight were due
        self._outs: dict[int, bytearray] = {}  # by room: what is to be sent
        self._touched: set[int] = set()  # rooms in which something has come
        self._settled = 0

    def _offer(self, pace: Pace, now: float) -> None:
        for since in pace.due(now, self._under_way()):
            number, room = divmod(self._sent, len(self._checkers))
            self._sent += 1
            self._due[room].append(since)
            self._outs.setdefault(room, bytearray()).extend(self._dialect.text(number + 1))
        self._send()

    def _send(self) -> None:
        for room, out in list(self._outs.items()):
            with suppress(BlockingIOError):
                del out[: self._sockets[room * self._target.per_room].send(out)]
            if not out:
                del self._outs[room]

    def _take(self, pace: Pace) -> bool:
        ready = self._poll(0.0)
        for fd in ready:
            number = self._numbers[fd]
            room, place = divmod(number, self._target.per_room)
            self._checkers[room].feed(place, self._receive(number))
            self._touched.add(room)
        return bool(ready)

    def _done(self) -> list[float]:
        done = []
        for room in self._touched:
            done += [self._due[room].popleft() for _ in range(self._checkers[room].settle())]
        self._touched.clear()
        self._settled += len(done)
        return done

    def _under_way(self) -> int:
        return self._sent - self._settled

    def _arrived(self, messages: int) -> tuple[int, int]:
        return messages * self._target.per_room, 0


if __name__ == "__main__":
    serve(RoomsSink)
