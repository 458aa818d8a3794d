"""Goals: what the figures of a benchmark are compared with, and what came of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from lab.bench.load import Connected, Measured

JOINING = "joining"
"""The regime of goals for coming in: their figures are computed from a `Connected` each."""


class Verdict(msgspec.Struct):
    """What came of a goal: the median of the rounds, and their range."""

    regime: str
    title: str
    goal: str
    value: float
    low: float
    high: float
    met: bool
    reason: str
    """Why the goal is missed; empty if it is met."""
    before: float | None = None
    """The figure of this build, divided by that of another revision; None: that was not measured."""


@dataclass(frozen=True)
class Bound:
    """The most or the least that a figure may be."""

    limit: float
    unit: str = " times"
    at_least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}{self.unit}"

    def judge(
        self,
        title: str,
        values: Sequence[float],
        *,
        regime: str = "",
        reason: str = "",
        before: Sequence[float] = (),
    ) -> Verdict:
        """Compare the median with the bound.

        Args:
            title: what the figure is.
            values: of the rounds.
            regime: in which they were measured, if there are several.
            reason: why the goal is missed, if it is.
            before: of another revision; empty: it was not measured.
        """
        value = statistics.median(values)
        met = self.met(value)
        then = statistics.median(before) if before else 0.0
        return Verdict(
            regime,
            title,
            str(self),
            value,
            min(values),
            max(values),
            met,
            "" if met else reason,
            value / then if then else None,
        )


@dataclass(frozen=True)
class Goal:
    """A limit for our server in a regime, mostly for the ratio to the yardstick in the same round."""

    regime: str
    title: str
    figure: Callable[[Any, Any], float]
    """Computes the figure from ours and the yardstick's of one round: a `Measured` each, and for joining a
    `Connected` each."""
    limit: float
    unit: str
    at_least: bool
    reason: str
    """Shown if the goal is missed: what takes the time."""
    server: str = "chat"
    """The server that the goal is about."""
    beside: str = ""
    """The server that it is compared with; empty: the plan's yardstick."""

    @property
    def bound(self) -> Bound:
        return Bound(self.limit, self.unit, self.at_least)

    def met(self, value: float) -> bool:
        return self.bound.met(value)

    def __str__(self) -> str:
        return str(self.bound)


def per_cpu(one: Measured) -> float:
    """Return the deliveries for each second of the server's CPU time."""
    return one.deliveries / one.server_cpu


def per_second(one: Measured) -> float:
    return one.deliveries / one.seconds


def cpu_ratio(ours: Measured, theirs: Measured) -> float:
    return per_cpu(ours) / per_cpu(theirs)


def capacity_ratio(ours: Measured, theirs: Measured) -> float:
    """Return the ratio of the deliveries for each CPU second of the busiest process.

    Each process may have a core of its own, and the busiest one decides how many readers there may be.
    """
    return (ours.deliveries / ours.busiest) / (theirs.deliveries / theirs.busiest)


def speed_ratio(ours: Measured, theirs: Measured) -> float:
    return per_second(ours) / per_second(theirs)


def p50_ratio(ours: Measured, theirs: Measured) -> float:
    return ours.p50 / theirs.p50


def joins_ratio(ours: Connected, theirs: Connected) -> float:
    return ours.connects / theirs.connects


def joins_cpu_ratio(ours: Connected, theirs: Connected) -> float:
    return ours.server_cpu / theirs.server_cpu


def memory_ratio(ours: Connected, theirs: Connected) -> float:
    return ours.client_bytes / max(1.0, theirs.client_bytes)
