"""What the histories of a trial show: the judge's verdict, and figures. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lab.check import report
from lab.check.history import Down, Fail, Fault, Indefinite, Invoke, Line, Missing, Ok
from lab.check.judge import judge
from lab.check.verdict import Kind

COLUMNS: dict[str, tuple[Kind, ...]] = {
    "lost": ("lost",),
    "doubled": ("doubled", "delivered twice"),
    "reordered": ("log order", "stored in another order", "delivered in another order"),
    "unnamed": ("not delivered",),
}
"""Which violations a column counts; all others are *other*."""


class Outcome(msgspec.Struct):
    """What became of one trial."""

    seed: int
    verdict: str = "unknown"
    """As the judge says it: valid, invalid, unknown."""
    said: list[str] = []
    """What the judge has to say about it: the reasons or the shortest counterexample. Or why it failed."""
    fired: int = 0
    """How often the fault hit."""
    noticed: float | None = None
    """Seconds until a client knew; None: it never had to."""
    well: float | None = None
    """Seconds after the trouble until everything was answered; None: it never was."""
    sent: int = 0
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    unnamed: int = 0
    other: int = 0
    indefinite: int = 0
    """Nobody answered, and the client said so."""
    missing: int = 0
    """Events that the technique has named as missing."""


def failed(seed: int, reason: str) -> Outcome:
    """Return what became of a trial that has no histories."""
    return Outcome(seed, said=[f"the trial itself failed: {reason}"])


def outcome(seed: int, lines: Sequence[Line], began: float, ended: float) -> Outcome:
    """Judge a trial.

    Args:
        seed: of the trial.
        lines: of all histories, the faults and the log.
        began: when the trouble began, by the clock of the histories.
        ended: when it was over.

    Raises:
        BadRequest: the lines contradict each other.
    """
    verdict = judge((line, "") for line in lines)
    found = Outcome(seed, verdict.state, fired=verdict.counted["fault hits"])
    if verdict.state != "valid":
        found.said = report.lines(verdict)
    for name, kinds in COLUMNS.items():
        setattr(found, name, sum(verdict.kinds.get(kind, 0) for kind in kinds))
    found.other = sum(verdict.kinds.values()) - sum(getattr(found, name) for name in COLUMNS)
    found.sent = verdict.counted["operations"]
    found.indefinite = verdict.counted["indefinite"]
    found.missing = len({seq for line in lines if isinstance(line, Missing) for seq in line.seqs})
    found.noticed = _noticed(lines, began)
    found.well = _well(lines, max((line.until for line in lines if isinstance(line, Fault)), default=ended))
    return found


def _noticed(lines: Sequence[Line], began: float) -> float | None:
    """Return after how many seconds the last client that noticed it did so."""
    first: dict[str, float] = {}
    for line in lines:
        if isinstance(line, Down) and line.at >= began:
            first.setdefault(line.client, line.at)
    return max(first.values()) - began if first else None


def _well(lines: Sequence[Line], ended: float) -> float | None:
    """Return after how many seconds something new, and all that was said before it, was answered.

    Something new is what was said afterwards, and is known to be in the log.
    """
    asked = sorted(answers(lines), key=lambda one: one.invoke.at)
    times = [one.at for one in asked]
    new = (
        number for number, one in enumerate(asked) if one.invoke.at >= ended and isinstance(one.outcome, Ok)
    )
    if (first := next(new, None)) is None or None in times:
        return None
    return max(0.0, max(at for at in times[: first + 1] if at is not None) - ended)


class Answer(msgspec.Struct, frozen=True):
    """Something that was asked for, and what the client was told about it."""

    invoke: Invoke
    outcome: Ok | Fail | Indefinite | None
    """The last one."""
    at: float | None
    """When it was told for the first time."""


def answers(lines: Sequence[Line]) -> list[Answer]:
    """Return everything that was asked for, in the order of the lines."""
    invoked: dict[tuple[str, int], Invoke] = {}
    told: dict[tuple[str, int], tuple[Ok | Fail | Indefinite, float]] = {}
    for line in lines:
        if isinstance(line, Invoke):
            invoked[line.client, line.op] = line
        elif isinstance(line, Ok | Fail | Indefinite):
            key = line.client, line.op
            told[key] = line, told[key][1] if key in told else line.at
    return [Answer(invoke, *told.get(key, (None, None))) for key, invoke in invoked.items()]


def answered(lines: Sequence[Line], began: float, ended: float) -> float:
    """Return when all was answered that was said in this time; its end, if nothing was."""
    said = (one for one in answers(lines) if began <= one.invoke.at <= ended)
    return max((one.at for one in said if one.at is not None), default=ended)


def p99(lines: Sequence[Line], began: float, ended: float) -> float | None:
    """Return in how many seconds 99 of 100 messages were acknowledged that were said in this time."""
    took = sorted(
        one.at - one.invoke.at
        for one in answers(lines)
        if one.at is not None and began <= one.invoke.at <= ended
    )
    return took[min(len(took) - 1, int(len(took) * 0.99))] if took else None
