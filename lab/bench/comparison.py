"""Compares servers in one run. All of them run on one core all the time, and their load generators on
another.

They are measured in turn, in short rounds, so that a disturbance of the machine affects all of them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from chat.domain.errors import ChatError
from lab.bench import plans, revision
from lab.bench.load import Connected, Failed, Measured, Target, Task
from lab.bench.machine import machine, pinned, usable_cores
from lab.bench.plans import Plan
from lab.bench.regimes import Regime
from lab.bench.report import Report, Series, Server
from lab.bench.servers import HOST, Candidate, running

T = TypeVar("T")
WARM_UP_SECONDS = 0.2


class MeasuredServer:
    """A running server and its load generator."""

    def __init__(self, candidate: Candidate, sink: subprocess.Popen[bytes], connected: Connected) -> None:
        self.candidate = candidate
        self.connected = connected
        self.sent = connected.sent
        self._sink = sink

    def measure(self, regime: Regime, seconds: float) -> Measured:
        """Measure one round. Raises `ChatError`."""
        measured = ask(self.candidate, self._sink, Task(regime, seconds), Measured)
        self.sent += measured.messages
        return measured


def run(
    benchmark: str,
    backend: str,
    clients: int,
    seconds: float,
    regimes: Sequence[str] | None = None,
    *,
    others: bool = True,
    rounds: int | None = None,
    check: Callable[[Path, int], int] | None = None,
    against: str = "",
) -> Report:
    """Measure every server of a plan.

    Args:
        benchmark: ``fanout`` or ``calls``.
        backend: the technique.
        clients: how many connect to each server.
        seconds: for each server in each regime.
        regimes: names of the plan's regimes; None: all.
        others: also measure the plan's other servers, if they are installed.
        rounds: how many, instead of each regime's own number.
        check: gets our server's folder and the number of messages that were sent to it; returns how many it
            has stored.
        against: a revision of this project whose server is measured too, and no others; "": none.

    Raises:
        ChatError: ours, the yardstick or the other revision cannot be measured, or ``check`` raises it.
    """
    plan = plans.find(benchmark, backend)
    wanted = [regime for regime in plan.regimes if regimes is None or regime.name in regimes]
    cores = usable_cores()
    server_core, sink_core = (cores[:1], cores[1:2]) if len(cores) > 1 else ([], [])
    left_out: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-bench-")))
        here = machine(folder, server_core, sink_core, plan.libraries)

        def start(candidate: Candidate) -> MeasuredServer:
            return stack.enter_context(_started(plan, candidate, clients, folder, server_core, sink_core))

        compared = [start(plan.yardstick), start(plan.ours)]
        if against:
            compared.append(start(stack.enter_context(revision.at(against, plan.ours, folder))))
        for candidate in plan.others if others and not against else ():
            if not candidate.here():
                left_out.append(f"{candidate.title}: not installed")
                continue
            try:
                compared.append(start(candidate))
            except ChatError as error:
                left_out.append(str(error))
        series = _measure(plan, compared, wanted, seconds, rounds)
        sent = compared[1].sent
        logged = check(folder / plan.ours.name, sent) if check else None
    return Report(
        at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        benchmark=benchmark,
        backend=backend,
        clients=clients,
        seconds=seconds,
        machine=here,
        servers=[
            Server(
                one.candidate.name,
                one.candidate.title,
                one.connected.connects,
                one.connected.client_bytes,
            )
            for one in compared
        ],
        series=series,
        left_out=left_out,
        sent=sent,
        logged=logged,
    )


def _measure(
    plan: Plan, compared: list[MeasuredServer], regimes: list[Regime], seconds: float, wanted: int | None
) -> list[Series]:
    for one in compared:
        one.measure(plan.warm_up, WARM_UP_SECONDS)
    series = []
    for regime in regimes:
        rounds = wanted or regime.rounds
        taking_part = [one for one in compared[2:] if regime.others or one.candidate.tree is not None]
        taking_part = [*compared[:2], *taking_part]
        found: dict[str, list[Measured]] = {one.candidate.name: [] for one in taking_part}
        for _ in range(rounds):
            for one in taking_part:
                found[one.candidate.name].append(one.measure(regime, seconds / rounds))
        series += [Series(name, regime.name, measured) for name, measured in found.items()]
    return series


@contextmanager
def _started(
    plan: Plan,
    candidate: Candidate,
    clients: int,
    folder: Path,
    server_core: list[int],
    sink_core: list[int],
) -> Iterator[MeasuredServer]:
    with running(candidate, folder / candidate.name, server_core) as server:
        with pinned(sink_core):
            sink = subprocess.Popen(
                [sys.executable, "-m", plan.sink], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        with sink:
            try:
                target = Target(candidate.dialect, HOST, server.port, server.pid, clients)
                yield MeasuredServer(candidate, sink, ask(candidate, sink, target, Connected))
            finally:
                sink.terminate()


def ask(candidate: Candidate, sink: subprocess.Popen[bytes], question: msgspec.Struct, kind: type[T]) -> T:
    """Send a request to the load generator, and return its answer. Raises `ChatError`."""
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
