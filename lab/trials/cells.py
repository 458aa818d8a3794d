"""A scenario over a technique, and all of them, one after the other."""

from __future__ import annotations

import asyncio
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from chat.domain.errors import ChatError
from chat.server.open_files import allow_open_files
from lab.check.history import Line, write_line
from lab.trials.outcome import Outcome, failed
from lab.trials.run import Found, trials
from lab.trials.scenarios import BY_NAME, Scenario
from lab.trials.subject import Subject

Histories = dict[int, list[Line]]
"""The histories, faults and log of each trial of a cell, by seed; 0: somebody else's."""
FILES = 8
"""Open files that a client needs, at most: its connections, both ends of a tap, the lock of its seat key."""
OTHER_FILES = 200


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
        """Return how often a promise was broken, also to somebody who had no trouble."""
        return sum(getattr(one, name) for one in self.judged)

    def named(self, name: str) -> int:
        """Return how often those in trouble were told that something is not known, or missing."""
        return sum(getattr(one, name) for one in self.outcomes)

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
        """Return the command that repeats one trial; of a scenario with many rooms, and for seed 0, somebody
        else's trial, all of them."""
        seeds = f" --seeds 1 --seed {seed}" if seed else f" --seeds {len(self.outcomes)}"
        if BY_NAME[self.scenario].rooms:
            seeds = ""
        return f"chat lab faults -b {self.options} --scenario {shlex.quote(self.scenario)}{seeds}"


def run_cells(
    subjects: Sequence[Subject], scenarios: Sequence[Scenario], seeds: range, server: str | None = None
) -> Iterator[tuple[Cell, Histories]]:
    """Run each scenario over each technique, and yield what was found.

    Args:
        subjects: what is tried.
        scenarios: what goes wrong.
        seeds: of each cell.
        server: of techniques whose server is a broker: where it is; None: it is found.
    """
    with tempfile.TemporaryDirectory(prefix="chat-lab-") as name:
        for scenario in scenarios:
            for start in range(0, len(subjects), scenario.side_by_side):
                group = subjects[start : start + scenario.side_by_side]
                yield from asyncio.run(_side_by_side(group, scenario, seeds, Path(name), server))


async def _side_by_side(
    subjects: Sequence[Subject], scenario: Scenario, seeds: range, folder: Path, server: str | None
) -> list[tuple[Cell, Histories]]:
    return await asyncio.gather(*(_cell(one, scenario, seeds, folder, server) for one in subjects))


async def _cell(
    subject: Subject, scenario: Scenario, seeds: range, folder: Path, server: str | None
) -> tuple[Cell, Histories]:
    name, scenario = subject.options, scenario.fitted(subject.technique)
    if reason := scenario.missing(subject.technique, subject.transport) or _too_many(scenario, seeds):
        return Cell(name, scenario.name, reason), {}
    rooms = range(seeds.start, seeds.start + scenario.rooms) if scenario.rooms else seeds
    own = folder / file_name(f"{name} {scenario.name}")
    try:
        found = await trials(subject, scenario, rooms, own, server)
    except (ChatError, TimeoutError) as error:  # the others can be tried all the same
        why = str(error) or "no answer in time"
        return Cell(name, scenario.name, outcomes=[failed(seeds.start, why)]), {}
    return Cell.of(subject, scenario, found), found.histories


def _too_many(scenario: Scenario, seeds: range) -> str:
    """Return why there can't be so many people; empty: there can."""
    wanted = OTHER_FILES + FILES * (scenario.rooms or len(seeds)) * scenario.people
    allowed = allow_open_files(wanted)
    if allowed >= wanted:
        return ""
    return (
        f"it needs {wanted:,} open files, and the system allows {allowed:,}: raise the hard limit, ulimit -Hn"
    )


def file_name(text: str) -> str:
    """Return a name for a file."""
    return "-".join("".join(one for one in text if one.isalnum() or one in " -").replace("--", "").split())


def write(lines: Sequence[Line], file: Path) -> None:
    """Write histories, faults and a log into one file, as `chat lab check` reads them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{write_line(line)}\n" for line in lines), encoding="utf-8")
