"""Goals: what the figures of a benchmark are compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.bench.load import Measured


@dataclass(frozen=True)
class Goal:
    """A limit for our server in a regime, mostly for the ratio to the yardstick in the same round."""

    regime: str
    title: str
    figure: Callable[[Measured, Measured], float]
    """Computes the figure from ours and the yardstick's of one round."""
    limit: float
    unit: str
    at_least: bool
    reason: str
    """Shown if the goal is missed: what takes the time."""
    server: str = "chat"
    """The server that the goal is about."""

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}{self.unit}"


def per_cpu(one: Measured) -> float:
    """Return the deliveries for each second of the server's CPU time."""
    return one.deliveries / one.server_cpu


def per_second(one: Measured) -> float:
    return one.deliveries / one.seconds


def cpu_ratio(ours: Measured, theirs: Measured) -> float:
    return per_cpu(ours) / per_cpu(theirs)


def speed_ratio(ours: Measured, theirs: Measured) -> float:
    return per_second(ours) / per_second(theirs)


def p50_ratio(ours: Measured, theirs: Measured) -> float:
    return ours.p50 / theirs.p50
