"""All benchmarks in turn, and one table of all goals."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from lab.bench import (
    broker,
    broker_report,
    calls,
    durable,
    fanout,
    growth,
    growth_page,
    idle,
    page,
    plans_fanout,
    polls,
    screen,
    start,
    wire,
    workers,
)
from lab.bench.goals import Verdict
from lab.bench.machine import Machine, machine
from lab.bench.report import CLIENTS
from lab.bench.section import Section, about, aligned, table

SECONDS = 2.0
"""For each server in each regime."""


@dataclass(frozen=True)
class Part:
    """A benchmark, with what it is run with."""

    name: str
    run: Callable[[float, str], Section]
    """Gets the seconds for each server in each regime, and the other revision; "": none."""
    lasts: float
    """Seconds, roughly: with `SECONDS`, and without another revision."""
    beside: float = 1.3
    """How many times as long it lasts with another revision."""


def _fanout(backend: str, clients: int = CLIENTS) -> Callable[[float, str], Section]:
    def run(seconds: float, against: str) -> Section:
        return page.section(fanout.run(clients, seconds, backend, peers=True, against=against))

    return run


def _idle(backend: str) -> Callable[[float, str], Section]:
    return lambda _, against: page.section(idle.run(backend=backend, against=against))


def _workers(backend: str) -> Callable[[float, str], Section]:
    return lambda seconds, against: page.section(
        workers.run(seconds=seconds, backend=backend, against=against)
    )


def _calls(backend: str) -> Callable[[float, str], Section]:
    return lambda seconds, against: page.section(calls.run(seconds, backend, others=True, against=against))


def _polls(backend: str) -> Callable[[float, str], Section]:
    return lambda _, against: polls.section(polls.run(backend, against=against))


PARTS = (
    Part("fan-out tcp", _fanout("tcp"), 35),
    Part("crowd tcp", _fanout("tcp", plans_fanout.CROWDED), 15),
    Part("fan-out udp", _fanout("udp"), 20),
    Part("fan-out rpyc", _fanout("rpyc"), 25),
    Part("fan-out grpc", _fanout("grpc"), 25),
    Part("workers tcp", _workers("tcp"), 15),
    Part("workers rpyc", _workers("rpyc"), 15),
    Part("workers grpc", _workers("grpc"), 15),
    Part("idle tcp", _idle("tcp"), 10),
    Part("idle grpc", _idle("grpc"), 35),
    Part("calls oncrpc", _calls("oncrpc"), 20),
    Part("calls rest", _calls("rest"), 20),
    Part("calls soap", _calls("soap"), 20),
    Part("polls rest", _polls("rest"), 10, 2),
    Part("polls soap", _polls("soap"), 10, 2),
    Part(
        "broker",
        lambda seconds, against: broker_report.section(
            broker.run(rounds=3, seconds=1.5 * seconds, against=against)
        ),
        70,
    ),
    Part(
        "durable",
        lambda seconds, against: durable.section(durable.run(rounds=3, seconds=seconds / 4, against=against)),
        30,
    ),
    Part("screen", lambda _, against: screen.section(screen.run(against=against)), 50, 2),
    Part("wire", lambda _, __: wire.section(wire.run()), 65, 1),
    Part("start", lambda _, __: start.section(start.run()), 8, 1),
    Part(
        "growth",
        lambda seconds, against: growth_page.section(growth.run(seconds / 2, against)),
        90,
        1.8,
    ),
)


@dataclass
class Whole:
    """What all parts have found."""

    at: str
    machine: Machine
    seconds: float
    against: str
    rows: list[tuple[str, Verdict]] = field(default_factory=list)
    """The part's name, and what came of a goal."""
    left_out: list[str] = field(default_factory=list)
    """What was not measured, and why."""
    took: float = 0.0
    """Seconds."""


