"""What a lane measures. There is no widget in this file.

All lanes have the same scale, so that a bar means the same in each: a lane that scaled its own bars would
make the slowest technique look like the fastest one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

FLOOR, CEILING = 0.0001, 2.0
"""Seconds: the shortest and the longest time that the bars tell apart."""
BARS = "▁▂▃▄▅▆▇█"
KEPT = 500
"""Times that percentiles are computed of: the newest ones."""


def level(seconds: float) -> int:
    """Return the bar for a time, 0 to 7, on a logarithmic scale from `FLOOR` to `CEILING`."""
    share = math.log(max(seconds, FLOOR) / FLOOR) / math.log(CEILING / FLOOR)
    return min(len(BARS) - 1, int(share * len(BARS)))


def sparkline(times: Iterable[float], width: int) -> str:
    """Return the newest times as bars, the newest at the right."""
    return "".join(BARS[level(time)] for time in list(times)[-width:]) if width > 0 else ""


class Figures:
    """How long the messages of one lane took, in seconds."""

    def __init__(self) -> None:
        self.times: deque[float] = deque(maxlen=KEPT)

    def add(self, seconds: float) -> None:
        self.times.append(seconds)

    def percentile(self, share: float) -> float | None:
        """Return the smallest time that so many of the times do not exceed (nearest rank); None: no times."""
        if not self.times:
            return None
        return sorted(self.times)[max(0, math.ceil(share * len(self.times)) - 1)]
