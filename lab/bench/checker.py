"""Checks that every receiver gets every message once and in order, at gigabytes a second.

A broadcast server sends the same bytes to all receivers. So only the receiver that is ahead is read message
by message. What the others get is compared with that, which costs one memcmp.
"""

from __future__ import annotations

import re
from bisect import bisect_right

TRIM = 1024 * 1024  # bytes that every receiver has got and that are kept


class DeliveryError(Exception):
    """A message was lost, duplicated or out of order; the text says where."""


class Checker:
    """Has no I/O and no clock; `feed` gets what the receivers read, in pieces of any size."""

    def __init__(
        self,
        receivers: int,
        message: re.Pattern[bytes],
        ping: re.Pattern[bytes] | None = None,
        *,
        first: int = 1,
    ) -> None:
        """Begin.

        Args:
            receivers: how many there are.
            message: matches a message; its group 1 is the message's number.
            ping: matches a line that may stand between messages.
            first: the number of the first message; the others follow without a hole.
        """
        self.settled = first - 1
        """The number up to which every receiver has every message; `settle` brings it up to date."""
        self._message = message
        self._ping = ping
        self._due = first
        self._stream = bytearray()  # whole messages that the receiver that is ahead has got ...
        self._base = 0  # ... from this position of its stream on
        self._ends: list[int] = []  # of the messages after `settled`
        self._places = [0] * receivers
        self._held = [b""] * receivers  # incomplete messages that no other receiver has

    def feed(self, receiver: int, data: bytes | memoryview) -> int:
        """Check what a receiver read; return how many pings it contains. Raises `DeliveryError`."""
        place = self._places[receiver]
        if not self._held[receiver] and self._stream.startswith(data, place - self._base):
            self._places[receiver] = place + len(data)
            return 0
        return self._read(receiver, self._held[receiver] + data)

    def rest(self, receiver: int) -> bytes:
        """Return the incomplete message at the end of what the receiver got."""
        return self._held[receiver]

    def _read(self, receiver: int, data: bytes) -> int:
        cut = data.rfind(b"\n") + 1
        lines, rest, pings = data[:cut], data[cut:], 0
        if self._ping is not None:
            lines, pings = self._ping.subn(b"", lines)
        start = self._places[receiver] - self._base
        known = min(len(self._stream) - start, len(lines))
        if not self._stream.startswith(lines[:known], start):
            raise self._differs(receiver, lines, start)
        new = self._extend(receiver, lines[known:])
        self._places[receiver] += known + new
        self._held[receiver] = lines[known + new :] + rest
        return pings

    def _extend(self, receiver: int, lines: bytes) -> int:
        """Append whole messages to the stream; return their size in bytes."""
        place = 0
        while found := self._message.match(lines, place):
            number = int(found[1])
            if number != self._due:
                raise DeliveryError(f"receiver {receiver}: message {number} came where {self._due} was due")
            self._due += 1
            place = found.end()
            self._ends.append(self._base + len(self._stream) + place)
        if lines.count(b"\n", place) > 1:  # one line may be the first half of a message
            raise DeliveryError(f"receiver {receiver}: {lines[place : place + 200]!r} is no message")
        self._stream += lines[:place]
        return place

    def _differs(self, receiver: int, lines: bytes, start: int) -> DeliveryError:
        place = next(i for i, byte in enumerate(lines) if byte != self._stream[start + i])
        place = lines.rfind(b"\n", 0, place) + 1
        got, due = self._message.search(lines, place), self._message.search(self._stream, start + place)
        if got and due and got[1] != due[1]:
            return DeliveryError(
                f"receiver {receiver}: message {int(got[1])} came where {int(due[1])} was due"
            )
        return DeliveryError(
            f"receiver {receiver}: got {lines[place : place + 200]!r} "
            f"where others got {bytes(self._stream[start + place :][:200])!r}"
        )

    def settle(self) -> int:
        """Return how many messages have reached every receiver since the last call."""
        low = min(self._places)
        count = bisect_right(self._ends, low)
        if count:
            del self._ends[:count]
            self.settled += count
        if low - self._base > TRIM:
            del self._stream[: low - self._base]
            self._base = low
        return count
