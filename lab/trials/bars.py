"""What is asked of every cell, and which cells missed it. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.trials.cells import Cell
from lab.trials.outcome import COLUMNS
from lab.trials.scenarios import BY_NAME

NOTICED = 15.0
"""Seconds."""
WELL = 5.0
"""Seconds."""
OTHERS = 0.25
"""Seconds."""
MEMORY = 200e6
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One thing that is asked."""

    column: str
    """Where its figure stands in the table."""
    goal: str
    asks: Callable[[Cell], bool]
    """Whether it is asked of a cell that was tried."""
    missed: Callable[[Cell], str]
    """How a cell missed it; empty: it did not."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of a bar."""

    bar: Bar
    asked: int
    """Of how many cells."""
    missed: list[str]
    """The cells that missed it, and how."""

    @property
    def line(self) -> str:
        if not self.asked:
            return f"{self.bar.goal}: not tried"
        if not self.missed:
            return f"{self.bar.goal}: met, in {self.asked} cell{'s' * (self.asked > 1)}"
        return f"{self.bar.goal}: missed in {len(self.missed)} of {self.asked}: {'; '.join(self.missed)}"


def _wrong(cell: Cell) -> str:
    counts = {name: cell.total(name) for name in (*COLUMNS, "other")}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _late(figures: Sequence[float | None], most: float, never: str) -> str:
    if None in figures:
        return f"{figures.count(None)} {never}"
    worst = max((figure for figure in figures if figure is not None), default=0.0)
    return f"{worst:.1f} s" if worst > most else ""


def _not_noticed(cell: Cell) -> str:
    return _late([one.noticed for one in cell.outcomes], NOTICED, "never noticed it")


def _not_well(cell: Cell) -> str:
    return _late([one.well for one in cell.outcomes], WELL, "never well")


def _slow(cell: Cell) -> str:
    return f"{cell.p99 * 1000:.0f} ms" if cell.p99 is not None and cell.p99 > OTHERS else ""


def _large(cell: Cell) -> str:
    return f"{cell.rss / 1e6:.0f} MB" if cell.rss > MEMORY else ""


def _failed(cell: Cell) -> str:
    if cell.verdict != "valid":
        return cell.verdict
    return f"{cell.never_well} never well" if cell.never_well else ""


def _of(name: str) -> Callable[[Cell], bool]:
    return lambda cell: cell.scenario == name


BARS = (
    Bar(
        "wrong",
        "nothing is lost, doubled, out of order or altered; over udp without --repair every loss is named",
        lambda cell: True,
        _wrong,
    ),
    Bar(
        "noticed",
        f"a silent or stopped peer is noticed within {NOTICED:.0f} s",
        lambda cell: BY_NAME[cell.scenario].until_noticed,
        _not_noticed,
    ),
    Bar(
        "well",
        f"all is well within {WELL:.0f} s after the trouble, or after the server is back",
        lambda cell: bool(BY_NAME[cell.scenario].trouble),
        _not_well,
    ),
    Bar(
        "others",
        f"99 of 100 messages of others are acknowledged within {OTHERS * 1000:.0f} ms",
        lambda cell: cell.p99 is not None,
        _slow,
    ),
    Bar(
        "memory",
        f"the server has less than {MEMORY / 1e6:.0f} MB",
        lambda cell: cell.rss > 0,
        _large,
    ),
    Bar("verdict", "1,000 idle seats: everybody gets a message afterwards", _of("idle seats"), _failed),
    Bar("verdict", "a burst of 10,000: all come", _of("burst"), _failed),
    Bar("verdict", "a reconnect storm of 200: all come back", _of("reconnect storm"), _failed),
)


def judged(cells: Sequence[Cell]) -> list[Judged]:
    """Return each bar with the cells that missed it."""
    tried = [cell for cell in cells if not cell.left_out]
    found = []
    for bar in BARS:
        asked = [cell for cell in tried if bar.asks(cell)]
        missed = [f"{cell.name} ({how})" for cell in asked if (how := bar.missed(cell))]
        found.append(Judged(bar, len(asked), missed))
    return found


def misses(cell: Cell, column: str) -> bool:
    """Return whether a cell misses a bar whose figure stands in this column."""
    return any(bar.column == column and bar.asks(cell) and bool(bar.missed(cell)) for bar in BARS)
