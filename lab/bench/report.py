"""What the fan-out benchmark found: the figures, and the goals they are held against."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from lab.bench.machine import Machine
from lab.bench.sink import Measured


@dataclass(frozen=True)
class Goal:
    """What ours should reach in a regime, mostly next to the textbook's server in the same round."""

    regime: str
    title: str
    figure: Callable[[Measured, Measured], float]
    """From ours and the textbook's of one round."""
    limit: float
    unit: str
    at_least: bool

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}{self.unit}"


def per_cpu(one: Measured) -> float:
    """Return deliveries a second of the server's CPU."""
    return one.deliveries / one.server_cpu


def per_second(one: Measured) -> float:
    return one.deliveries / one.seconds


CLIENTS = 200
"""What the goals are meant for."""
GOALS = (
    Goal(
        "saturation",
        "deliveries per server CPU second, to the textbook's",
        lambda ours, theirs: per_cpu(ours) / per_cpu(theirs),
        40,
        " times",
        True,
    ),
    Goal("open", "last receiver's p99", lambda ours, _: ours.p99, 20, " ms", False),
    Goal(
        "lockstep",
        "deliveries a second, to the textbook's",
        lambda ours, theirs: per_second(ours) / per_second(theirs),
        0.9,
        " times",
        True,
    ),
    Goal(
        "chat",
        "last receiver's p50, to the textbook's",
        lambda ours, theirs: ours.p50 / theirs.p50,
        1.2,
        " times",
        False,
    ),
)


class Server(msgspec.Struct):
    name: str
    title: str
    connects: float
    """Clients let in, a second."""
    client_bytes: float
    """Resident memory, a client."""


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


class Report(msgspec.Struct):
    at: str
    backend: str
    clients: int
    seconds: float
    machine: Machine
    servers: list[Server]
    series: list[Series]
    left_out: list[str]
    """Servers that could not be measured, with the reason."""
    logged: int
    """Messages in our log after the run ..."""
    sent: int
    """... and messages that were sent to ours."""

    def verdicts(self) -> list[Verdict]:
        """Return the goals whose regimes were measured: the median of the rounds, and their range."""
        found = {(one.server, one.regime): one.rounds for one in self.series}
        verdicts = []
        for goal in GOALS:
            ours, theirs = found.get(("chat", goal.regime)), found.get(("textbook", goal.regime))
            if ours and theirs:
                values = [goal.figure(*pair) for pair in zip(ours, theirs, strict=True)]
                value = statistics.median(values)
                verdicts.append(
                    Verdict(
                        goal.regime, goal.title, str(goal), value, min(values), max(values), goal.met(value)
                    )
                )
        return verdicts

    def json(self) -> str:
        fields = msgspec.to_builtins(self) | {"goals": msgspec.to_builtins(self.verdicts())}
        return msgspec.json.encode(fields).decode()
