"""What a trace adds up to: bytes by what they were for, and what a connection costs while nobody writes."""

from __future__ import annotations

from collections import deque

from chat.interfaces.frames import Direction, Frame
from lab.wire.trace import Trace

WINDOW = 60.0
"""Seconds over which the running cost is measured."""


def summary(trace: Trace) -> str:
    """Return the totals of a trace on one line."""
    sizes, counts = trace.sizes, trace.counts
    up = sum(size for (_, direction), size in sizes.items() if direction is Direction.UP)
    down = sum(size for (_, direction), size in sizes.items() if direction is Direction.DOWN)
    parts = [f"{sum(counts.values())} frames", f"{up} B up", f"{down} B down"]
    roles = sorted({role for role, _ in sizes})
    of_each = (f"{role} {sum(sizes[role, direction] for direction in Direction)} B" for role in roles)
    parts.append(f"of these {', '.join(of_each)}")
    if trace.capture.dropped:
        parts.append(f"{trace.capture.dropped} chunks not kept")
    return "; ".join(parts)


class RunningCost:
    """What polls, acknowledgements, pings and keepalives cost, as bytes and frames a minute."""

    def __init__(self, window: float = WINDOW) -> None:
        self._window = window
        self._recent: deque[tuple[float, int]] = deque()
        self._began: float | None = None

    def add(self, frames: list[Frame]) -> None:
        """Count the frames that carry no message."""
        for frame in frames:
            if self._began is None:
                self._began = frame.began
            if frame.data and (frame.role == "control" or (frame.role == "poll" and not frame.seqs)):
                self._recent.append((frame.began, len(frame.data)))

    def per_minute(self, now: float) -> tuple[int, int]:
        """Return bytes and frames a minute.

        Args:
            now: seconds of the capture's clock.
        """
        while self._recent and self._recent[0][0] < now - self._window:
            self._recent.popleft()
        if self._began is None:
            return 0, 0
        seconds = max(1.0, min(self._window, now - self._began))
        size = sum(size for _, size in self._recent)
        return round(size * 60 / seconds), round(len(self._recent) * 60 / seconds)
