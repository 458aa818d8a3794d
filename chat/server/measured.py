"""What the hub measures of its log: a few operations for each batch of entries, none for each reader."""

from __future__ import annotations

import time

from chat.domain.histogram import SECONDS, Histogram
from chat.interfaces.log import Clock, Committed


class Measured:
    """Counts commits and entries, and how long drafts wait for them."""

    def __init__(self, clock: Clock = time.time) -> None:
        """Begin with nothing. ``clock``: the one with which the log dates its entries."""
        self.commits = 0
        self.entries = 0
        self.not_stored = 0
        self.latency = Histogram(SECONDS)
        self._clock = clock

    def committed(self, batch: list[Committed]) -> None:
        """Count a batch that the log has handed back, and that is fanned out."""
        self.commits += 1
        self.entries += len(batch)
        if batch and batch[0].pending is not None:  # else another node's clock has dated it
            self.latency.observe(max(0.0, self._clock() - batch[0].entry.at / 1000))
