"""What one client has seen, as sums, and whether it equals the log. No I/O.

A view of half an hour has thousands of events, and there are hundreds of views; so a view keeps the first
seq, the last one, a count and a sum of digests. Any event that is lost, doubled or changed changes
one of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import accumulate

import msgspec

from chat.domain.model import Event

_MODULO = 2**64


def digest(event: Event) -> int:
    """Return a number for all that people see of an event."""
    what = (event.seq, event.kind, event.at, event.author, event.technique, event.id, event.text)
    return int.from_bytes(blake2b(repr(what).encode(), digest_size=8).digest())


class View(msgspec.Struct):
    """One stay of one client in the room."""

    client: str
    technique: str
    ordered: bool
    first: int = 0
    last: int = 0
    count: int = 0
    total: int = 0
    missing: set[int] = msgspec.field(default_factory=set)
    """Seqs that were named as missing, and did not come later."""
    back: int = 0
    """Events that came behind a later one."""
    stayed: bool = False
    """It was in the room at the end, so it must know the last event."""
    anew: str = ""
    """Why it was told that the room has another log; empty: it was not."""

    def add(self, event: Event) -> None:
        """Note an event that has come."""
        self.first = min(self.first or event.seq, event.seq)
        if event.seq <= self.last:
            self.back += 1
        self.last = max(self.last, event.seq)
        self.count += 1
        self.total = (self.total + digest(event)) % _MODULO
        self.missing.discard(event.seq)

    def knows(self, seq: int) -> bool:
        """Whether an event has come, or was named as missing, or a later one has come."""
        return self.last >= seq or seq in self.missing


class Truth:
    """The log of the room."""

    def __init__(self, events: Sequence[Event], last: int = 0) -> None:
        """Begin with all events, in the order of the log.

        ``last``: the seq that all who stayed must know; 0: that of the last event.
        """
        self._digests = {event.seq: digest(event) for event in events}
        self._seqs = [event.seq for event in events]
        self._sums = [0, *accumulate(self._digests[seq] for seq in self._seqs)]
        self._texts = Counter(event.text for event in events if event.kind in ("sent", "edited"))
        self.last = last or (self._seqs[-1] if self._seqs else 0)

    def __len__(self) -> int:
        return len(self._seqs)

    def judged(self, view: View) -> list[str]:
        """Return what is wrong with a view; nothing if it equals the log from its first event to its last."""
        who = f"{view.client} over {view.technique}"
        if view.anew:
            return [f"{who} was told that the room has another log: {view.anew}"]
        problems = []
        if view.ordered and view.back:
            problems.append(f"{who} saw {view.back} events out of order")
        if view.ordered and view.missing:
            problems.append(
                f"{who} was told of {len(view.missing)} missing events, and its technique loses none"
            )
        if view.stayed and not view.knows(self.last):
            problems.append(f"{who} knows events up to {view.last}, and not {self.last}")
        if not view.count:
            return problems
        start, end = bisect_left(self._seqs, view.first), bisect_right(self._seqs, view.last)
        gone = [seq for seq in view.missing if view.first <= seq <= view.last and seq in self._digests]
        count = end - start - len(gone)
        total = self._sums[end] - self._sums[start] - sum(self._digests[seq] for seq in gone)
        if count != view.count:
            problems.append(
                f"{who} saw {view.count} events from {view.first} to {view.last}, and the log has {count}"
                + (f" besides {len(gone)} named as missing" if gone else "")
            )
        elif total % _MODULO != view.total:
            problems.append(f"{who} saw other events from {view.first} to {view.last} than the log has")
        return problems

    def stored(self, acknowledged: Iterable[str]) -> list[str]:
        """Return what is wrong with texts, each said once, of which these were acknowledged."""
        lost = [text for text in acknowledged if not self._texts[text]]
        doubled = [text for text, count in self._texts.items() if count > 1]
        return [
            *(f"acknowledged, and not in the log: {text}" for text in lost),
            *(f"in the log more than once: {text}" for text in doubled),
        ]
