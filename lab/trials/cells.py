"""A scenario over a technique, and all of them, one after the other."""

from __future__ import annotations

import asyncio
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from lab.check.history import Line, write_line
from lab.trials.outcome import Outcome
from lab.trials.run import Found, trials
from lab.trials.scenarios import Scenario
from lab.trials.subject import Subject


class Cell(msgspec.Struct):
    """A scenario over a technique, with every seed."""

    options: str
    """What names the technique, and its settings, on the command line; see `Subject.options`."""
    scenario: str
    left_out: str = ""
    """Why it was not tried; empty: it was."""
    outcomes: list[Outcome] = []
    others: Outcome | None = None
    """See `Found.others`."""
    p99: float | None = None
    """See `Found.p99`."""
    rss: int = 0
    """See `Found.rss`."""

    @classmethod
    def of(cls, subject: Subject, scenario: Scenario, found: Found) -> Cell:
        return cls(subject.options, scenario.name, "", found.outcomes, found.others, found.p99, found.rss)

    def total(self, name: str) -> int:
        return sum(getattr(one, name) for one in self.judged)

    def figures(self, name: str) -> list[float]:
        return sorted(found for one in self.outcomes if (found := getattr(one, name)) is not None)

    @property
    def judged(self) -> list[Outcome]:
        """All that the judge has judged: also somebody else, who had no trouble."""
        return [*self.outcomes, *([self.others] if self.others else [])]

    @property
    def never_well(self) -> int:
        return sum(one.well is None for one in self.outcomes)

    @property
    def verdict(self) -> str:
        """Return "invalid" if one is, "unknown" if nothing else was shown, or "valid"."""
        said = [one.verdict for one in self.judged]
        if "invalid" in said:
            return "invalid"
        return "valid" if any(one.verdict == "valid" for one in self.outcomes) else "unknown"

    @property
    def not_valid(self) -> list[Outcome]:
        return [one for one in self.judged if one.verdict != "valid"]

    @property
    def name(self) -> str:
        return f"{self.scenario} over {self.options}"

    def again(self, seed: int) -> str:
        """Return the command that repeats one trial; seed 0, somebody else's: with all seeds."""
        seeds = f"--seeds 1 --seed {seed}" if seed else f"--seeds {len(self.outcomes)}"
        return f"chat lab faults -b {self.options} --scenario {shlex.quote(self.scenario)} {seeds}"


def run_cells(
    subjects: Sequence[Subject],
    scenarios: Sequence[Scenario],
    seeds: range,
    server: str | None = None,
    keep: Path | None = None,
) -> Iterator[Cell]:
    """Run each scenario over each technique, and yield what was found.

    Args:
        subjects: what is tried.
        scenarios: what goes wrong.
        seeds: of each cell.
        server: of techniques whose server is a broker: where it is; None: it is found.
        keep: a folder for the histories; None: they are not kept.

    Raises:
        ChatError: a server does not start.
        OSError: a history can't be kept.
    """
    with tempfile.TemporaryDirectory(prefix="chat-lab-") as name:
        for scenario in scenarios:
            for subject in subjects:
                if reason := scenario.missing(subject.technique, subject.transport):
                    yield Cell(subject.options, scenario.name, reason)
                    continue
                title = _file_name(f"{subject.options} {scenario.name}")
                found = asyncio.run(trials(subject, scenario, seeds, Path(name, title), server))
                if keep is not None:
                    for seed, lines in found.histories.items():
                        write(lines, keep / f"{title}-{seed}.jsonl")
                yield Cell.of(subject, scenario, found)


def _file_name(text: str) -> str:
    return "-".join("".join(one for one in text if one.isalnum() or one in " -").replace("--", "").split())


def write(lines: Sequence[Line], file: Path) -> None:
    """Write histories, faults and a log into one file, as `chat lab check` reads them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{write_line(line)}\n" for line in lines), encoding="utf-8")
