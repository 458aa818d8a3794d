"""When one may send, by a token bucket; and when a client may try to connect again."""

from __future__ import annotations

from collections.abc import Callable

from chat.domain.model import Limits

MARGIN = 0.9
"""Of the server's rate, for a client: the network may push two drafts closer together."""

FIRST_RETRY = 0.2
LAST_RETRY = 5.0


class Pace:
    """Tells when the next draft may go."""

    def __init__(self, limits: Limits, clock: Callable[[], float], *, margin: float = MARGIN) -> None:
        """``margin``: the share of the rate to keep to; 1 for whoever keeps the others to it."""
        self._limits = limits
        self._clock = clock
        self._margin = margin
        self._allowance = float(limits.burst)
        self._refilled = clock()

    def follow(self, limits: Limits) -> None:
        """Keep to these from now on; a reconnect does not fill the bucket."""
        self._limits = limits
        self._allowance = min(self._allowance, float(limits.burst))

    def take(self) -> float:
        """Take one draft's worth; return 0, or the seconds to wait before asking again."""
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


def too_fast(limits: Limits) -> str:
    """Return what to tell somebody who is over the rate."""
    return f"too fast: {limits.rate:g} messages a second are allowed"


def backoff(failures: int, jitter: float) -> float:
    """Return the seconds until the next try after so many failures; ``jitter`` is 0 to 1.

    It grows exponentially, and by chance: a room of clients must not come back in one instant.
    """
    return min(LAST_RETRY, FIRST_RETRY * 2.0**failures) * (0.5 + jitter)
