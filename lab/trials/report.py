"""One fault, eight answers: the outcomes of all trials as a table, as JSON and as a page."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from chat.interfaces.technique import Technique
from lab.bench.machine import machine
from lab.bench.page import about, write_section
from lab.trials.run import Found
from lab.trials.scenarios import BY_NAME, Scenario


class Cell(msgspec.Struct):
    """A scenario over a technique, with every seed."""

    technique: str
    scenario: str
    left_out: str = ""
    """Why it was not tried; empty: it was."""
    ordered: bool = True
    """The technique promises an order."""
    outcomes: list[dict[str, Any]] = []
    others: float | None = None
    """See `Found.others`."""
    rss: int = 0
    """See `Found.rss`."""

    @classmethod
    def of(cls, technique: Technique, scenario: Scenario, found: Found) -> Cell:
        figures = [msgspec.to_builtins(one) for one in found.outcomes]
        return cls(
            technique.name, scenario.name, "", technique.traits.ordered, figures, found.others, found.rss
        )

    def total(self, name: str) -> int:
        return sum(one[name] for one in self.outcomes)

    def figures(self, name: str) -> list[float]:
        return sorted(one[name] for one in self.outcomes if one[name] is not None)

    @property
    def failed(self) -> list[str]:
        return [one["failed"] for one in self.outcomes if one["failed"]]

    @property
    def never_well(self) -> int:
        return sum(one["well"] is None and not one["failed"] for one in self.outcomes)

    @property
    def verdict(self) -> str:
        """Return "valid", "invalid", or "unknown" if nothing was shown."""
        if any(map(self._is_bad, self.outcomes)):
            return "invalid"
        silent = BY_NAME[self.scenario].fault and not self.total("fired")
        return "unknown" if silent else "valid"

    def _is_bad(self, one: dict[str, Any]) -> bool:
        wrong = one["lost"] or one["doubled"] or one["unnamed"] or one["failed"] or one["well"] is None
        return bool(wrong or (self.ordered and one["reordered"]))

    @property
    def again(self) -> str:
        """Return the command that repeats it, with its first bad seed."""
        bad = [one["seed"] for one in self.outcomes if self._is_bad(one)]
        seed = bad[0] if bad else self.outcomes[0]["seed"]
        return f"chat lab faults -b {self.technique} --scenario '{self.scenario}' --seeds 1 --seed {seed}"


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
    "unknown",
    "others, ms",
    "MB",
    "verdict",
)
MEANS = """\
Each cell is the same play with other seeds: a client says three messages, then ten while the trouble lasts,
then one. *noticed*: seconds until the client knew, median and largest; `-`: it never had to. *well again*:
seconds from the end of the trouble until every message was answered. *lost*: acknowledged, and not in the
log. *twice*: in the log or on the screen more than once. *order*: in the log before one sent earlier.
*unnamed*: in the log, and neither shown nor named as missing. *unknown*: nobody answered, and the client said
so. *others*: in how many ms 99 of 100 messages of somebody without trouble were acknowledged. *MB*: memory
of the server at the end. The log is read by somebody else, without a fault. udp promises no order and sends
nothing again, so its *order* and *unknown* are no fault of it; everything else must be 0."""


def row(cell: Cell) -> tuple[str, ...]:
    """Return a cell as a row of the table."""
    if cell.left_out:
        return (cell.scenario, cell.technique, *[""] * 9, cell.left_out)
    verdict = cell.verdict
    if cell.never_well:
        verdict += f", {cell.never_well} not well in time"
    if cell.failed:
        verdict += f", {len(cell.failed)} failed: {cell.failed[0][:60]}"
    return (
        cell.scenario,
        cell.technique,
        _spread(cell.figures("noticed")),
        _spread(cell.figures("well")),
        *(str(cell.total(name)) for name in ("lost", "doubled", "reordered", "unnamed", "indefinite")),
        "-" if cell.others is None else f"{cell.others * 1000:.0f}",
        f"{cell.rss / 1e6:.0f}" if cell.rss else "-",
        verdict,
    )


def as_text(cells: Sequence[Cell]) -> str:
    """Return the table for a terminal."""
    rows = [HEAD, *map(row, cells)]
    widths = [max(len(one[column]) for one in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(one, widths, strict=True)).rstrip() for one in rows
    ]
    bad = [cell.again for cell in cells if not cell.left_out and cell.verdict != "valid"]
    return "\n".join([*lines, *(["", "again:", *bad] if bad else [])])


def as_json(cells: Sequence[Cell]) -> str:
    return msgspec.json.encode(cells).decode()


def write(path: Path, cells: Sequence[Cell], seeds: int, seconds: float) -> None:
    """Write the section of the page. Raises `ChatError`."""
    tried = [cell for cell in cells if not cell.left_out]
    text = [
        "## One fault, eight answers\n",
        f"Made by `chat lab faults --seeds {seeds}` on "
        f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, in {seconds:.0f} s.\n",
        *about(machine(path.parent)),
        "",
        MEANS + "\n",
        f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}",
        *[f"| {' | '.join(row(cell))} |" for cell in tried],
        "",
        "A line repeats any cell, e.g.:\n",
        "```",
        *[cell.again for cell in tried[:3]],
        "```",
        "",
        "Not tried, because it can't be: "
        + "; ".join(
            sorted(
                {
                    f"{cell.scenario} over {cell.technique} ({cell.left_out})"
                    for cell in cells
                    if cell.left_out
                }
            )
        )
        + ".",
    ]
    write_section(path, "faults", "\n".join(text) + "\n")
