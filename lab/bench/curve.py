"""A curve of growth: what something costs by its size, and the exponent of that."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import msgspec

LINEAR = 1.1
"""Up to this exponent a cost counts as linear: it is a measurement."""


class Point(msgspec.Struct):
    size: float
    totals: list[float]
    """The whole cost at this size, in each round."""
    before: list[float] = []
    """The same of another revision; empty: it was not measured."""

    @property
    def total(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.totals)

    @property
    def ratio(self) -> float | None:
        """This build's cost, divided by the other revision's; None: it was not measured."""
        then = statistics.median(self.before) if self.before else 0.0
        return self.total / then if then else None


class Curve(msgspec.Struct):
    """The whole cost by size."""

    title: str
    unit: str
    """Of what is shown."""
    whole: str
    """What the whole cost is, with its unit."""
    points: list[Point]
    why: str
    """What makes it grow faster than the size, if it does."""
    each: bool = False
    """Shown is the cost for each: the total, divided by the size."""
    rate: bool = False
    """Shown is how many there are for a unit of cost: the size, divided by the total."""

    def shown(self, point: Point) -> float:
        """Return the figure for people."""
        if self.rate:
            return point.size / point.total
        return point.total / point.size if self.each else point.total

    @property
    def line(self) -> tuple[float, float] | None:
        """The exponent and the factor of the whole cost; None: too little was found."""
        try:
            return fit([(point.size, point.total) for point in self.points])
        except ValueError:
            return None

    @property
    def steep(self) -> bool:
        """Whether the whole cost grows faster than the size."""
        return self.line is not None and self.line[0] > LINEAR


def fit(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Fit ``cost = factor * size ** exponent`` by least squares of the logarithms, all points alike.

    Args:
        points: sizes and costs. A cost that is not positive has no logarithm: it is left out.

    Returns:
        The exponent and the factor.

    Raises:
        ValueError: fewer than two sizes are left.
    """
    logs = [(math.log10(size), math.log10(cost)) for size, cost in points if cost > 0]
    if len({x for x, _ in logs}) < 2:
        raise ValueError("a line needs two points")
    exponent, offset = statistics.linear_regression([x for x, _ in logs], [y for _, y in logs])
    return exponent, 10**offset
