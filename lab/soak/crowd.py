"""A process of the soak with its share of the clients, and a tap with faults before each technique.

It reads a `Task` from its first line of input, then a command a line, and answers each with a line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

import msgspec
import psutil

import backends
from chat.client.connect import Detour, Place
from chat.client.lines import out_json
from chat.domain.errors import ChatError
from lab.faults.wire import FaultyWire
from lab.soak.person import Noted, Person
from lab.soak.resources import held, left
from lab.soak.schedule import Step, schedule
from lab.soak.view import View

PATIENCE = 60.0
"""Seconds until everybody knows the last message, or nothing is left."""


class Task(msgspec.Struct):
    """What a process has to do."""

    name: str
    seed: int
    seconds: float
    servers: dict[str, str]
    """The address of each technique."""
    people: list[str]
    """The technique of each client."""
    room: str
    state: str
    """The state folder, in which the seat keys are."""
    every: float
    stay: float


class Report(msgspec.Struct):
    """What a process has to tell; each answer has the fields that the command asks for."""

    held: dict[str, int] = {}
    fired: dict[str, int] = {}
    """How often each fault has hit."""
    silent: list[str] = []
    """Faults that were on and hit nothing."""
    views: list[View] = []
    acknowledged: list[str] = []
    unanswered: int = 0
    refused: int = 0
    kept: int = 0
    problems: list[str] = []


class Crowd:
    """The clients of this process."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.noted = Noted()
        self.fired: Counter[str] = Counter()
        self.silent: list[str] = []
        self._people: list[Person] = []
        self._wires: dict[str, FaultyWire] = {}
        self._over = asyncio.Event()
        self._before: dict[str, int] = {}

    async def begin(self) -> None:
        """Open the taps, and let everybody enter and leave once: so all that is made once is made."""
        task = self._task
        for name in sorted(task.servers):
            technique = backends.technique(name)
            seed = random.Random(f"{task.seed} {task.name} {name}").getrandbits(32)
            wire = await asyncio.to_thread(FaultyWire, technique, {}, seed)
            self._wires[name] = wire
        for number, name in enumerate(task.people):
            place = Place(task.servers[name], Path(task.state), spawn=False)
            detour: Detour = self._wires[name].detour
            who = f"{task.name}{number}-{name}"
            self._people.append(
                Person(backends.technique(name), place, task.room, who, detour, self.noted, str(task.seed))
            )
        for one in self._people:  # one after the other: a machine that is small is not taken by storm
            await one.come()
        await self._all(one.leave() for one in self._people)
        self._before = await self._held()

    async def soak(self) -> None:
        """Let everybody live, and things go wrong, for the time of the task. Then everybody is there."""
        task = self._task
        lives = [
            asyncio.create_task(one.live(task.every * len(self._people), task.stay, self._over))
            for one in self._people
        ]
        transports = {name: wire.transport for name, wire in self._wires.items()}
        loop = asyncio.get_running_loop()
        ends = loop.time() + task.seconds
        steps = schedule(f"{task.seed} {task.name}", task.seconds, transports)
        await self._all(self._suffer(step) for step in steps)
        await asyncio.sleep(max(0.0, ends - loop.time()))
        self._over.set()
        await self._all(lives)
        await self._all(one.settled() for one in self._people)

    async def _suffer(self, step: Step) -> None:
        wire = self._wires[step.technique]
        await asyncio.sleep(step.at)
        fault = await asyncio.to_thread(wire.parse, step.fault)
        await asyncio.to_thread(wire.begin, fault)
        if fault.reads:  # it must see a connection from its first byte on
            for one in self._people:
                if one.technique.name == step.technique and one.session is not None:
                    one.session.redial()
        await asyncio.sleep(step.lasts)
        await asyncio.to_thread(wire.finish)
        self.fired[fault.name] += fault.fired
        if not fault.fired:
            self.silent.append(f"{fault} on {step.technique}")

    async def end(self, last: int) -> None:
        """Wait until everybody knows the last event; then leave."""
        waiting = []
        for one in self._people:
            if one.session is None or one.view is None:
                self.noted.problems.append(
                    f"a client over {one.technique.name} is not in the room at the end"
                )
                continue
            one.view.stayed = True
            waiting.append(self._knows(one, one.view, last))
        await self._all(waiting)
        await self._all(one.end() for one in self._people if one.session is not None)

    async def _knows(self, one: Person, view: View, last: int) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await one.until(lambda: view.knows(last))
        except TimeoutError:
            pass  # the judge of the views names it

    async def counted(self) -> dict[str, int]:
        """Return what is held now, as soon as it is no more than before, or after some patience."""
        until = asyncio.get_running_loop().time() + PATIENCE
        now = await self._held()
        while left(self._before, now) and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(1)
            now = await self._held()
        if left(self._before, now):
            self.noted.problems += _still_there()
        return now

    @property
    def before(self) -> dict[str, int]:
        return self._before

    async def _held(self) -> dict[str, int]:
        for wire in self._wires.values():  # a relay of datagrams can't know that a client is gone
            await asyncio.to_thread(wire.cut)
        gc.collect()
        found = await asyncio.to_thread(held, psutil.Process())
        return {**found, "tasks": len(asyncio.all_tasks()), "objects": len(gc.get_objects())}

    async def _all(self, works: Iterable[Coroutine[Any, Any, None] | asyncio.Task[None]]) -> None:
        for end in await asyncio.gather(*works, return_exceptions=True):
            if isinstance(end, ChatError):
                self.noted.problems.append(str(end))
            elif isinstance(end, Exception):  # the others are judged all the same
                self.noted.problems.append("".join(traceback.format_exception(end)))
            elif end is not None:
                raise end

    async def close(self) -> None:
        for wire in self._wires.values():
            await asyncio.to_thread(wire.close)


def _still_there() -> list[str]:
    """Return what runs in this process besides its main task: where to look for what was left."""
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    threads = Counter(thread.name for thread in threading.enumerate())
    return [
        *(f"still there: task {task.get_coro()}" for task in tasks),
        f"threads of Python: {', '.join(f'{name} {count}' for name, count in sorted(threads.items()))}",
    ]


async def main() -> None:
    """Do what the lines of the input say."""
    crowd = Crowd(msgspec.json.decode(await asyncio.to_thread(sys.stdin.readline), type=Task))
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, _, argument = line.strip().partition(" ")
        match command:
            case "begin":
                await crowd.begin()
                report = Report(held=crowd.before)
            case "soak":
                await crowd.soak()
                report = Report(fired=dict(crowd.fired), silent=crowd.silent)
            case _:
                await crowd.end(int(argument))
                noted = crowd.noted
                report = Report(
                    held=await crowd.counted(),
                    views=noted.views,
                    acknowledged=noted.acknowledged,
                    unanswered=noted.unanswered,
                    refused=noted.refused,
                    kept=noted.kept,
                    problems=noted.problems,
                )
        out_json(msgspec.json.encode(report).decode())
    await crowd.close()


if __name__ == "__main__":
    asyncio.run(main())
