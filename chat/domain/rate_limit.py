"""Rate limits, each a token bucket: of drafts, and by address; and exponential back-off for reconnecting."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from chat.domain.addresses import network
from chat.domain.model import Limits
from chat.language import N_

MARGIN = 0.9
"""The share of the server's rate that a client uses: the network may push two drafts closer together."""

MAX_ADDRESSES = 4096
"""Addresses whose buckets are kept; beyond that the one that was quiet for longest is forgotten."""
FIRST_RETRY = 0.2
LAST_RETRY = 3.0
"""With the random factor less than 5: so long it may take until a client is back after its server is."""


class TokenBucket:
    """A token bucket: tells when the next draft may be sent."""

    def __init__(self, limits: Limits, clock: Callable[[], float], *, margin: float = MARGIN) -> None:
        """Begin with a full bucket.

        Args:
            limits: burst and rate.
            clock: returns seconds.
            margin: the share of the rate to use; 1 for the server, which enforces it.
        """
        self._limits = limits
        self._clock = clock
        self._margin = margin
        self._allowance = float(limits.burst)
        self._refilled = clock()

    def follow(self, limits: Limits) -> None:
        """Use these limits from now on. The bucket is not filled: a reconnect gives no new burst."""
        self._limits = limits
        self._allowance = min(self._allowance, float(limits.burst))

    def take(self) -> float:
        """Take a token for one draft; return 0, or the seconds to wait before asking again."""
        limits = self._limits
        if not limits.burst:
            return 0.0
        rate, burst = limits.rate * self._margin, limits.burst * self._margin
        now = self._clock()
        self._allowance = min(burst, self._allowance + (now - self._refilled) * rate)
        self._refilled = now
        if self._allowance < 1.0:
            return (1.0 - self._allowance) / rate
        self._allowance -= 1.0
        return 0.0


class AddressBuckets:
    """A token bucket for each address."""

    def __init__(self, burst: int, rate: float, clock: Callable[[], float]) -> None:
        """Begin without an address.

        Args:
            burst: tokens that an address may take at once; 0: no limit.
            rate: tokens a second after that.
            clock: returns seconds.
        """
        self._limits = Limits(burst=burst, rate=rate)
        self._clock = clock
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, address: str) -> float:
        """Take a token; return 0, or the seconds to wait before asking again. "": nobody is counted."""
        if not address or not self._limits.burst:
            return 0.0
        address = network(address)
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = TokenBucket(self._limits, self._clock, margin=1.0)
            if len(self._buckets) > MAX_ADDRESSES:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(address)
        return bucket.take()


def too_fast(limits: Limits) -> str:
    """Return the error text for a client that is over the rate."""
    return N_(f"too fast: {limits.rate:g} messages a second are allowed")


def backoff(failures: int, jitter: float) -> float:
    """Return the seconds until the next try.

    They grow exponentially, and vary at random, so that the clients of a server do not all come back in the
    same instant.

    Args:
        failures: the number of tries that have failed.
        jitter: a random number from 0 to 1.
    """
    return min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(failures, 30)) * (0.5 + jitter)
