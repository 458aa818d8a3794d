"""What a benchmark's figures are held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.bench.load import Measured


@dataclass(frozen=True)
class Goal:
    """What ours should reach in a regime, mostly next to the yardstick in the same round."""

    regime: str
    title: str
    figure: Callable[[Measured, Measured], float]
    """From ours and the yardstick's of one round."""
    limit: float
    unit: str
    at_least: bool
    reason: str
    """Said where it is missed: what the time goes into."""
    server: str = "chat"
    """Whose figures are ours."""

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}{self.unit}"


def per_cpu(one: Measured) -> float:
    """Return deliveries a second of the server's CPU."""
    return one.deliveries / one.server_cpu


def per_second(one: Measured) -> float:
    return one.deliveries / one.seconds


def cpu_ratio(ours: Measured, theirs: Measured) -> float:
    return per_cpu(ours) / per_cpu(theirs)


def speed_ratio(ours: Measured, theirs: Measured) -> float:
    return per_second(ours) / per_second(theirs)


def p50_ratio(ours: Measured, theirs: Measured) -> float:
    return ours.p50 / theirs.p50
