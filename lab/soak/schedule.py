"""Which fault hits which technique, and when. The same seed makes the same schedule. No I/O."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from lab.wire.capture import Transport

FAULTS: dict[Transport, tuple[str, ...]] = {
    "tcp": (
        *("latency 200ms±100ms", "rate 20000", "retransmit 0.1"),
        *("stall", "cut", "half-open", "refuse", "reply-lost"),
    ),
    "udp": (
        *("latency 200ms±100ms", "loss 0.3", "duplicate 0.3", "reorder 0.3"),
        *("rate 20000", "stall", "half-open", "reply-lost"),
    ),
}
"""What is tried, by what can suffer it. A datagram with a wrong byte may show another text, and be stored as
another one: a view of it can't be judged, so ``corrupt`` is left out."""
EVERY = 4.0
"""Seconds from one fault to the next, on average."""
SHORTEST, LONGEST = 1.0, 6.0
"""Seconds that a fault lasts."""


@dataclass(frozen=True, slots=True)
class Step:
    """One fault."""

    at: float
    """Seconds from the begin."""
    technique: str
    fault: str
    lasts: float


def schedule(seed: str, seconds: float, transports: Mapping[str, Transport]) -> list[Step]:
    """Return the faults of a run, by the time of their begin; all of them end within it.

    Args:
        seed: of the schedule.
        seconds: of the run.
        transports: what carries each technique.
    """
    dice = random.Random(seed)
    steps = []
    at = dice.uniform(0, EVERY)
    free = dict.fromkeys(transports, 0.0)
    """When each technique has no fault any more: one at a time, so that it is known what did it."""
    while at + SHORTEST < seconds:
        technique = dice.choice(sorted(transports))
        fault = dice.choice(FAULTS[transports[technique]])
        lasts = min(dice.uniform(SHORTEST, LONGEST), seconds - at)
        if free[technique] <= at:
            steps.append(Step(at, technique, fault, lasts))
            free[technique] = at + lasts
        at += dice.expovariate(1 / EVERY)
    return steps
