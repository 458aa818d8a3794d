"""One fault, eight answers: the outcomes of all trials as a table, as JSON and as a page."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from lab.bench.machine import machine
from lab.bench.page import about, write_section
from lab.trials.cells import Cell


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
COUNTED = ("lost", "doubled", "reordered", "unnamed", "other", "indefinite", "missing")
MEANS = """\
Each cell is the same play with other seeds: a client says something before the trouble, while it lasts, and
when it is over. All that the clients saw is a history, and the checker judges it against the log, which
somebody else reads without a fault. *noticed*: seconds until the client knew, median and largest; `-`: it
never had to. *well again*: seconds from the end of the trouble, or until the server answers again, until
every message was answered. *lost*: acknowledged, and not in the log. *twice*: in the log, or seen, more than
once. *order*: stored or seen in another order than was promised. *unnamed*: in the log, and neither seen nor
named as missing. *other*: the checker's other violations. *unknown*: nobody answered, and the client said so.
*missing*: events that were not seen, and named. *others*: in how many ms 99 of 100 messages of somebody
without trouble were acknowledged meanwhile. *MB*: the most memory that the server had. *verdict*: the
checker's; *unknown* if the fault never hit. udp without `--repair` promises no order, and sends nothing
again."""


def row(cell: Cell) -> tuple[str, ...]:
    """Return a cell as a row of the table."""
    if cell.left_out:
        return (cell.scenario, cell.options, *[""] * (len(HEAD) - 3), cell.left_out)
    verdict = cell.verdict
    if verdict == "valid" and cell.not_valid:
        verdict += f", {len(cell.not_valid)} unknown"
    if cell.never_well:
        verdict += f", {cell.never_well} not well in time"
    return (
        cell.scenario,
        cell.options,
        _spread(cell.figures("noticed")),
        _spread(cell.figures("well")),
        *(str(cell.total(name)) for name in COUNTED),
        "-" if cell.p99 is None else f"{cell.p99 * 1000:.0f}",
        f"{cell.rss / 1e6:.0f}" if cell.rss else "-",
        verdict,
    )


def as_text(cells: Sequence[Cell]) -> str:
    """Return the table for a terminal."""
    rows = [HEAD, *map(row, cells)]
    widths = [max(len(one[column]) for one in rows) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(one, widths, strict=True)).rstrip() for one in rows
    )


def as_json(cells: Sequence[Cell]) -> str:
    return msgspec.json.encode(cells).decode()


def write(path: Path, cells: Sequence[Cell], command: str, seconds: float) -> None:
    """Write the section of the page. Raises `ChatError`."""
    tried = [cell for cell in cells if not cell.left_out]
    wrong = [line for cell in tried for line in not_valid(cell)]
    text = [
        "## One fault, eight answers\n",
        f"Made by `{command}` on {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, in {seconds:.0f} s.\n",
        *about(machine(path.parent)),
        "",
        MEANS + "\n",
        f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}",
        *[f"| {' | '.join(row(cell))} |" for cell in tried],
        "",
        *(["Not valid:\n", "```", *wrong, "```", ""] if wrong else []),
        "A line repeats any cell, e.g.:\n",
        "```",
        *[cell.again(cell.outcomes[0].seed) for cell in tried[:3]],
        "```",
        "",
        "Not tried, because it can't be: "
        + "; ".join(sorted({f"{cell.name} ({cell.left_out})" for cell in cells if cell.left_out}))
        + ".",
    ]
    write_section(path, "faults", "\n".join(text) + "\n")
