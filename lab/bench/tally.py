"""Counts which messages came to whom, where some may be lost.

A `Checker` ends the run at the first message that is missing. Here it is counted: datagrams may be lost. What
may not happen ends the run here, too: a message that comes twice, or one that nobody sent.
"""

from __future__ import annotations

from itertools import pairwise

from lab.bench.checker import DeliveryError

Run = tuple[int, int]
"""Numbers that follow one another: the first and the last."""


def runs(numbers: list[int]) -> list[Run]:
    """Return the numbers as runs, in the order they have."""
    ends = [i for i, (a, b) in enumerate(pairwise(numbers), 1) if b != a + 1]
    bounds = pairwise([0, *ends, len(numbers)]) if numbers else ()
    return [(numbers[a], numbers[b - 1]) for a, b in bounds]


class Tally:
    """No I/O, no clock: it is fed what each receiver has got, in the order in which it came."""

    def __init__(self, receivers: int) -> None:
        self.settled = 0
        """The number up to which every receiver has every message, or one after it."""
        self._first = 1  # of the measurement: what was missing before it is forgotten
        self._due = [1] * receivers
        self._missing: list[set[int]] = [set() for _ in range(receivers)]

    @property
    def lost(self) -> int:
        """Deliveries that are missing, of what is settled."""
        return sum(map(len, self._missing))

    def begin(self) -> None:
        """Begin a measurement: what comes now of the messages before it no longer counts."""
        self._first = self.settled + 1
        for missing in self._missing:
            missing.clear()

    def take(self, receiver: int, first: int, last: int) -> None:
        """A receiver has got a run of messages. Raises `DeliveryError`."""
        due = self._due[receiver]
        if first >= due:
            if first > due:
                self._missing[receiver].update(range(due, first))
            self._due[receiver] = last + 1
            return
        missing = self._missing[receiver]
        for number in range(first, min(last + 1, due)):
            if number in missing:
                missing.remove(number)
            elif number >= self._first:
                raise DeliveryError(f"receiver {receiver}: message {number} came twice")
        if last >= due:
            self._due[receiver] = last + 1

    def settle(self) -> int:
        """Return how many messages have been settled since it was asked before."""
        low = min(self._due) - 1
        count, self.settled = low - self.settled, low
        return count

    def give_up(self, last: int) -> None:
        """What has not come of the messages up to ``last`` is lost."""
        for due, missing in zip(self._due, self._missing, strict=True):
            missing.update(range(due, last + 1))
        self._due = [max(due, last + 1) for due in self._due]
