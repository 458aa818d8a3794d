"""One room of a scenario: people who talk before, during and after the trouble, and what they saw."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

from chat.client.connect import Detour, Place, open_session
from chat.transport.polling import LONG
from lab.check import history
from lab.check.history import Line
from lab.check.recorder import Recorder, now
from lab.faults.fault import Fault
from lab.faults.wire import FaultyWire
from lab.trials.reader import end
from lab.trials.scenarios import Scenario
from lab.trials.subject import Subject
from lab.trials.trouble import Trouble

PATIENCE = 40.0
"""Seconds in which somebody must be in the room."""
AGAIN = 3
"""How often something is said again if nobody knows whether it was stored."""


class Trial:
    """A room with its own seed and, where the wire is what fails, its own wire."""

    def __init__(
        self, subject: Subject, scenario: Scenario, seed: int, place: Place, trouble: Trouble
    ) -> None:
        self._subject = subject.polling(LONG) if scenario.long_polls else subject
        self._scenario, self._seed = scenario, seed
        self._place, self._trouble = place, trouble
        self._room = f"trial-{seed}"
        self._wire: FaultyWire | None = None
        self._fault: Fault | None = None
        self.ended = 0.0
        """When the trouble was over, and all was said that was to be said meanwhile."""
        self._began = 0.0
        self._people: list[Recorder] = []
        self._said = 0
        self._ready = False

    async def run(self) -> list[Line]:
        """Play it; return the histories, the faults and the log.

        Raises:
            ChatError: somebody could not enter, or the log could not be read.
            TimeoutError: the same, without an answer.
        """
        try:
            return await self._run()
        finally:
            if not self._ready:
                await asyncio.shield(self._trouble.ready(lambda: True))
            if self._wire is not None:
                await asyncio.to_thread(self._wire.close)

    async def _run(self) -> list[Line]:
        scenario, detour = self._scenario, None
        if scenario.fault:
            subject = self._subject
            self._wire = await asyncio.to_thread(FaultyWire, subject.technique, subject.settings, self._seed)
            detour = self._wire.detour
            self._fault = await asyncio.to_thread(self._wire.parse, scenario.fault)  # the first reads files
        async with AsyncExitStack() as stack:
            for number in range(scenario.people):
                await self._enter(stack, f"p{number}", detour)
            await self._talk(scenario.before, scenario.pace_around)
            async with asyncio.timeout(PATIENCE):
                await self._settled()
            faults = await self._suffer()
            well = await self._until_well()
            log = await end(
                self._place,
                self._subject.technique,
                self._room,
                self._people,
                scenario.patience,
                well=well,
            )
        return [*(line for one in self._people for line in one.lines), *faults, *log]

    async def _enter(self, stack: AsyncExitStack, nick: str, detour: Detour | None) -> None:
        subject = self._subject
        session = open_session(
            self._place, subject.technique, self._room, nick, settings=subject.settings, detour=detour
        )
        # Its history's name says the room, too: files of several rooms may be looked at together.
        person = Recorder(f"{nick} in {self._room}", session, subject.promised)
        await stack.enter_async_context(session)
        listening = asyncio.create_task(person.listen())
        stack.push_async_callback(_over, listening)
        async with asyncio.timeout(max(PATIENCE, self._scenario.patience)):
            await person.entered.wait()
        self._people.append(person)

    async def _suffer(self) -> Sequence[history.Fault]:
        fault, scenario = self._fault, self._scenario
        if fault is not None and fault.reads:  # it must see each connection from the first byte on
            await self._begin(fault)
            async with asyncio.timeout(PATIENCE):
                for one in self._people:
                    one.entered.clear()
                    one.session.redial()
                    await one.entered.wait()
        self._ready = True
        await self._trouble.ready(self._noticed)
        self._began = now()
        if fault is not None and not fault.reads:
            await self._begin(fault)
        await self._talk(scenario.during, scenario.pace)
        await self._trouble.over()
        self.ended = now()
        if fault is not None and self._wire is not None:
            await asyncio.to_thread(self._wire.finish)
        if not scenario.trouble:
            return []
        wanted = scenario.indefinite and not (
            self._subject.technique.traits.resend or self._subject.settings.get("repair") == "on"
        )
        return [
            history.Fault(
                name=scenario.trouble,
                at=self._began,
                until=now(),
                fired=1 if fault is None else fault.fired,
                indefinite=wanted,
            )
        ]

    async def _begin(self, fault: Fault) -> None:
        assert self._wire is not None
        await asyncio.to_thread(self._wire.begin, fault)

    def _noticed(self) -> bool:
        return all(
            any(isinstance(line, history.Down) and line.at >= self._began for line in one.lines)
            for one in self._people
        )

    async def _talk(self, count: int, pace: float) -> list[tuple[Recorder, int]]:
        """Say so many things, each person in turn; return who said which."""
        said = []
        for number in range(count):
            self._said += 1
            one = self._people[number % self._scenario.speakers]
            said.append((one, one.say(f"message {self._said}")))
            if pace:
                await asyncio.sleep(pace)
        return said

    async def _until_well(self) -> bool:
        """Say something, again if nobody knows what became of it; return whether all is answered."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._scenario.patience):
                said = await self._talk(self._scenario.after, self._scenario.pace_around)
                await self._settled()
                for _ in range(AGAIN):
                    if all(one.acknowledged(op) for one, op in said):
                        break
                    said = await self._talk(1, 0.0)
                    await self._settled()
                return True
        return False

    async def _settled(self) -> None:
        await asyncio.gather(*(one.session.settled() for one in self._people))


async def _over(listening: asyncio.Task[None]) -> None:
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
