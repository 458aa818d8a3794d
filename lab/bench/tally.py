"""Counts which messages each receiver has got, if some may be lost.

A `Checker` ends the run if a message is missing. Datagrams may be lost, so a `Tally` counts them. A duplicate
still ends the run.
"""

from __future__ import annotations

from itertools import pairwise

from lab.bench.checker import DeliveryError

Run = tuple[int, int]
"""Consecutive numbers: the first and the last one."""


def runs(numbers: list[int]) -> list[Run]:
    """Return the numbers as runs, in their order."""
    ends = [i for i, (a, b) in enumerate(pairwise(numbers), 1) if b != a + 1]
    bounds = pairwise([0, *ends, len(numbers)]) if numbers else ()
    return [(numbers[a], numbers[b - 1]) for a, b in bounds]


class Tally:
    """Has no I/O and no clock; `take` gets what each receiver got, in the order in which it came."""

    def __init__(self, receivers: int) -> None:
        self.settled = 0
        """The number up to which every receiver has every message or a later one."""
        self._first = 1  # of this measurement; earlier ones are not counted
        self._due = [1] * receivers
        self._missing: list[set[int]] = [set() for _ in range(receivers)]

    @property
    def lost(self) -> int:
        """Deliveries that are missing among the settled messages."""
        return sum(map(len, self._missing))

    def begin(self) -> None:
        """Begin a measurement: earlier messages are not counted any more."""
        self._first = self.settled + 1
        for missing in self._missing:
            missing.clear()

    def take(self, receiver: int, first: int, last: int) -> None:
        """Count a run of messages that a receiver got. Raises `DeliveryError` for a duplicate."""
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
        """Return how many messages were settled since the last call."""
        low = min(self._due) - 1
        count, self.settled = low - self.settled, low
        return count

    def give_up(self, last: int) -> None:
        """Count the messages up to ``last`` that have not come as lost."""
        for due, missing in zip(self._due, self._missing, strict=True):
            missing.update(range(due, last + 1))
        self._due = [max(due, last + 1) for due in self._due]
