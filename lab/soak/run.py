"""Runs a soak: a server, processes with clients, and the judgement at the end."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil

import backends
from chat.client.lines import out
from chat.domain.errors import ChatError
from chat.domain.model import Event, Hello
from chat.domain.room import TAIL, WINDOW
from chat.domain.room_replica import RING_EVENTS
from chat.server.logs.verify import verify
from lab.child import Child
from lab.demo import Stage, served
from lab.soak.crowd import Report, Task
from lab.soak.resources import held, left, slope
from lab.soak.view import Truth

PROCESSES = 2
"""That share the clients."""
DRAFTS = 6.0
"""A second, of all clients together: each goes to everybody."""
STAYS = 1.0
"""Clients that leave, and come again, a second."""
TOLD = 10.0
"""Seconds from one line about the state to the next."""
SAMPLED = 1.0
"""Seconds from one look at the memory to the next."""
GROWTH = 24.0
"""MiB that a process may grow by in the second half of a run, by its slope; see `ENTERING`, too."""
MOST = 200.0
"""MiB that the server may take."""
COPY = 2.2
"""MiB of a copy of a room that is as large as it gets, measured."""
ENTERING = 6.0
"""MiB that a client over a broker takes for a moment to read so long a room, measured: 13,000 entries of 479
bytes. All of a process may do that at once, after a fault, and Python gives hardly anything back."""
KEY_FILES = 2
"""A kept seat key, and its lock."""
PATIENCE = 240.0
"""Seconds that a process may take for an answer, besides the time of the soak."""
LINE = 64 * 1024 * 1024
"""Bytes of one answer."""
MIB = 1024 * 1024


@dataclass
class Watched:
    """A process whose memory is looked at."""

    name: str
    process: psutil.Process
    samples: list[tuple[float, float]] = field(default_factory=list)
    """Seconds, and MiB."""

    def sample(self, at: float) -> None:
        self.samples.append((at, self.process.memory_info().rss / MIB))

    @property
    def growth(self) -> tuple[float, float]:
        """Return the slope of the second half in MiB a minute, and what it grew by there."""
        second = self.samples[len(self.samples) // 2 :]
        by = slope(second)
        return by * 60, by * (second[-1][0] - second[0][0])


class Clients:
    """A process with clients, as `lab.soak.crowd` runs it."""

    def __init__(self, task: Task, child: Child) -> None:
        self.name = f"clients {task.name}"
        self._task, self._child = task, child
        self.watched = Watched(self.name, psutil.Process(child.pid))

    @classmethod
    async def start(cls, task: Task, errors: Path) -> Clients:
        """Start it; what it says on its standard error goes to a file."""
        child = await Child.start("lab.soak.crowd", errors, LINE)
        await child.write(msgspec.json.encode(task))  # not an argument: it may hold a password
        return cls(task, child)

    @property
    def over_a_broker(self) -> int:
        """How many of its clients have no server but a broker."""
        return sum(backends.technique(name).server is None for name in self._task.people)

    async def ask(self, command: str) -> Report:
        """Give a command, and return the answer.

        Raises:
            ChatError: there was none.
        """
        await self._child.write(command.encode())
        try:
            line = await self._child.read(self._task.seconds + PATIENCE)
        except TimeoutError:
            raise ChatError(f"{self.name}: no answer to {command!r}") from None
        if not line:
            raise ChatError(f"{self.name}: it ended: {await self._child.last_words()}")
        return msgspec.json.decode(line, type=Report)

    async def stop(self) -> None:
        await self._child.stop()


class Soak:
    """One run."""

    def __init__(self, stage: Stage, folder: Path, seconds: float, clients: int, seed: int) -> None:
        self._stage, self._folder = stage, folder
        self._seconds, self._clients, self._seed = seconds, clients, seed
        self._errors = folder / "errors"
        self._server = Watched("server", psutil.Process(stage.pid))
        self.problems: list[str] = []

    async def run(self) -> None:
        """Run it, print what was seen, and add to the problems."""
        children: list[Clients] = []
        try:
            for task in self._tasks():
                children.append(await Clients.start(task, self._errors))
            begun = await _asked(children, "begin")
            before = await self._server_holds()
            watching = asyncio.create_task(self._watch([self._server, *(one.watched for one in children)]))
            soaked = await _asked(children, "soak")
            watching.cancel()
            last = (await self._events())[-1].seq
            ended = await _asked(children, f"end {last}")
            self._judge(await self._events(), last, ended)
            before["seat files"] += KEY_FILES * sum(report.kept for report in ended)
            await self._nothing_left(before)
            for child, first, report in zip(children, begun, ended, strict=True):
                self._compare(child.name, first.held, report.held)
        finally:
            for child in children:
                await child.stop()
        self._tell(soaked, ended, children)

    def _tasks(self) -> list[Task]:
        servers = {one.technique.name: one.address.url or str(one.address) for one in self._stage.runs}
        names = list(servers)
        people = [names[number % len(names)] for number in range(self._clients)]
        share = -(-self._clients // PROCESSES)
        shares = [slice(number * share, (number + 1) * share) for number in range(PROCESSES)]
        return [
            Task(
                name=chr(ord("a") + number),
                seed=self._seed,
                seconds=self._seconds,
                servers={name: servers[name] for name in names if name in people[shares[number]]},
                people=people[shares[number]],
                room=self._stage.room,
                state=str(self._folder),
                every=1 / (DRAFTS / PROCESSES),
                stay=max(5.0, self._clients / STAYS),
            )
            for number in range(PROCESSES)
        ]

    # --- what is looked at -----------------------------------------------------------------------

    async def _watch(self, all_of_them: Sequence[Watched]) -> None:
        start = time.monotonic()
        told = 0.0
        while True:
            at = time.monotonic() - start
            for one in all_of_them:
                with suppress(psutil.NoSuchProcess):  # whoever asks it next tells why it ended
                    one.sample(at)
            if at - told >= TOLD:
                told = at
                memory = ", ".join(f"{one.name} {one.samples[-1][1]:.0f} MiB" for one in all_of_them)
                out(f"{at:5.0f} s  {memory}")
            await asyncio.sleep(SAMPLED)

    async def _server_holds(self) -> dict[str, int]:
        found = await asyncio.to_thread(held, self._server.process)
        folder = self._folder / "seats"
        seats = await asyncio.to_thread(lambda: len(list(folder.iterdir())) if folder.exists() else 0)
        return {**found, "seat files": seats}

    async def _nothing_left(self, before: dict[str, int]) -> None:
        until = time.monotonic() + 60
        after = await self._server_holds()
        while left(before, after) and time.monotonic() < until:
            await asyncio.sleep(1)
            after = await self._server_holds()
        self._compare("server", before, after)

    def _compare(self, name: str, before: dict[str, int], after: dict[str, int]) -> None:
        counts = ", ".join(f"{after[what]} {what} ({count} before)" for what, count in before.items())
        out(f"{name}: {counts}")
        for what, count in left(before, after).items():
            self.problems.append(f"{name}: {count} {what} more than before")

    async def _events(self) -> list[Event]:
        """Read the whole log of the room, as the server reads it from there."""
        served = next(one for one in self._stage.runs if one.technique.traits.ordered)
        client = served.technique.load_client()(served.address)
        try:
            welcome = await client.connect(Hello(self._stage.room, "reader"))
            pages: list[list[Event]] = []
            before = welcome.head + 1
            while page := await client.history(before=before, limit=welcome.limits.page):
                pages.append(page)
                before = page[0].seq
            return [event for page in reversed(pages) for event in page]
        finally:
            await client.close()

    # --- what is said about it ---------------------------------------------------------------------

    def _judge(self, events: list[Event], last: int, reports: Sequence[Report]) -> None:
        truth = Truth(events, last)
        for report in reports:
            self.problems += report.problems
            for view in report.views:
                self.problems += truth.judged(view)
        self.problems += truth.stored(text for report in reports for text in report.acknowledged)
        views = [view for report in reports for view in report.views]
        for name, count in sorted(Counter(view.technique for view in views).items()):
            seen = sum(view.count for view in views if view.technique == name)
            missing = sum(len(view.missing) for view in views if view.technique == name)
            named = f", {missing:,} named as missing" if missing else ""
            out(f"{name}: {count} stays, {seen:,} events seen{named}")
        out(
            f"log: {len(truth):,} events; {sum(len(one.acknowledged) for one in reports):,} texts "
            f"acknowledged, {sum(one.refused for one in reports)} refused, "
            f"{sum(one.unanswered for one in reports)} without an answer; "
            f"{sum(one.kept for one in reports)} sessions ended without a connection"
        )

    def _tell(self, soaked: Sequence[Report], ended: Sequence[Report], children: Sequence[Clients]) -> None:
        fired: Counter[str] = Counter()
        for report in soaked:
            fired.update(report.fired)
        out("faults: " + ", ".join(f"{name} {count}" for name, count in sorted(fired.items())))
        if silent := [text for report in soaked for text in report.silent]:
            out(f"on, and nothing was there to hit: {', '.join(silent)}")
        brokers = {child.name: child.over_a_broker for child in children}
        for one in [self._server, *(child.watched for child in children)]:
            minute, grown = one.growth
            most = max(size for _, size in one.samples)
            out(f"{one.name}: at most {most:.0f} MiB; {minute:+.2f} MiB a minute in the second half")
            bound = GROWTH + ENTERING * brokers.get(one.name, 0)
            if grown > bound:
                self.problems.append(
                    f"{one.name} grew by {grown:.0f} MiB in the second half: bound {bound:.0f}"
                )
        out(
            "each client over a broker holds a copy of the room: the drafts of "
            f"{WINDOW:,} seqs and {RING_EVENTS:,} events\nat most, {COPY} MiB. "
            f"When it enters it reads up to {TAIL:,} entries. So clients grow until the log is that long.\n"
            "Python keeps what it once needed; the objects show that nothing holds it"
        )
        if (most := max(size for _, size in self._server.samples)) > MOST:
            self.problems.append(f"the server took {most:.0f} MiB: bound {MOST:.0f}")
        if errors := self._errors.read_text(errors="replace").strip():
            self.problems.append(f"a process with clients said: {errors[-2000:]}")


async def _asked(children: Sequence[Clients], command: str) -> list[Report]:
    return list(await asyncio.gather(*(child.ask(command) for child in children)))


def soak(seconds: float, clients: int, seed: int) -> int:
    """Run a soak, and print what was found.

    Args:
        seconds: for which everybody lives.
        clients: over all techniques together.
        seed: of who does what when, and of the faults.

    Returns:
        0; 1: something was wrong, and was printed.
    """
    with tempfile.TemporaryDirectory(prefix="chat-soak-") as folder:
        log = Path(folder) / "log" / "chat.sqlite3"
        with served(f"sqlite:{log}", "--rate", "off") as stage:
            names = ", ".join(one.technique.name for one in stage.runs)
            out(f"{clients} clients over {names}, {seconds:.0f} s, seed {seed}")
            for name, reason in stage.off.items():
                out(f"{name} is not there: {reason}")
            run = Soak(stage, Path(folder), seconds, clients, seed)
            asyncio.run(run.run())
        if log.exists():
            run.problems += verify(log).problems
    for problem in run.problems:
        out(f"✖ {problem}")
    out("all is well" if not run.problems else f"{len(run.problems)} problems")
    return 1 if run.problems else 0
