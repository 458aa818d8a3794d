"""Draws curves of growth: a panel a curve, both axes logarithmic, a dot a point, and the fitted line."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lab.bench.curve import Curve
from lab.drawing import BLUE, INK, circle, label, rule, svg

PANEL, HEIGHT = 360, 352
LEFT, RIGHT, TOP, BOTTOM = 66, 26, 96, 64
"""Around the axes of a panel."""
GRID = "#d0d0d0"
DARK = """<style>@media(prefers-color-scheme:dark){
rect{fill:#0d1117}text{fill:#e6edf3}line.grid{stroke:#3d444d}line.fit{stroke:#78aeed}line.linear{stroke:#e6edf3}
}</style>"""
"""Colours for a dark page; they win over those of the shapes."""


def draw(title: str, size: str, curves: Sequence[Curve]) -> str:
    """Return the picture as SVG.

    Args:
        title: of all panels.
        size: what the size counts.
        curves: one a panel. One without a line has too few points, and only these are drawn.
    """
    parts = [DARK, label(20, 32, title, size=20, bold=True)]
    for number, curve in enumerate(curves):
        parts += _panel(PANEL * number, size, curve)
    return svg(PANEL * len(curves), HEIGHT + 30, title, [*parts, *_legend()])


def _panel(left: float, size: str, curve: Curve) -> list[str]:
    points = [(point.size, point.total) for point in curve.points if point.total > 0]
    right, bottom = left + PANEL - RIGHT, HEIGHT - BOTTOM
    fitted = f": exponent {curve.line[0]:.2f}" if curve.line else ""
    parts = [label(left + 20, 62, f"{curve.title}{fitted}", size=16, bold=True)]
    if not points:
        return parts
    x, columns = _axis([at for at, _ in points], left + LEFT, right)
    y, rows = _axis([cost for _, cost in points], bottom, TOP)
    for decade in columns:
        parts.append(_classed("grid", rule(x(decade), TOP, x(decade), bottom, GRID, 1)))
        parts.append(label(x(decade), bottom + 20, _short(decade), size=14, anchor="middle"))
    for decade in rows:
        parts.append(_classed("grid", rule(left + LEFT, y(decade), right, y(decade), GRID, 1)))
        parts.append(label(left + LEFT - 8, y(decade) + 5, _short(decade), size=14, anchor="end"))
    parts.append(label((left + LEFT + right) / 2, bottom + 42, size, size=14, anchor="middle"))
    parts.append(label(left + 20, TOP - 16, curve.whole, size=12))
    if curve.line is not None:
        exponent, factor = curve.line
        ends = points[0][0], points[-1][0]
        costs = [factor * end**exponent for end in ends]
        parts.append(_classed("fit", rule(x(ends[0]), y(costs[0]), x(ends[1]), y(costs[1]), BLUE, 2)))
        most = min(ends[1], ends[0] * rows[-1] / costs[0])  # where it leaves the panel
        above = costs[0] * most / ends[0]
        parts.append(
            _classed("linear", rule(x(ends[0]), y(costs[0]), x(most), y(above), INK, 1, dashed=True))
        )
    return [*parts, *(circle(x(at), y(cost)) for at, cost in points)]


def _axis(values: list[float], start: float, end: float) -> tuple[Callable[[float], float], list[float]]:
    """Return what places a value, and the powers of ten on the axis."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)

    def place(value: float) -> float:
        return start + (math.log10(value) - low) * (end - start) / (high - low)

    return place, [10.0**power for power in range(low, high + 1)]


def _classed(name: str, line: str) -> str:
    return line.replace("<line", f'<line class="{name}"', 1)


def _short(number: float) -> str:
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:g}{letter}"
    return f"{number:g}"


def _legend() -> list[str]:
    y = HEIGHT + 8.0
    return [
        circle(30, y - 5), label(44, y, "measured", size=14),
        _classed("fit", rule(126, y - 5, 160, y - 5, BLUE, 2)), label(166, y, "fitted", size=14),
        _classed("linear", rule(222, y - 5, 256, y - 5, INK, 1, dashed=True)),
        label(262, y, "linear", size=14),
    ]  # fmt: skip
