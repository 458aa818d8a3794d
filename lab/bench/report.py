"""The result of a benchmark: figures, and whether the goals are met."""

from __future__ import annotations

import statistics

import msgspec

from lab.bench import plans, revision
from lab.bench.goals import cpu_ratio, p50_ratio, speed_ratio
from lab.bench.load import Measured
from lab.bench.machine import Machine
from lab.bench.plans import Plan

CLIENTS = 200
"""The number of clients for which the goals of the fan-out are meant."""


class Server(msgspec.Struct):
    name: str
    title: str
    connects: float
    """Clients that joined in a second."""
    client_bytes: float
    """Resident memory for each client, in bytes."""


class Series(msgspec.Struct):
    """One server in one regime."""

    server: str
    regime: str
    rounds: list[Measured]


class Verdict(msgspec.Struct):
    regime: str
    title: str
    goal: str
    value: float
    low: float
    high: float
    met: bool
    reason: str
    """Why the goal is missed; empty if it is met."""


class Compared(msgspec.Struct):
    """A figure of this build, divided by that of another revision."""

    regime: str
    title: str
    value: float
    low: float
    high: float


BESIDE = {"per CPU second": cpu_ratio, "a second": speed_ratio, "p50": p50_ratio}
"""What is compared in each regime, for the same round."""


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
        return plans.find(self.benchmark, self.backend)

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
        found = {(one.server, one.regime): one.rounds for one in self.series}
        rows = []
        for regime in self.plan.regimes:
            pairs = list(
                zip(
                    found.get((self.plan.ours.name, regime.name), []),
                    found.get((revision.NAME, regime.name), []),
                    strict=False,
                )
            )
            for title, figure in BESIDE.items() if pairs else ():
                values = [figure(now, before) for now, before in pairs]
                rows.append(Compared(regime.name, title, statistics.median(values), min(values), max(values)))
        servers = {one.name: one for one in self.servers}
        if (before := servers.get(revision.NAME)) is not None:
            now = servers[self.plan.ours.name]
            for title, value in (
                ("joins a second", now.connects / before.connects),
                ("memory per client", now.client_bytes / max(1.0, before.client_bytes)),
            ):
                rows.append(Compared("joining", title, value, value, value))
        return rows

    def verdicts(self) -> list[Verdict]:
        """Return the result for each goal that was measured: the median and the range of its rounds."""
        plan = self.plan
        found = {(one.server, one.regime): one.rounds for one in self.series}
        verdicts = []
        for goal in plan.goals:
            ours = found.get((goal.server, goal.regime))
            theirs = found.get((plan.yardstick.name, goal.regime))
            if ours and theirs:
                values = [goal.figure(*pair) for pair in zip(ours, theirs, strict=True)]
                value = statistics.median(values)
                low, high, met = min(values), max(values), goal.met(value)
                reason = "" if met else goal.reason
                verdicts.append(Verdict(goal.regime, goal.title, str(goal), value, low, high, met, reason))
        return verdicts

    def json(self) -> str:
        fields = msgspec.to_builtins(self) | {
            "goals": msgspec.to_builtins(self.verdicts()),
            "compared": msgspec.to_builtins(self.compared()),
        }
        return msgspec.json.encode(fields).decode()
