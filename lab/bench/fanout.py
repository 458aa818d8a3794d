"""The fan-out benchmark: one room, many readers, our server next to others, side by side in one run.

Every server runs all the while, on one core; sink and load (`lab.bench.sink`) have another. The
regimes are measured in short rounds, the servers in turn, so that what disturbs the machine hits all.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from chat.model import ChatError
from lab.bench import page, report
from lab.bench.machine import machine, pinned, usable_cores
from lab.bench.regimes import REGIMES, WARM_UP, Regime
from lab.bench.report import Report, Series, Server
from lab.bench.servers import HOST, LOG, OURS, PEERS, TEXTBOOK, Candidate, running
from lab.bench.sink import Connected, Failed, Measured, Target, Task

T = TypeVar("T")
WARM_UP_SECONDS = 0.2


class Lane:
    """One server with its sink."""

    def __init__(self, candidate: Candidate, sink: subprocess.Popen[bytes], connected: Connected) -> None:
        self.candidate = candidate
        self.connected = connected
        self.sent = 0
        self._sink = sink

    def measure(self, regime: Regime, seconds: float) -> Measured:
        measured = ask(self.candidate, self._sink, Task(regime, seconds), Measured)
        self.sent += measured.messages
        return measured


def run(
    clients: int = report.CLIENTS,
    seconds: float = 5.0,
    backend: str = "tcp",
    regimes: Sequence[str] | None = None,
    *,
    peers: bool = True,
    rounds: int | None = None,
) -> Report:
    """Measure each regime for ``seconds`` a server, and return what was found.

    ``regimes`` names some of `lab.bench.regimes.REGIMES`; None: all. ``peers``: also other people's
    servers that are installed. ``rounds``: instead of each regime's own. Raises `ChatError` when ours
    or the textbook's can't be measured, when a receiver did not get every message once and in order,
    or when our log does not hold them all.
    """
    if backend != "tcp":
        raise ChatError(f"the load generator does not speak {backend} yet: it can measure tcp")
    wanted = [regime for regime in REGIMES if regimes is None or regime.name in regimes]
    cores = usable_cores()
    enough = len(cores) > 1
    server_core, sink_core = (cores[:1], cores[1:2]) if enough else ([], [])
    left_out: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-bench-")))
        here = machine(folder, server_core, sink_core)

        def enter(candidate: Candidate) -> Lane:
            return stack.enter_context(_lane(candidate, clients, folder, server_core, sink_core))

        lanes = [enter(TEXTBOOK), enter(OURS)]
        for candidate in PEERS if peers else ():
            if not candidate.here():
                left_out.append(f"{candidate.title}: not installed")
                continue
            try:
                lanes.append(enter(candidate))
            except ChatError as error:
                left_out.append(str(error))
        series = _measure(lanes, wanted, seconds, rounds)
        sent = lanes[1].sent + 1  # the first message marks the beginning
        logged = _logged(folder / OURS.name / LOG)
        if logged != sent:
            raise ChatError(f"{sent} messages were sent to ours, and its log holds {logged}")
    return Report(
        at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        backend=backend,
        clients=clients,
        seconds=seconds,
        machine=here,
        servers=[
            Server(
                lane.candidate.name,
                lane.candidate.title,
                lane.connected.connects,
                lane.connected.client_bytes,
            )
            for lane in lanes
        ],
        series=series,
        left_out=left_out,
        sent=sent,
        logged=logged,
    )


def _measure(lanes: list[Lane], regimes: list[Regime], seconds: float, wanted: int | None) -> list[Series]:
    for lane in lanes:
        lane.measure(WARM_UP, WARM_UP_SECONDS)
    series = []
    for regime in regimes:
        rounds = wanted or regime.rounds
        taking_part = lanes if regime.peers else lanes[:2]
        found: dict[str, list[Measured]] = {lane.candidate.name: [] for lane in taking_part}
        for _ in range(rounds):
            for lane in taking_part:
                found[lane.candidate.name].append(lane.measure(regime, seconds / rounds))
        series += [Series(name, regime.name, measured) for name, measured in found.items()]
    return series


@contextmanager
def _lane(
    candidate: Candidate, clients: int, folder: Path, server_core: list[int], sink_core: list[int]
) -> Iterator[Lane]:
    with running(candidate, folder / candidate.name, server_core) as server:
        with pinned(sink_core):
            sink = subprocess.Popen(
                [sys.executable, "-m", "lab.bench.sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        with sink:
            try:
                target = Target(candidate.dialect, HOST, server.port, server.pid, clients)
                yield Lane(candidate, sink, ask(candidate, sink, target, Connected))
            finally:
                sink.terminate()


def ask(candidate: Candidate, sink: subprocess.Popen[bytes], question: msgspec.Struct, kind: type[T]) -> T:
    """Give the sink something to do, and return what it answers. Raises `ChatError`."""
    assert sink.stdin is not None
    assert sink.stdout is not None
    sink.stdin.write(msgspec.json.encode(question) + b"\n")
    sink.stdin.flush()
    line = sink.stdout.readline()
    if not line:
        raise ChatError(f"{candidate.title}: the load generator ended unexpectedly")
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.ValidationError:
        raise ChatError(f"{candidate.title}: {msgspec.json.decode(line, type=Failed).error}") from None


def _logged(path: Path) -> int:
    """Return how many messages our log holds."""
    database = sqlite3.connect(path)
    try:
        (count,) = database.execute(
            'SELECT count(*) FROM entries WHERE body GLOB \'{"kind":"sent"*\''
        ).fetchone()
    finally:
        database.close()
    return int(count)


def main(backend: str, clients: int, seconds: float, as_json: bool, write: str | None = None) -> None:
    """Run, print, and write the page if asked to. Raises `ChatError`."""
    found = run(clients, seconds, backend)
    sys.stdout.write((found.json() if as_json else page.as_text(found)) + "\n")
    if write:
        page.write_section(Path(write), "fan-out", page.as_page(found))
