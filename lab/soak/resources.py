"""What a process holds: threads, sockets, files, memory; and how its memory grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psutil

SLACK = {"threads": 4, "sockets": 0, "files": 0, "tasks": 0, "seat files": 0, "objects": 5000}
"""How many more there may be at the end: pools of libraries in C begin and end threads as they like. Objects
are those that Python's garbage collector knows. The soak itself notes two of a stay; a session that was not
freed would be a hundred."""


def held(process: psutil.Process) -> dict[str, int]:
    """Return how many threads, sockets and other open files a process has, where the system tells it."""
    found = {"threads": process.num_threads()}
    found["sockets"] = len(process.net_connections("all"))
    if hasattr(process, "num_fds"):
        found["files"] = process.num_fds() - found["sockets"]
    return found


def left(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return what there is more of than before, and how many more."""
    more = {what: after[what] - count for what, count in before.items()}
    return {what: count for what, count in more.items() if count > SLACK[what]}


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """Return how fast something grows: the slope of the line through (x, y) with the least squares."""
    count = len(samples)
    if count < 2:
        return 0.0
    mean_x = sum(x for x, _ in samples) / count
    mean_y = sum(y for _, y in samples) / count
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread if spread else 0.0
