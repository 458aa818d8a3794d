"""UDP: which addresses are proven, and how much an address may get that is not. No I/O.

The source address of a datagram can be forged, and a reply may be a hundred times as long as its call. So
a client that joins is told its seat key with a cookie behind it, ``KEY.COOKIE``. A call with that key proves
the address, because only a client that gets the replies knows the cookie. It needs no code for this: to the
client, the key is a text that it sends back.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from chat.transport.cookie import Cookies
from protos.chat_xdr import CHAT_MAX_KEY

MARK = "."
"""What stands between key and cookie; no key has one."""
BURST = 16 * 1024
RATE = 1024.0
"""Bytes by which replies to one unproven host may be longer than their calls: at once, and each second."""
ALL_BURST = 256 * 1024
ALL_RATE = 64 * 1024.0
"""The same for all unproven hosts together."""
MAX_HOSTS = 4096
"""Hosts whose bytes are counted; beyond that the one that was quiet for longest is forgotten."""


def bare(seat_key: str) -> str:
    """Return a seat key without the cookie."""
    return seat_key.partition(MARK)[0]


class Proof:
    """Makes and checks the cookies of one server.

    They are valid as long as it lives, for any port of the host.
    """

    def __init__(self) -> None:
        self._cookies = Cookies(os.urandom(32))

    def add(self, seat_key: str, host: Any) -> str:
        """Return the seat key as a client at this host is told it."""
        told = seat_key + MARK + self._cookies.make((host,), 0.0)
        return told if len(told.encode()) <= CHAT_MAX_KEY else seat_key

    def holds(self, seat_key: str, host: Any) -> bool:
        """Whether the seat key has the cookie of this host."""
        return self._cookies.is_valid(seat_key.partition(MARK)[2], (host,), 0.0)


class Surplus:
    """Counts the bytes by which replies to unproven hosts are longer than their calls.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._hosts: OrderedDict[Any, _Bucket] = OrderedDict()
        self._all = _Bucket(ALL_BURST, ALL_RATE, clock())

    def allows(self, host: Any, size: int) -> bool:
        """Take so many bytes for a reply; return False if they are not to be sent."""
        if size <= 0:
            return True
        now = self._clock()
        bucket = self._hosts.get(host)
        if bucket is None:
            bucket = self._hosts[host] = _Bucket(BURST, RATE, now)
            if len(self._hosts) > MAX_HOSTS:
                self._hosts.popitem(last=False)
        self._hosts.move_to_end(host)
        if bucket.left(now) < size or self._all.left(now) < size:
            return False
        bucket.bytes -= size
        self._all.bytes -= size
        return True


class _Bucket:
    __slots__ = ("burst", "bytes", "rate", "refilled")

    def __init__(self, burst: int, rate: float, now: float) -> None:
        self.burst, self.rate = burst, rate
        self.bytes, self.refilled = float(burst), now

    def left(self, now: float) -> float:
        self.bytes = min(self.burst, self.bytes + (now - self.refilled) * self.rate)
        self.refilled = now
        return self.bytes
