"""Runs one scenario over one technique: every seed at the same time, in a room of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chat.client.connect import Place
from chat.domain.errors import ChatError, ConnectionLost
from chat.interfaces.technique import Technique
from lab.check.history import Line
from lab.trials.outcome import Outcome, answered, failed, outcome, p99
from lab.trials.reader import direct
from lab.trials.scenarios import Scenario
from lab.trials.server import TrialServer
from lab.trials.subject import Subject
from lab.trials.trial import Trial
from lab.trials.trouble import Trouble
from lab.trials.witness import Task, witness

START = 20.0
"""Seconds until the server must answer."""
LOOK = 0.2
"""Seconds from one look at the server's memory to the next."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the trials of one cell have shown."""

    outcomes: list[Outcome]
    others: Outcome
    """What became of somebody else on the same server, who has no trouble of their own."""
    p99: float | None
    """Seconds in which 99 of 100 messages of somebody else were acknowledged; None: the trouble is the
    server's, and so everybody's."""
    rss: int
    """Bytes of memory that the server had at most; 0: it is a broker."""
    histories: dict[int, list[Line]] = field(default_factory=dict)
    """By seed; 0: somebody else's."""


async def trials(
    subject: Subject, scenario: Scenario, seeds: Sequence[int], folder: Path, server: str | None = None
) -> Found:
    """Run a scenario with each seed.

    Args:
        subject: how the clients connect.
        scenario: what goes wrong.
        seeds: of the faults, and of the rooms' names.
        folder: for logs and seat keys.
        server: of a technique whose server is a broker: where it is; None: it is found.

    Raises:
        ChatError: the server does not start.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    technique = subject.technique
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(witness(folder))
        own = await stack.enter_async_context(serving(technique, folder, scenario.token))
        await asyncio.to_thread(technique.load_decoder)  # imports read files
        await asyncio.to_thread(technique.load_client)
        where = f"127.0.0.1:{own.port}" if own else server
        place = Place(where, folder, spawn=own is None, access=scenario.token)
        await _answers(technique, place)
        await other.enter(Task(technique.name, dict(subject.settings), where, str(folder), scenario.token))
        trouble = Trouble(scenario, own, lambda: _answers(technique, place))
        trouble.expect(len(seeds))
        stack.push_async_callback(trouble.close)
        memory = await stack.enter_async_context(_watched(own))
        rooms = [Trial(subject, scenario, seed, place, trouble) for seed in seeds]
        runs = await asyncio.gather(*(room.run() for room in rooms), return_exceptions=True)
        await other.end()
    began = trouble.began
    histories: dict[int, list[Line]] = {}
    outcomes, until = [], trouble.ended
    for seed, room, lines in zip(seeds, rooms, runs, strict=True):
        if isinstance(lines, list):
            histories[seed] = lines
            outcomes.append(outcome(seed, lines, began, room.ended))
            until = max(until, answered(lines, began, room.ended))
        elif isinstance(lines, ChatError | TimeoutError):
            outcomes.append(failed(seed, str(lines) or "no answer in time"))
        else:
            raise lines
    shared = [trouble.record] if scenario.server else []
    quick = None if scenario.server else p99(other.lines, began, until)
    histories[0] = [*other.lines, *shared]
    others = outcome(0, histories[0], began, trouble.ended)
    return Found(outcomes, others, quick, memory.most, histories)


@dataclass
class _Memory:
    most: int = 0
    """Bytes."""


@asynccontextmanager
async def _watched(server: TrialServer | None) -> AsyncIterator[_Memory]:
    """Look at the server's memory as long as the context lasts."""
    found = _Memory()

    async def watch() -> None:
        while server is not None:
            found.most = max(found.most, await asyncio.to_thread(server.rss))
            await asyncio.sleep(LOOK)

    watching = asyncio.create_task(watch())
    try:
        yield found
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@asynccontextmanager
async def serving(technique: Technique, folder: Path, token: str) -> AsyncIterator[TrialServer | None]:
    """Start a server, and stop it; None where it is a broker."""
    if technique.server is None:
        yield None
        return
    server = TrialServer(technique, folder, token)
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.stop)


async def _answers(technique: Technique, place: Place) -> None:
    until = time.monotonic() + START
    while True:
        try:
            client = await direct(place, technique)
            try:
                await client.check(place.access)
                return
            finally:
                await client.close()
        except ConnectionLost:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.05)
