"""The benchmark of growth: what our server costs by the number of clients, of rooms, of entries, of bytes."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from chat.domain.errors import ChatError
from chat.server.open_files import allow_open_files
from lab.bench import history, revision, servers
from lab.bench.curve import Curve, Point
from lab.bench.dialects import TEXT_BYTES
from lab.bench.generator import generator
from lab.bench.load import Connected, Measured, Target
from lab.bench.machine import Machine, machine, usable_cores
from lab.bench.regimes import GROWTH
from lab.bench.servers import HOST, LOG, running

CLIENTS = (10, 50, 200, 1000, 5000)
ROOMS = (1, 10, 100, 1000)
ENTRIES = (1_000, 10_000, 100_000, 1_000_000)
BYTES = (10, 100, 1000, 4000)
ROUNDS = 3
SECONDS = 1.0
"""For the messages at each point, all rounds together."""
STARTS = 5
"""Of a server on each history."""
PAIR = 2
"""Clients in each room, where their number is measured."""
READERS = 100
"""Clients where the size of the texts is measured."""
BESIDE = 2000
COMPARED = 10_000, 1_000_000
"""The histories that the goal compares."""


class Group(msgspec.Struct):
    """Curves over the same sizes."""

    name: str
    title: str
    size: str
    """What the size counts."""
    about: str
    curves: list[Curve]


class Report(msgspec.Struct):
    at: str
    machine: Machine
    against: str
    """The other revision; empty: none."""
    groups: list[Group]
    left_out: list[str]
    """What was not measured, and why."""


class Bench:
    """Where and beside what everything is measured."""

    def __init__(self, folder: Path, tree: Path | None, seconds: float, rounds: int) -> None:
        cores = usable_cores()
        self.server_cores, self.sink_cores = (cores[:1], cores[1:2]) if len(cores) > 1 else ([], [])
        self.folder = folder
        self._trees: list[Path | None] = [None, tree] if tree else [None]
        self._seconds = seconds
        self._rounds = rounds
        self._count = 0

    def load(self, target: Target, module: str = "lab.bench.sink") -> list[tuple[Connected, list[Measured]]]:
        """Measure a server that is started for it, and then that of the other revision, if there is one.

        The other revision is left out where there are more than `BESIDE` clients: it may take too long.

        Args:
            target: whose address is still to be filled in.
            module: the load generator.
        """
        trees = self._trees if target.clients <= BESIDE else self._trees[:1]
        return [self._load(target, module, tree) for tree in trees]

    def _load(self, target: Target, module: str, tree: Path | None) -> tuple[Connected, list[Measured]]:
        self._count += 1
        candidate = servers.ROOMY_TCP if tree is None else revision.before(servers.ROOMY_TCP, tree)
        with (
            running(candidate, self.folder / f"{self._count}", self.server_cores) as server,
            generator(module, candidate.title, self.sink_cores) as load,
        ):
            target = msgspec.structs.replace(target, port=server.port, pid=server.pid)
            connected = load.connect(target)
            load.measure(GROWTH, self._seconds / 5)  # to warm up
            seconds = self._seconds / self._rounds
            return connected, [load.measure(GROWTH, seconds) for _ in range(self._rounds)]

    def starts(self, sizes: Sequence[int], starts: int) -> dict[int, list[list[history.Found]]]:
        """Return what was found of each history, in each tree; the histories are measured in turn.

        Each revision has a log of its own, which it has opened and closed once before.
        """
        found: dict[int, list[list[history.Found]]] = {size: [[] for _ in self._trees] for size in sizes}
        for size in sizes:
            folders = [self.folder / f"{size}-{place}" for place in range(len(self._trees))]
            folders[0].mkdir()
            history.make(folders[0] / LOG, size)
            for folder in folders[1:]:
                folder.mkdir()
                shutil.copyfile(folders[0] / LOG, folder / LOG)
        for number in range(starts + 1):
            for size in sizes:
                for place, tree in enumerate(self._trees):
                    measured = history.measure(self.folder / f"{size}-{place}", self.server_cores, tree)
                    if number:  # the first start is a warm-up
                        found[size][place].append(measured)
        return found


def point(size: float, now: list[float], *before: list[float]) -> Point:
    """Return a point; ``before``: the costs of the other revision, if there is one."""
    return Point(size, now, before[0] if before else [])


def _target(clients: int, *, per_room: int = 0, text_bytes: int = TEXT_BYTES) -> Target:
    return Target("chat", HOST, 0, 0, clients, per_room=per_room, text_bytes=text_bytes)


def _message(measured: list[Measured]) -> list[float]:
    """Return the microseconds of CPU for a message, in each round."""
    return [1e6 * one.server_cpu / one.messages for one in measured]


def clients(bench: Bench, sizes: Sequence[int] = CLIENTS) -> Group:
    """One room with more and more clients."""
    joins, memory, message = list[Point](), list[Point](), list[Point]()
    for size in sizes:
        both = bench.load(_target(size))
        joins.append(point(size, *([(size - 1) / one.connects] for one, _ in both)))
        memory.append(point(size, *([one.client_bytes * (size - 1) / 1024] for one, _ in both)))
        message.append(point(size, *(_message(measured) for _, measured in both)))
    return Group(
        "clients",
        "Clients in one room",
        "clients",
        "They join 200 at a time, and 40 at a time where they are 5,000. Then one of them sends, with 64 "
        "messages in flight.",
        [
            Curve(
                "joins/s",
                "",
                "seconds for all joins",
                joins,
                "Everybody is told of everybody who comes, and each welcome names all who are there: n "
                "clients that join one room cause n²/2 lines and n²/2 names.",
                rate=True,
            ),
            Curve(
                "memory a seat",
                "KiB",
                "KiB for all seats",
                memory,
                "What is still to be written to each client is kept for all of them at once.",
                each=True,
            ),
            Curve(
                "CPU a delivery",
                "us",
                "us of CPU for a message to all",
                message,
                "The more sockets are written in turn, the less of the kernel's data about each is still in "
                "the processor's cache.",
                each=True,
            ),
        ],
    )


def rooms(bench: Bench, sizes: Sequence[int] = ROOMS) -> Group:
    """More and more rooms, with two clients in each."""
    opened, memory, message = list[Point](), list[Point](), list[Point]()
    for size in sizes:
        both = bench.load(_target(PAIR * size, per_room=PAIR), "lab.bench.rooms_sink")
        opened.append(point(size, *([1e3 * one.server_cpu] for one, _ in both)))
        memory.append(point(size, *([one.client_bytes * (PAIR * size - 1) / 1024] for one, _ in both)))
        message.append(point(size, *([cost * size for cost in _message(measured)] for _, measured in both)))
    return Group(
        "rooms",
        "Rooms with two clients each",
        "rooms",
        "The messages go to the rooms in turn, 64 in flight over all of them; the whole cost is that of one "
        "message to each room.",
        [
            Curve(
                "CPU to open it and join",
                "ms",
                "ms of CPU for all rooms",
                opened,
                "A room that nobody is in yet is read from the log, and written to it.",
                each=True,
            ),
            Curve(
                "memory a room",
                "KiB",
                "KiB for all rooms",
                memory,
                "Each room keeps its newest events.",
                each=True,
            ),
            Curve(
                "CPU a message",
                "us",
                "us of CPU for one message in each",
                message,
                "With few rooms several messages of a room come together: they are encoded and written in "
                "one piece. With many rooms each message comes alone, and is a write of its own to each "
                "client. From a hundred rooms on it grows no more than the number of rooms.",
                each=True,
            ),
        ],
    )


def entries(bench: Bench, sizes: Sequence[int] = ENTRIES, starts: int = STARTS) -> Group:
    """A room with a longer and longer history."""
    found = bench.starts(sizes, starts)

    def curve(title: str, why: str, figure: Callable[[history.Found], float]) -> Curve:
        points = [point(size, *([figure(one) for one in each] for each in found[size])) for size in sizes]
        return Curve(title, "ms", f"ms: {title}", points, why)

    return Group(
        "history",
        "Entries of a room",
        "entries",
        f"A server is started {starts} times on each log; a client joins and gets the newest events, and "
        f"reads {history.PAGES} pages of {history.PAGE} that are evenly spread over the history.",
        [
            curve("server ready", "The whole log is read before the server is ready.", lambda one: one.ready),
            curve("join", "The join reads the whole history.", lambda one: one.join),
            curve("page of 200", "A page is searched for in the whole history.", lambda one: one.page),
        ],
    )


def texts(bench: Bench, sizes: Sequence[int] = BYTES) -> Group:
    """Longer and longer texts."""
    points = []
    for size in sizes:
        both = bench.load(_target(READERS, text_bytes=size))
        points.append(point(size, *([cost / READERS for cost in _message(one)] for _, one in both)))
    return Group(
        "texts",
        "Bytes of a text",
        "bytes",
        f"One room with {READERS} clients, one of which sends, with 64 messages in flight.",
        [
            Curve(
                "CPU a delivery",
                "us",
                "us of CPU a delivery",
                points,
                "The kernel copies every byte for every receiver.",
            )
        ],
    )


GROUPS: tuple[Callable[[Bench], Group], ...] = (clients, rooms, entries, texts)


def run(
    seconds: float = SECONDS,
    against: str = "",
    groups: Sequence[Callable[[Bench], Group]] = GROUPS,
    rounds: int = ROUNDS,
) -> Report:
    """Measure every curve; leave out those that can't be.

    Args:
        seconds: for the messages at each point.
        against: a revision of this project whose server is measured too; "": none.
        groups: what is measured.
        rounds: of the messages at each point.

    Raises:
        ChatError: git does not know the revision.
    """
    allow_open_files(2 * max(CLIENTS))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-bench-")))
        tree = stack.enter_context(revision.checkout(against, folder)) if against else None
        bench = Bench(folder, tree, seconds, rounds)
        found: list[Group] = []
        left_out: list[str] = []
        for measure in groups:
            try:
                found.append(measure(bench))
            except ChatError as error:
                left_out.append(str(error))
        return Report(
            at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
            machine=machine(folder, bench.server_cores, bench.sink_cores),
            against=tree.name if tree else "",
            groups=found,
            left_out=left_out,
        )
