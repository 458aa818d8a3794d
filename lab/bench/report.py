"""The result of a benchmark: figures, and whether the goals are met."""

from __future__ import annotations

import statistics
from typing import Any

import msgspec

from lab.bench import plans, revision
from lab.bench.goals import (
    JOINING,
    Verdict,
    capacity_ratio,
    cpu_ratio,
    joins_cpu_ratio,
    joins_ratio,
    memory_ratio,
    p50_ratio,
    speed_ratio,
)
from lab.bench.load import Connected, Measured
from lab.bench.machine import Machine
from lab.bench.plan import Plan

CLIENTS = 200
"""The number of clients for which the goals of the fan-out are meant."""


class Server(msgspec.Struct):
    name: str
    title: str
    joined: list[Connected]
    """What was found of each crowd of clients that joined."""


class Series(msgspec.Struct):
    """One server in one regime."""

    server: str
    regime: str
    rounds: list[Measured]


class Compared(msgspec.Struct):
    """A figure of a server, divided by that of another one."""

    regime: str
    title: str
    value: float
    low: float
    high: float


BESIDE = {"per CPU second": cpu_ratio, "a second": speed_ratio, "p50": p50_ratio}
"""What is compared in each regime, for the same round."""
BESIDE_JOINING = {"joins a second": joins_ratio, "CPU per join": joins_cpu_ratio}
"""The same for each crowd that joins."""
WORKERS = {
    "per CPU second of the busiest process": capacity_ratio,
    "per CPU second of all processes": cpu_ratio,
    "p50": p50_ratio,
}
"""The same where the processes are several."""


class Report(msgspec.Struct):
    at: str
    benchmark: str
    backend: str
    clients: int
    seconds: float
    machine: Machine
    servers: list[Server]
    series: list[Series]
    left_out: list[str]
    """Servers that could not be measured, with the reason."""
    sent: int
    """Messages that were sent to our server."""
    logged: int | None
    """Messages in its log after the run; None if the log was in memory."""

    @property
    def plan(self) -> Plan:
        return plans.find(self.benchmark, self.backend, self.clients)

    @property
    def joins(self) -> bool:
        """Whether it is measured how clients join."""
        return self.benchmark in ("fanout", "idle")

    @property
    def arrived(self) -> int:
        """Deliveries of our server that arrived."""
        return sum(one.deliveries for one in self._ours())

    @property
    def lost(self) -> int:
        """Deliveries of our server that did not arrive."""
        return sum(one.lost for one in self._ours())

    def _ours(self) -> list[Measured]:
        ours = self.plan.ours.name
        return [one for series in self.series if series.server == ours for one in series.rounds]

    def compared(self) -> list[Compared]:
        """Return how this build does beside the other revision; empty if none was measured."""
        ours = self.plan.ours.name
        before = revision.name_of(ours)
        rows = self._divided(before)
        joined = {one.name: one.joined for one in self.servers}
        if before in joined and self.joins:
            for title, compare in BESIDE_JOINING.items():
                values = [compare(*pair) for pair in zip(joined[ours], joined[before], strict=True)]
                rows.append(Compared(JOINING, title, statistics.median(values), min(values), max(values)))
            value = memory_ratio(joined[ours][0], joined[before][0])  # later crowds take what the first had
            rows.append(Compared(JOINING, "memory per client", value, value, value))
        return rows

    def scaled(self) -> list[Compared]:
        """Return how several workers do beside one process; empty if there are no workers."""
        return self._divided(self.plan.yardstick.name) if self.plan.ours.workers else []

    def _divided(self, other: str) -> list[Compared]:
        """Return our figures, divided by those of another server in the same round."""
        found = {(one.server, one.regime): one.rounds for one in self.series}
        rows = []
        for regime in self.plan.regimes:
            now, then = found.get((self.plan.ours.name, regime.name), []), found.get((other, regime.name), [])
            for title, figure in (WORKERS if self.plan.ours.workers else BESIDE).items() if then else ():
                values = [figure(*pair) for pair in zip(now, then, strict=True)]
                rows.append(Compared(regime.name, title, statistics.median(values), min(values), max(values)))
        return rows

    def verdicts(self) -> list[Verdict]:
        """Return the result for each goal that was measured: the median and the range of its rounds."""
        rounds: dict[tuple[str, str], list[Any]] = {
            **{(one.server, one.regime): one.rounds for one in self.series},
            **{(one.name, JOINING): one.joined for one in self.servers},
        }
        verdicts = []
        for goal in self.plan.goals:
            ours = rounds.get((goal.server, goal.regime))
            theirs = rounds.get((goal.beside or self.plan.yardstick.name, goal.regime))
            before = rounds.get((revision.name_of(goal.server), goal.regime), [])
            if ours and theirs:
                verdicts.append(
                    goal.bound.judge(
                        goal.title,
                        [goal.figure(*pair) for pair in zip(ours, theirs, strict=True)],
                        regime=goal.regime,
                        reason=goal.reason,
                        before=[goal.figure(*pair) for pair in zip(before, theirs, strict=False)],
                    )
                )
        return verdicts

    def json(self) -> str:
        fields = msgspec.to_builtins(self) | {
            "goals": msgspec.to_builtins(self.verdicts()),
            "compared": msgspec.to_builtins(self.compared()),
            "scaled": msgspec.to_builtins(self.scaled()),
        }
        return msgspec.json.encode(fields).decode()
