"""The report of the benchmark of the broker: its figures and goals, for a terminal and for the page."""

from __future__ import annotations

import statistics

import msgspec

from lab.bench.machine import Machine
from lab.bench.page import about, aligned, table

PACE = 0.02
"""Seconds between two messages when the latency is measured: as fast as a person types."""
LATENCY_GOAL = 1.2
"""The highest ratio of our latency to plain pika's."""
PUBLISH_GOAL = 0.8
"""The lowest ratio of our publishes a second to plain pika's."""


class Latency(msgspec.Struct):
    """Milliseconds from sending a message until another client has it."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: list[float]) -> Latency:
        """Return the percentiles of these times."""
        ordered = sorted(1000 * one for one in seconds)
        return cls(statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))])


class Spread(msgspec.Struct):
    """Latencies with several servers on one log, at a rate."""

    rate: int
    """Messages a second, all servers together."""
    own: Latency
    """Until the sender has its own message."""
    others: Latency
    """Until a client at another server has it."""


class Report(msgspec.Struct):
    """What was measured; a value for each round."""

    at: str
    machine: Machine
    broker: str
    bare: list[Latency]
    ours: list[Latency]
    bare_rate: list[float]
    """Confirmed publishes a second of plain pika."""
    our_rate: list[float]
    """Confirmed publishes a second of our client."""
    send_rate: list[float]
    """Messages a second of our client that came back and were accepted."""
    nodes: list[Spread]

    @property
    def latency_ratio(self) -> float:
        """The median p50 of our client, divided by plain pika's."""
        return statistics.median(a.p50 for a in self.ours) / statistics.median(b.p50 for b in self.bare)

    @property
    def publish_ratio(self) -> float:
        """The median of our client's confirmed publishes a second, divided by plain pika's."""
        return statistics.median(self.our_rate) / statistics.median(self.bare_rate)


GOALS = ["what", "goal", "found", ""]
LATENCIES = ["publish to receive", "p50", "p50, range of the rounds", "p99"]
PUBLISHES = ["with 256 in flight", "a second", "range of the rounds"]
SPREADS = ["three servers, entries/s", "own p50", "own p99", "others p50", "others p99"]


def _goals(report: Report) -> list[list[str]]:
    latency, publish = report.latency_ratio, report.publish_ratio
    return [
        [
            "publish to receive, p50, ratio to plain pika's",
            f"at most {LATENCY_GOAL:g} times",
            f"{latency:.2f}",
            "met" if latency <= LATENCY_GOAL else "missed",
        ],
        [
            "confirmed publishes a second, ratio to plain pika's",
            f"at least {PUBLISH_GOAL:g} times",
            f"{publish:.2f}",
            "met" if publish >= PUBLISH_GOAL else "missed",
        ],
    ]


def _latencies(report: Report) -> list[list[str]]:
    return [
        [
            name,
            f"{statistics.median(one.p50 for one in found):.2f} ms",
            f"{min(one.p50 for one in found):.2f}-{max(one.p50 for one in found):.2f} ms",
            f"{statistics.median(one.p99 for one in found):.2f} ms",
        ]
        for name, found in (("plain pika", report.bare), ("ours", report.ours))
    ]


def _publishes(report: Report) -> list[list[str]]:
    return [
        [name, f"{statistics.median(found):,.0f}", f"{min(found):,.0f}-{max(found):,.0f}"]
        for name, found in (
            ("plain pika, confirmed", report.bare_rate),
            ("ours, confirmed", report.our_rate),
            ("ours, accepted by the room", report.send_rate),
        )
    ]


def _spreads(report: Report) -> list[list[str]]:
    return [
        [
            f"{one.rate:,}",
            *(f"{ms:.1f} ms" for ms in (one.own.p50, one.own.p99, one.others.p50, one.others.p99)),
        ]
        for one in report.nodes
    ]


def as_text(report: Report) -> str:
    """Return the report for a terminal."""
    parts = [
        aligned(GOALS, _goals(report)),
        aligned(LATENCIES, _latencies(report)),
        aligned(PUBLISHES, _publishes(report)),
        aligned(SPREADS, _spreads(report)),
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def as_page(report: Report) -> str:
    """Return the report as a section of `docs/performance.md`."""
    return "\n".join(
        [
            "## The broker\n",
            f"""Made by `chat bench broker` on {report.at} UTC.
*Plain pika* is `lab/bench/textbook_rabbitmq.py`: pika's asyncio connection, confirms, two readers of a
stream, no room, no rules. *Ours* are two clients of `--backend rabbitmq`, which apply the room's rules to
every entry that they read. All run in one process, with one broker, in turn, for {len(report.bare)} rounds.
*Publish to receive* is the time until the other client has a message; one is sent each {1000 * PACE:.0f} ms.
*Accepted by the room* means that the entry has come back out of the stream; a send waits for that. *Three
servers* are `chat serve tcp --log amqp://... --rate off`, each with a client, all on this machine; the times
are from the call of send until the event has come. Every message arrived everywhere, once and in order.
""",
            *about(report.machine),
            f"- broker: {report.broker}",
            "",
            *table(GOALS, _goals(report)),
            "",
            *table(LATENCIES, _latencies(report)),
            "",
            *table(PUBLISHES, _publishes(report)),
            "",
            *table(SPREADS, _spreads(report)),
            "",
        ]
    )
