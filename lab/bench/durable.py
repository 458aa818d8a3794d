"""The benchmark of acknowledged messages: ours, with its log in SQLite, beside nats-server with JetStream.

One publisher on a raw socket, the same for all. At the end each server is killed while it is busy, and
started again, and the power fails: what it had acknowledged must be there.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import msgspec

from lab.bench import revision
from lab.bench.dialects import TEXT_BYTES
from lab.bench.goals import Verdict
from lab.bench.losses import IMAGES, Loss, killed, power_failed
from lab.bench.machine import Machine, machine, pinned, usable_cores
from lab.bench.section import Section, about, aligned, table
from lab.bench.servers import OURS, running
from lab.bench.storing import Durable, Publisher, durables
from lab.power_failure import MISSING, can_trace

OUTSTANDING = (1, 32)
"""Messages that wait for their acknowledgement, at most."""
SECONDS = 1.0
"""Of a round."""
ROUNDS = 5
PAGE = 4096
"""Bytes; SQLite's own."""


class Row(msgspec.Struct):
    """What was found of one server."""

    name: str
    title: str
    means: str
    rates: dict[int, list[float]]
    """Acknowledged messages a second in each round, by `OUTSTANDING`."""
    killed: Loss = msgspec.field(default_factory=Loss)
    power: Loss = msgspec.field(default_factory=Loss)


class Report(msgspec.Struct):
    at: str
    machine: Machine
    rows: list[Row]
    syncs: list[float]
    """What the disk alone does in a second, in each round: one page of a file is overwritten and synced."""
    left_out: list[str]
    """Why a server was not measured."""


def run(rounds: int = ROUNDS, seconds: float = SECONDS, against: str = "") -> Report:
    """Measure every server in turn, round by round, and then kill each.

    Args:
        rounds: how many.
        seconds: of a round, for each server and each number of `OUTSTANDING`.
        against: a revision of this project whose server is measured too; "": none.

    Raises:
        ChatError: a server can't be measured.
    """
    cores = usable_cores()
    servers, own = (cores[:1], cores[1:2]) if len(cores) > 1 else ([], [])
    candidates, left_out = durables()
    traces = can_trace()
    if not traces:
        left_out.append(f"a power failure was not tried: {MISSING}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-bench-")))
        if against:
            tree = stack.enter_context(revision.checkout(against, folder))
            candidates.append(replace(candidates[0], server=revision.before(OURS, tree)))
        stack.enter_context(pinned(own))
        rows, syncs = _measured(candidates, folder, servers, rounds, seconds, traces)
        return Report(
            at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
            machine=machine(folder, servers, own),
            rows=rows,
            syncs=syncs,
            left_out=left_out,
        )


def _syncs(folder: Path, seconds: float) -> float:
    """Overwrite a page of a file and sync it, again and again; return how often in a second."""
    sync = getattr(os, "fdatasync", os.fsync)  # not everywhere
    with (folder / "page").open("wb", buffering=0) as file:
        count = 0
        begin = time.perf_counter()
        while (took := time.perf_counter() - begin) < seconds:
            file.seek(0)
            file.write(count.to_bytes(PAGE))
            sync(file.fileno())
            count += 1
    return count / took


def _measured(
    durables: list[Durable], folder: Path, cores: list[int], rounds: int, seconds: float, traces: bool
) -> tuple[list[Row], list[float]]:
    rows = [
        Row(one.server.name, one.server.title, one.means, {count: [] for count in OUTSTANDING})
        for one in durables
    ]
    syncs = []
    for number in range(rounds):
        syncs.append(_syncs(folder, seconds))
        for one, row in zip(durables, rows, strict=True):
            with running(one.server, folder / f"{one.server.name}-{number}", cores) as server:
                publisher = Publisher(server.port, one.speech)
                publisher.run(seconds / 5, OUTSTANDING[-1])  # to warm up
                for outstanding in OUTSTANDING:
                    row.rates[outstanding].append(publisher.run(seconds, outstanding))
                publisher.close()
    for one, row in zip(durables, rows, strict=True):
        row.killed = killed(one, folder / f"{one.server.name}-killed", cores, seconds)
        if traces:
            row.power = power_failed(one, folder / f"{one.server.name}-power", cores, seconds)
    return rows, syncs


