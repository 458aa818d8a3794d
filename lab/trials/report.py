"""One fault, eight answers: the outcomes of all trials as a table and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

from lab.trials.bars import judged, misses
from lab.trials.cells import Cell

HEAD = (
    "scenario",
    "technique",
    "noticed, s",
    "well again, s",
    "lost",
    "twice",
    "order",
    "unnamed",
    "other",
    "unknown",
    "missing",
    "others, ms",
    "MB",
    "verdict",
)
WRONG = ("lost", "doubled", "reordered", "unnamed", "other")
SAID = ("indefinite", "missing")
MISSED = " ✖"
"""Behind a figure that misses its bar."""


def not_valid(cell: Cell) -> list[str]:
    """Return why trials are not valid, with the shortest counterexamples, and how to repeat them."""
    text = []
    for one in cell.not_valid:
        who = f"seed {one.seed}" if one.seed else "somebody else"
        text += [f"{cell.name}, {who}: {one.verdict}", *one.said, f"again: {cell.again(one.seed)}", ""]
    return text[:-1]


def _spread(values: Sequence[float]) -> str:
    """Return the median and the largest, in seconds."""
    if not values:
        return "-"
    return f"{statistics.median(values):.1f} ({values[-1]:.1f})"


def row(cell: Cell) -> tuple[str, ...]:
    """Return a cell as a row of the table."""
    if cell.left_out:
        return (cell.scenario, cell.options, *[""] * (len(HEAD) - 3), cell.left_out)
    verdict = cell.verdict
    if verdict == "valid" and cell.not_valid:
        verdict += f", {len(cell.not_valid)} unknown"
    if cell.never_well:
        verdict += f", {cell.never_well} not well in time"

    def marked(column: str, text: str) -> str:
        return text + MISSED * misses(cell, column)

    return (
        cell.scenario,
        cell.options,
        marked("noticed", _spread(cell.figures("noticed"))),
        marked("well", _spread(cell.figures("well"))),
        *(f"{count}{MISSED * bool(count)}" for count in map(cell.total, WRONG)),
        *map(str, map(cell.named, SAID)),
        marked("others", "-" if cell.p99 is None else f"{cell.p99 * 1000:.0f}"),
        marked("memory", f"{cell.rss / 1e6:.0f}" if cell.rss else "-"),
        marked("verdict", verdict),
    )


def as_text(cells: Sequence[Cell]) -> str:
    """Return the table, and what came of the bars, for a terminal."""
    rows = [HEAD, *map(row, cells)]
    widths = [max(len(one[column]) for one in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(one, widths, strict=True)).rstrip() for one in rows
    ]
    return "\n".join([*lines, "", *(one.line for one in judged(cells) if one.asked)])


def as_json(cells: Sequence[Cell]) -> str:
    return msgspec.json.encode(cells).decode()
