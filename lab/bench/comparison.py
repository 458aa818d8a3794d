"""Compares servers in one run. All of them run on one core all the time, and their load generators on
another.

They are measured in turn, in short rounds, so that a disturbance of the machine affects all of them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from chat.domain.errors import ChatError
from chat.server.open_files import allow_open_files
from lab.bench import plans, revision
from lab.bench.generator import Generator, generator
from lab.bench.load import Connected, Measured, Target
from lab.bench.machine import machine, usable_cores
from lab.bench.plan import Plan
from lab.bench.regimes import TABLE, Regime
from lab.bench.report import Report, Series, Server
from lab.bench.servers import HOST, Candidate, running

WARM_UP_SECONDS = 0.2


class MeasuredServer:
    """A running server and its load generator."""

    def __init__(self, candidate: Candidate, load: Generator, target: Target) -> None:
        """Let the clients join. Raises `ChatError`."""
        self.candidate = candidate
        self.joined: list[Connected] = []
        """What was found of each crowd."""
        self.sent = 0
        self._load = load
        self._target = target
        self._join(target)

    def join_again(self) -> None:
        """Let as many clients join an empty room, where nothing is said. Raises `ChatError`."""
        room, clients = f"{self._target.room}-{len(self.joined)}-", self._target.clients
        self._join(msgspec.structs.replace(self._target, room=room, per_room=clients))

    def _join(self, target: Target) -> None:
        connected = self._load.connect(target)
        self.joined.append(connected)
        self.sent += connected.sent

    def measure(self, regime: Regime, seconds: float) -> Measured:
        """Measure one round. Raises `ChatError`."""
        measured = self._load.measure(regime, seconds)
        self.sent += measured.messages
        return measured


def run(
    benchmark: str,
    backend: str,
    clients: int,
    seconds: float,
    regimes: Sequence[str] | None = None,
    *,
    others: bool | None = None,
    rounds: int | None = None,
    check: Callable[[Path, int], int] | None = None,
    against: str = "",
) -> Report:
    """Measure every server of a plan.

    Args:
        benchmark: ``fanout``, ``workers``, ``idle`` or ``calls``.
        backend: the technique.
        clients: how many connect to each server.
        seconds: for each server in each regime.
        regimes: names of the plan's regimes; None: all.
        others: also measure all of the plan's other servers, if they are installed, and not only those of
            ours that goals are about. None: if no other revision is measured.
        rounds: how many, instead of each regime's own number.
        check: gets our server's folder and the number of messages that were sent to it; returns how many it
            has stored.
        against: a revision of this project whose servers are measured too; "": none.

    Raises:
        ChatError: ours or the yardstick cannot be measured, the other revision cannot be checked out, or
            ``check`` raises it.
    """
    plan = plans.find(benchmark, backend, clients)
    if not plan.yardstick.here():
        raise ChatError(f"{plan.yardstick.title} is not installed, and ours is measured beside it")
    wanted = [regime for regime in plan.regimes if regimes is None or regime.name in regimes]
    cores = usable_cores()
    server_core, sink_core = (cores[:1], cores[1:2]) if len(cores) > 1 else ([], [])
    left_out: list[str] = []
    allow_open_files(2 * clients * plan.crowds)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-bench-")))
        here = machine(folder, server_core, sink_core, plan.libraries)

        def start(candidate: Candidate) -> MeasuredServer:
            return stack.enter_context(_started(plan, candidate, clients, folder, server_core, sink_core))

        def try_to_start(candidate: Candidate) -> None:
            try:
                compared.append(start(candidate))
            except ChatError as error:
                left_out.append(str(error))

        compared = [start(plan.yardstick), start(plan.ours)]
        if against:
            tree = stack.enter_context(revision.checkout(against, folder))
            for one in _with_goals(plan):
                try_to_start(revision.before(one, tree))  # it may be older than what is measured
        everybody = not against if others is None else others
        for candidate in plan.others if everybody else _with_goals(plan)[1:]:
            if not candidate.here():
                left_out.append(f"{candidate.title}: not installed")
                continue
            try_to_start(candidate)
        series = _measure(plan, compared, wanted, seconds, rounds)
        for _ in range(1, min(rounds or plan.crowds, plan.crowds)):
            for server in compared:
                server.join_again()
        sent = compared[1].sent
        logged = check(folder / plan.ours.name, sent) if check else None
    return Report(
        at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        benchmark=benchmark,
        backend=backend,
        clients=clients,
        seconds=seconds,
        machine=here,
        servers=[Server(one.candidate.name, one.candidate.title, one.joined) for one in compared],
        series=series,
        left_out=left_out,
        sent=sent,
        logged=logged,
    )


def _with_goals(plan: Plan) -> list[Candidate]:
    """Return the servers of ours that goals are about."""
    names = {goal.server for goal in plan.goals}
    return [one for one in (plan.ours, *plan.others) if one is plan.ours or one.name in names]


def _measure(
    plan: Plan, compared: list[MeasuredServer], regimes: list[Regime], seconds: float, wanted: int | None
) -> list[Series]:
    for one in compared if regimes else ():
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
    per_room = TABLE if plan.benchmark == "idle" else 0
    with (
        running(candidate, folder / candidate.name, server_core) as server,
        generator(plan.sink, candidate.title, sink_core) as load,
    ):
        target = Target(
            *(candidate.dialect, HOST, server.port, server.pid, clients),
            per_room=per_room,
            workers=server.workers,
        )
        yield MeasuredServer(candidate, load, target)