# --- the report ----------------------------------------------------------------------------------

LOSSES = ("lost by kill -9", "lost by a power failure")
HEAD = ["server", *(f"{count} outstanding" for count in OUTSTANDING), *LOSSES, "acknowledged means"]


def _lost(loss: Loss) -> str:
    if not loss.lost:
        return "not tried"
    least, most = min(loss.lost), max(loss.lost)
    return f"{least:,}{'' if most == least else f' to {most:,}'} of {loss.acknowledged:,}"


def _rows(report: Report) -> list[list[str]]:
    def rate(values: list[float]) -> str:
        return f"{statistics.median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"

    found = [
        [
            row.title,
            *(rate(row.rates[count]) for count in OUTSTANDING),
            _lost(row.killed),
            _lost(row.power),
            row.means,
        ]
        for row in report.rows
    ]
    if report.syncs:
        found.append(
            ["the disk alone", rate(report.syncs), "", "", "", "a page of a file is overwritten and synced"]
        )
    return found


def as_page(report: Report) -> str:
    """Return the report as a section of `docs/performance.md`."""
    lines = [
        f"""## Acknowledged messages

Made by `chat bench durable` on {report.at} UTC: messages a second that are acknowledged, the median of
the rounds and their range.
One publisher on a raw socket, the same code for all, and nobody else reads; texts of {TEXT_BYTES} bytes.
Ours is `chat serve tcp --rate off` with its log in SQLite; JetStream has one stream in a file, one replica.
Each round has a fresh server. At the end each is killed with SIGKILL while it is busy, and started again.
Who syncs each message, and has one outstanding, can't be faster than the disk alone.
""",
        *about(report.machine),
        f"- pinning: {report.machine.pinned}; log on {report.machine.disk}",
        "",
        *table(HEAD, _rows(report)),
        "",
        *(f"- {reason}" for reason in report.left_out),
        "- A server that is killed loses what it had not written: the operating system keeps the rest. A",
        "  power failure also takes what was not synced. What each server wrote and synced is recorded with",
        f"  strace, {IMAGES} disks are made that a power failure may leave, and it is started on each.",
        "  Of what was not synced each has, by chance, all, nothing or some sectors; the largest and the",
        "  smallest loss are shown. Ours is tried at every sync in `tests/faults/test_crash_images.py`.",
    ]
    return "\n".join(lines) + "\n"


def verdicts(report: Report) -> list[Verdict]:
    """Return our rates beside JetStream's; there is no goal for them."""
    rows = {row.name: row for row in report.rows}
    ours, then = rows[OURS.name], rows.get(revision.name_of(OURS.name))
    found = []
    for theirs in (row for row in report.rows if row.name.startswith("jetstream")):
        for count in OUTSTANDING:
            ratios = _ratios(ours, theirs, count)
            before = statistics.median(_ratios(ours, then, count)) if then else None
            title = f"acknowledged a second, {count} outstanding, ratio to {theirs.title}"
            value = statistics.median(ratios)
            found.append(Verdict("", title, "", value, min(ratios), max(ratios), True, "", before))
    return found


def _ratios(ours: Row, theirs: Row, count: int) -> list[float]:
    return [a / b for a, b in zip(ours.rates[count], theirs.rates[count], strict=True)]


def section(report: Report) -> Section:
    """Return what was found, to be shown."""
    lines = [*aligned(HEAD, _rows(report)), "", *report.left_out]
    encoded = msgspec.json.encode(report).decode()
    text = "\n".join(lines).rstrip()
    return Section("durable", text, as_page(report), encoded, verdicts(report), report.left_out)
