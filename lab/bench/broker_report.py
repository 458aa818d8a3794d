"""The report of the benchmark of the broker: its figures and goals, for a terminal and for the page."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import msgspec

from lab.bench.goals import Bound, Verdict, capacity_ratio
from lab.bench.load import Measured
from lab.bench.machine import Machine
from lab.bench.regimes import SHARED as SHARED_REGIME
from lab.bench.section import Section, about, aligned, table

PACE = 0.02
"""Seconds between two messages when the latency is measured: as fast as a person types."""
LATENCY_GOAL = Bound(1.2)
PUBLISH_GOAL = Bound(1.2, at_least=True)
FAST_GOAL = Bound(20, " ms")
"""The p99 of three servers at the highest rate."""
ENTRIES_GOAL = Bound(0.8, at_least=True)
CAPACITY_GOAL = Bound(2.5, at_least=True)
PUBLISH_REASON = """\
The goal for confirmed publishes is missed: ours encodes an entry with its seat and draft, and plain pika
publishes bytes that are there."""
FAST_REASON = """\
The goal for three servers is missed: they, their clients and the broker share two cores here, so a message
waits for a core."""
ENTRIES_REASON = """\
The goal for entries over three servers is missed: each of them reads, decodes and decides about every entry,
and here they share two cores with the broker, which needs more time for an entry than the three together."""
CAPACITY_REASON = """\
The goal for the fan-out over three servers is missed: each of them reads, decodes and decides about every
entry, however few of the readers it has."""


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


class Shared(msgspec.Struct):
    """What was found of one server on a log in the broker, and of three; a value for each round."""

    rooms: list[str]
    """That were used."""
    spreads: list[Spread] = []
    """Of three servers."""
    one: list[float] = []
    """Entries a second over one server."""
    several: list[float] = []
    """The same over three."""
    alone: list[Measured] = []
    """The fan-out of one server."""
    together: list[Measured] = []
    """The same of three, with the readers divided among them."""

    @property
    def entries(self) -> list[float]:
        """The ratios of three servers to one."""
        return [b / a for a, b in zip(self.one, self.several, strict=True)]

    @property
    def capacity(self) -> list[float]:
        """The ratios of three servers to one: deliveries for each CPU second of the busiest server."""
        return [capacity_ratio(b, a) for a, b in zip(self.alone, self.together, strict=True)]

    @property
    def fast(self) -> float:
        """The p99 at the highest rate, of the own server's clients and of others, whichever is higher."""
        return max(self.spreads[-1].own.p99, self.spreads[-1].others.p99)


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
    shared: Shared
    before: Shared | None = None
    """Servers of another revision; None: they were not measured."""

    def verdicts(self) -> list[Verdict]:
        """Return what came of the goals."""
        now, then = self.shared, self.before
        latencies = [a.p50 / b.p50 for a, b in zip(self.ours, self.bare, strict=True)]
        rates = [a / b for a, b in zip(self.our_rate, self.bare_rate, strict=True)]
        rate = f"{now.spreads[-1].rate:,}" if now.spreads else ""
        return [
            LATENCY_GOAL.judge("publish to receive, p50, ratio to plain pika's", latencies),
            PUBLISH_GOAL.judge(
                "confirmed publishes a second, ratio to plain pika's", rates, reason=PUBLISH_REASON
            ),
            FAST_GOAL.judge(
                f"three servers, {rate} entries/s, p99",
                [now.fast],
                reason=FAST_REASON,
                before=[then.fast] if then else [],
            ),
            ENTRIES_GOAL.judge(
                "entries a second over three servers, ratio to one's",
                now.entries,
                reason=ENTRIES_REASON,
                before=then.entries if then else [],
            ),
            CAPACITY_GOAL.judge(
                "fan-out of three servers, ratio to one's, by the CPU of the busiest",
                now.capacity,
                reason=CAPACITY_REASON,
                before=then.capacity if then else [],
            ),
        ]


GOALS = ["what", "goal", "found", "range of the rounds", ""]
LATENCIES = ["publish to receive", "p50", "p50, range of the rounds", "p99"]
PUBLISHES = ["with 256 in flight", "a second", "range of the rounds"]
SHARED = ["servers on one log", "entries/s", "CPU per delivery", "of the busiest"]
SPREADS = ["three servers, entries/s", "own p50", "own p99", "others p50", "others p99"]


def _goals(report: Report) -> list[list[str]]:
    return [
        [
            one.title,
            one.goal,
            f"{one.value:.3g}",
            f"{one.low:.3g}-{one.high:.3g}",
            "met" if one.met else "missed",
        ]
        for one in report.verdicts()
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
        for one in report.shared.spreads
    ]


def _shared(report: Report) -> list[list[str]]:
    found = report.shared

    def cpu(rounds: list[Measured], of: Callable[[Measured], float]) -> str:
        return f"{statistics.median(1e6 * of(one) / one.deliveries for one in rounds):.2f} us"

    return [
        [
            name,
            f"{statistics.median(entries):,.0f}",
            cpu(fan_out, lambda one: one.server_cpu),
            cpu(fan_out, lambda one: one.busiest),
        ]
        for name, entries, fan_out in (
            ("one", found.one, found.alone),
            ("three", found.several, found.together),
        )
    ]


def section(report: Report) -> Section:
    """Return what was found, to be shown."""
    encoded = msgspec.json.encode(report).decode()
    return Section("broker", as_text(report), as_page(report), encoded, report.verdicts())


def as_text(report: Report) -> str:
    """Return the report for a terminal."""
    parts = [
        aligned(GOALS, _goals(report)),
        aligned(LATENCIES, _latencies(report)),
        aligned(PUBLISHES, _publishes(report)),
        aligned(SPREADS, _spreads(report)),
        aligned(SHARED, _shared(report)),
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
are from the call of send until the event has come. *Servers on one log* compares one such server with three,
in turn: entries a second with three clients and 255 messages in flight until every client has all; and the
CPU of a fan-out to 1,000 readers, who are divided among the servers, at {SHARED_REGIME.rate:g} messages a
second. The busiest server decides how many readers there may be. Every message arrived everywhere, once and
in order.
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
            *table(SHARED, _shared(report)),
            "",
            *[f"{verdict.reason}\n" for verdict in report.verdicts() if verdict.reason],
        ]
    )
