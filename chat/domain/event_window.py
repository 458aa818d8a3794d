"""Which events of a room have come, if they may come in any order, twice, or not at all.

The highest seq alone does not tell: an event that is late would count as lost, and a lost one as seen. Each
event names the one before it (``prev``). So an event that comes early is remembered by its ``prev`` until
the chain of events reaches it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

WIDTH = 1024
"""Events that may be ahead of the chain, and missing events that may still come."""


class EventWindow:
    """The events of a room after a seq."""

    def __init__(self, after: int = 0) -> None:
        self.floor = after
        """Everything up to this seq has come, or is known to be missing."""
        self.highest = after
        """The highest seq that has come, or was named by `hear_of`."""
        self._next: dict[int, int] = {}  # ahead of the chain: from an event to the one after it
        self._ahead: set[int] = set()
        self._missing: OrderedDict[int, None] = OrderedDict()

    @property
    def complete(self) -> bool:
        """Whether no event up to `highest` is unknown."""
        return self.floor >= self.highest

    @property
    def ahead(self) -> int:
        """How many events are ahead of the chain. Beyond twice the width the hole is skipped."""
        return len(self._ahead)

    @property
    def full(self) -> bool:
        """Whether so many events are ahead of the chain that the hole must be repaired or skipped now."""
        return len(self._ahead) >= WIDTH

    def knows(self, seq: int) -> bool:
        """Return whether this event has come. A missing one has not."""
        return (seq <= self.floor or seq in self._ahead) and seq not in self._missing

    def take(self, seq: int, prev: int) -> bool:
        """An event has come; return False if it had come before."""
        if self.knows(seq):
            return False
        if seq in self._missing:
            del self._missing[seq]
        else:
            self._link(seq, prev)
        return True

    def miss(self, seq: int, prev: int) -> bool:
        """An event is missing; return False if it has come, or is known to be missing.

        It may still come: the last `WIDTH` missing events are remembered.
        """
        if seq <= self.floor or seq in self._ahead:
            return False
        self._missing[seq] = None
        if len(self._missing) > WIDTH:
            self._missing.popitem(last=False)
        self._link(seq, prev)
        return True

    def hear_of(self, head: int) -> None:
        """The room has an event with this seq."""
        self.highest = max(self.highest, head)

    def skip(self, seq: int) -> None:
        """Begin anew after a seq: what is unknown before it stays so."""
        self.floor = max(self.floor, seq)
        self.highest = max(self.highest, self.floor)
        for prev, next in list(self._next.items()):
            if next <= self.floor:
                self._ahead.discard(self._next.pop(prev))
            elif prev < self.floor:  # nothing can be between the two
                del self._next[prev]
                self._next[self.floor] = next
        self._climb()

    def holes(self) -> Iterator[tuple[int, int]]:
        """Yield the holes: a seq that is known and the next one that is, or one more than `highest`."""
        known = self.floor
        for prev, seq in sorted(self._next.items(), key=lambda link: link[1]):
            if prev != known:
                yield known, seq
            known = seq
        if known < self.highest:
            yield known, self.highest + 1

    def _link(self, seq: int, prev: int) -> None:
        self.highest = max(self.highest, seq)
        if prev <= self.floor:  # less, where the floor is the seq of an entry that was refused
            self.floor = seq
            self._climb()
            return
        self._next[prev] = seq
        self._ahead.add(seq)
        if len(self._ahead) > 2 * WIDTH:
            self.skip(min(self._ahead))

    def _climb(self) -> None:
        while (seq := self._next.pop(self.floor, 0)) != 0:
            self._ahead.discard(seq)
            self.floor = seq
