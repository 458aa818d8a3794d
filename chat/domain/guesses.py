"""Wrong access tokens by address: after a few of them an address must wait, longer each time. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from chat.domain.addresses import network

FREE = 10
"""Wrong tokens of an address that cost nothing."""
FIRST_DELAY = 1.0
LAST_DELAY = 60.0
"""Seconds until the next one is looked at; doubled each time."""
FORGOTTEN = 600.0
"""Seconds without a wrong token after which an address begins anew; so long a right one is remembered."""
MAX_ADDRESSES = 4096
"""Addresses that are remembered; beyond that the one that was quiet for longest is forgotten."""


class Guesses:
    """Remembers who showed wrong tokens, and who a right one.

    An address that has shown the right token lately need not wait with it: others there may be the ones who
    guess.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and when the last
        self._right: OrderedDict[str, float] = OrderedDict()

    def wait(self, address: str) -> float:
        """Return the seconds until a token of this address is looked at; 0: now."""
        if not self._wrong:
            return 0.0
        count, last = self._wrong.get(network(address), (0, 0.0))
        if count <= FREE:
            return 0.0
        delay = min(LAST_DELAY, FIRST_DELAY * 2.0 ** min(count - FREE - 1, 10))
        return max(0.0, last + delay - self._clock())

    def wrong(self, address: str) -> int:
        """An address has shown a wrong token; return how many there were."""
        address, now = network(address), self._clock()
        count, last = self._wrong.pop(address, (0, now))
        count = 1 if now - last > FORGOTTEN else count + 1
        self._wrong[address] = (count, now)
        if len(self._wrong) > MAX_ADDRESSES:
            self._wrong.popitem(last=False)
        return count

    def right(self, address: str) -> None:
        """An address has shown the right token."""
        self._right[address] = self._clock()
        self._right.move_to_end(address)
        if len(self._right) > MAX_ADDRESSES:
            self._right.popitem(last=False)

    def is_known(self, address: str) -> bool:
        """Whether an address has shown the right token lately."""
        at = self._right.get(address)
        return at is not None and self._clock() - at <= FORGOTTEN