def run(
    seconds: float = SECONDS,
    against: str = "",
    write: str | None = None,
    parts: Sequence[Part] = PARTS,
    tell: Callable[[str], object] = lambda line: sys.stderr.write(line + "\n"),
) -> Section:
    """Run the parts in turn. If one fails, say so and go on.

    Args:
        seconds: for each server in each regime.
        against: a revision of this project that is measured too; "": none.
        write: the page to which each part's section is written when it is done; None: none.
        parts: what is run.
        tell: is called with a line before and after each part.

    Returns:
        The table of all goals.

    Raises:
        ChatError: the page can't be written.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as folder:
        whole = Whole(time.strftime("%Y-%m-%d %H:%M", time.gmtime()), machine(Path(folder)), seconds, against)
    expected = [part.lasts * seconds / SECONDS * (part.beside if against else 1.0) for part in parts]
    tell(f"{len(parts)} parts, about {sum(expected) / 60:.0f} minutes")
    for number, (part, lasts) in enumerate(zip(parts, expected, strict=True), 1):
        tell(f"{number}/{len(parts)} {part.name}: about {lasts:.0f} s")
        start = time.monotonic()
        try:
            section = part.run(seconds, against)
        except Exception as error:  # whatever it is: the other parts are measured
            whole.left_out.append(f"{part.name}: {error or type(error).__name__}")
            tell(f"    not measured: {error or type(error).__name__}")
            continue
        whole.rows += [(part.name, verdict) for verdict in section.verdicts]
        whole.left_out += [f"{part.name}: {reason}" for reason in section.left_out]
        missed = sum(not verdict.met for verdict in section.verdicts)
        tell(f"    {time.monotonic() - start:.0f} s; goals missed: {missed} of {len(section.verdicts)}")
        if write:
            section.write(Path(write))
    whole.took = time.monotonic() - began
    summary = _section(whole)
    if write:
        summary.write(Path(write), first=True)
    return summary


HEAD = ["part", "what", "goal", "found", "range", ""]


def _section(whole: Whole) -> Section:
    head = [*HEAD, f"to {whole.against}"] if whole.against else HEAD
    rows = [_row(name, verdict, beside=bool(whole.against)) for name, verdict in whole.rows]
    verdicts = [verdict for _, verdict in whole.rows]
    goals = [verdict for verdict in verdicts if verdict.goal]
    met = f"{sum(verdict.met for verdict in goals)} of {len(goals)} goals are met."
    beside = f" The last column is the figure, divided by that of {whole.against}." if whole.against else ""
    text = [*aligned(head, rows), "", met, *whole.left_out, f"It took {whole.took / 60:.1f} minutes."]
    command = f"chat bench all --seconds {whole.seconds:g}"
    command += f" --against {whole.against}" if whole.against else ""
    written = [
        "## All goals\n",
        f"""Made by `{command}` on {whole.at} UTC, in {whole.took / 60:.0f} minutes. Each row is
explained in the section of its part, below. Found is the median of the rounds, the range that of the rounds.
{met}{beside}
""",
        *about(whole.machine),
        "",
        *table(head, rows),
        "",
        *(f"- not measured: {reason}" for reason in whole.left_out),
        "",
    ]
    found = [{"part": name, **msgspec.to_builtins(verdict)} for name, verdict in whole.rows]
    encoded = msgspec.json.encode({"rows": found, "left_out": whole.left_out}).decode()
    return Section("summary", "\n".join(text), "\n".join(written), encoded, verdicts)


def _row(part: str, verdict: Verdict, *, beside: bool) -> list[str]:
    what = f"{verdict.regime}: {verdict.title}" if verdict.regime else verdict.title
    low, high = f"{verdict.low:.3g}", f"{verdict.high:.3g}"
    row = [
        part,
        what,
        verdict.goal,
        f"{verdict.value:.3g}",
        low if low == high else f"{low}-{high}",
        ("met" if verdict.met else "missed") if verdict.goal else "",
    ]
    if beside:
        row.append("" if verdict.before is None else f"{verdict.before:.2f}")
    return row
