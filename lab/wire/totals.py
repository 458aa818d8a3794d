"""What a trace adds up to: bytes by what they were for, and what a connection costs while nobody writes."""

from __future__ import annotations

import time
from collections import deque

from chat.interfaces.frames import Direction, Frame
from chat.language.translation import translate
from lab.wire.trace import Trace

WINDOW = 60.0
"""Seconds over which the running cost is measured."""


def summary(trace: Trace) -> str:
    """Return the totals of a trace on one line."""
    sizes, counts = trace.sizes, trace.counts
    up = sum(size for (_, direction), size in sizes.items() if direction is Direction.UP)
    down = sum(size for (_, direction), size in sizes.items() if direction is Direction.DOWN)
    frames = sum(counts.values())
    parts = [translate(f"{frames} frames"), translate(f"{up} B up"), translate(f"{down} B down")]
    of_role = {role: sum(sizes[role, direction] for direction in Direction) for role, _ in sorted(sizes)}
    if shown := [f"{role} {size} B" for role, size in of_role.items() if size]:
        parts.append(translate(f"of these {', '.join(shown)}"))
    if trace.capture.dropped:
        parts.append(translate(f"{trace.capture.dropped} chunks not kept"))
    return "; ".join(parts)


def carries_nothing(frame: Frame) -> bool:
    """Return whether a frame is the price of being there: an empty poll, an acknowledgement, a ping."""
    return bool(frame.data) and (frame.role == "control" or (frame.role == "poll" and not frame.seqs))


class RunningCost:
    """What a connection costs while nobody writes."""

    def __init__(self, window: float = WINDOW) -> None:
        """Begin now.

        Args:
            window: seconds over which is counted.
        """
        self._window = window
        self._recent: deque[tuple[float, Direction, int]] = deque()
        self._began = time.monotonic()

    def add(self, frames: list[Frame]) -> None:
        """Count the frames that carry no message."""
        self._recent += [
            (frame.began, frame.direction, len(frame.data)) for frame in frames if carries_nothing(frame)
        ]

    def sizes_per_minute(self) -> tuple[int, int]:
        """Return bytes up and down a minute."""
        factor = self._factor()
        up, down = (
            sum(size for _, way, size in self._recent if way is direction) * factor for direction in Direction
        )
        return round(up), round(down)

    def frames_per_minute(self) -> int:
        factor = self._factor()
        return round(len(self._recent) * factor)

    def _factor(self) -> float:
        now = time.monotonic()
        while self._recent and self._recent[0][0] < now - self._window:
            self._recent.popleft()
        return 60 / max(1.0, min(self._window, now - self._began))
