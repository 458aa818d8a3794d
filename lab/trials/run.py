"""Runs one scenario over one technique, once for each seed, all at the same time in rooms of their own."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from chat.client.connect import Place, check_place, locate, open_session
from chat.client.session import Session
from chat.client.session_events import Arrived, DraftMoved, Missed, StateChanged
from chat.domain.errors import ChatError, ConnectionLost
from chat.domain.model import Hello
from chat.interfaces.client import ClientOptions
from chat.interfaces.technique import Technique
from lab.faults.plan import FaultPlan
from lab.faults.registry import parse_fault
from lab.trials.scenarios import Scenario
from lab.trials.server import TrialServer
from lab.trials.witness import witness
from lab.wire.wiretap import Wiretap

BEFORE = 3
"""Messages before the trouble."""
DURING = 10
"""Messages while it lasts, and after it if it is short."""
EVERY = 0.05
PATIENCE = 40.0
"""Seconds after the trouble in which everything must be well again."""
LATE = 10.0
"""Seconds in which what is in the log must be on the screen."""
START = 20.0


@dataclass(slots=True)
class Outcome:
    """What became of one trial."""

    seed: int
    fired: int = 0
    """How often the fault hit."""
    noticed: float | None = None
    """Seconds until the client knew; None: it never had to."""
    well: float | None = None
    """Seconds after the trouble until everything was answered; None: it never was."""
    sent: int = 0
    lost: int = 0
    """Acknowledged, and not in the log."""
    doubled: int = 0
    """In the log more than once, or shown more than once."""
    reordered: int = 0
    """In the log before one that was sent earlier."""
    indefinite: int = 0
    """Nobody answered, and the client said so."""
    unnamed: int = 0
    """In the log, and neither shown to the client nor named as missing."""
    failed: str = ""
    """Why the trial itself failed."""

    @property
    def bad(self) -> int:
        return self.lost + self.doubled + self.reordered + self.unnamed


@dataclass(slots=True)
class _View:
    """What the client was told."""

    shown: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    unconfirmed: set[int] = field(default_factory=set)
    missing: set[int] = field(default_factory=set)
    texts: dict[int, str] = field(default_factory=dict)
    troubled: float | None = None
    """When the state was not "up" any more."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the trials of one cell have shown."""

    outcomes: list[Outcome]
    others: float | None
    """Seconds in which 99 of 100 messages of somebody else, who has no trouble, were acknowledged; None: the
    trouble is the server's, and so everybody's."""
    rss: int
    """Bytes of memory that the server had at the end; 0: it is a broker."""


async def trials(
    technique: Technique, scenario: Scenario, seeds: Sequence[int], folder: Path, server: str | None = None
) -> Found:
    """Run a scenario with each seed.

    Args:
        technique: how the clients connect.
        scenario: what goes wrong.
        seeds: of the faults, and of the rooms' names.
        folder: for logs and seat keys.
        server: of a technique whose server is a broker: where it is; None: it is found.

    Raises:
        ChatError: the server does not start.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(technique.load_decoder)  # imports read files
    await asyncio.to_thread(technique.load_client)
    async with _serving(technique, folder, scenario.token) as own:
        place = Place(
            f"127.0.0.1:{own.port}" if own else server, folder, spawn=own is None, access=scenario.token
        )
        await _answers(technique, place)
        trouble = _Trouble(scenario, own)
        cells = [_Trial(technique, scenario, seed, place, trouble) for seed in seeds]
        trouble.expect(len(cells))
        async with witness(technique, place) as seen:
            outcomes = list(await asyncio.gather(*(cell.run() for cell in cells)))
        others = None if scenario.server else seen.p99
        return Found(outcomes, others, await asyncio.to_thread(own.rss) if own else 0)


@asynccontextmanager
async def _serving(technique: Technique, folder: Path, token: str) -> AsyncIterator[TrialServer | None]:
    if technique.server is None:
        yield None
        return
    server = TrialServer(technique, folder, token)
    await asyncio.to_thread(server.start)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


async def _answers(technique: Technique, place: Place) -> None:
    until = time.monotonic() + START
    while True:
        try:
            target = (await locate(place, technique, check_place(place, technique))).addresses[0]
            client = technique.load_client()(target, ClientOptions())
            try:
                await client.check(place.access)
                return
            finally:
                await client.close()
        except ConnectionLost:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)


class _Trouble:
    """What happens to the server happens once, to all trials that are ready for it."""

    def __init__(self, scenario: Scenario, server: TrialServer | None) -> None:
        self._scenario, self._server = scenario, server
        self._waiting = 0
        self._all_ready, self._over = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def expect(self, count: int) -> None:
        self._waiting = count

    async def ready(self) -> None:
        """Wait until every trial is ready."""
        self._waiting -= 1
        if not self._waiting:
            self._all_ready.set()
            self._task = asyncio.create_task(self._happen())
        await self._all_ready.wait()

    async def over(self) -> None:
        """Wait until the trouble is over."""
        await self._over.wait()

    async def _happen(self) -> None:
        server = self._server
        if self._scenario.server == "kill" and server is not None:
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(self._scenario.seconds)
            await asyncio.to_thread(server.start)
        elif self._scenario.server == "freeze" and server is not None:
            server.freeze(True)
            await asyncio.sleep(self._scenario.seconds)
            server.freeze(False)
        else:
            await asyncio.sleep(self._scenario.seconds)
        self._over.set()


class _Trial:
    def __init__(
        self, technique: Technique, scenario: Scenario, seed: int, place: Place, trouble: _Trouble
    ) -> None:
        self._technique, self._scenario, self._seed = technique, scenario, seed
        self._place, self._trouble = place, trouble
        self._room = f"trial-{seed}"
        self._plan = FaultPlan(technique.load_decoder(), seed)
        self._tap = Wiretap(technique, {}, place.state, interference=self._plan)
        self._view = _View()
        self._ready = False

    async def run(self) -> Outcome:
        try:
            return await self._run()
        except (ChatError, TimeoutError) as error:
            return Outcome(self._seed, failed=str(error) or "no answer in time")
        finally:
            if not self._ready:
                await asyncio.shield(self._trouble.ready())
            await self._tap.stop()

    async def _run(self) -> Outcome:
        await self._tap.start()
        outcome = Outcome(self._seed)
        session = open_session(
            self._place, self._technique, self._room, f"t{self._seed}", detour=self._tap.detour
        )
        async with session:
            watching = asyncio.create_task(self._watch(session))
            try:
                await self._play(session, outcome)
                log = await self._log()
                await self._shown(log)
                self._judge(outcome, log)
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
        return outcome

    async def _play(self, session: Session, outcome: Outcome) -> None:
        async with asyncio.timeout(PATIENCE):
            for number in range(BEFORE):
                self._say(session, f"before {number}")
            await session.settled()
        await self._begin(session)
        self._ready = True
        await self._trouble.ready()
        began, self._view.troubled = time.monotonic(), None
        for number in range(DURING):
            self._say(session, f"during {number}")
            await asyncio.sleep(EVERY)
        await self._trouble.over()
        outcome.fired = sum(fault.fired for fault in self._plan.faults)
        await asyncio.to_thread(self._plan.clear, self._tap.tap)
        over = time.monotonic()
        self._say(session, "after")
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await session.settled()
                outcome.well = time.monotonic() - over
        if self._view.troubled is not None:
            outcome.noticed = self._view.troubled - began
        outcome.sent = len(self._view.texts)

    async def _begin(self, session: Session) -> None:
        if not self._scenario.fault or self._tap.tap is None:
            return
        fault = await asyncio.to_thread(parse_fault, self._scenario.fault, self._technique.traits.transport)
        await asyncio.to_thread(self._plan.add, fault, self._tap.tap)
        if fault.reads:  # it must see the connection from the first byte on
            session.redial()
            async with asyncio.timeout(PATIENCE):
                while not session.connected:  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0.02)

    def _say(self, session: Session, text: str) -> None:
        self._view.texts[session.say(text)] = text

    async def _watch(self, session: Session) -> None:
        view = self._view
        async for batch in session.updates():
            for update in batch:
                match update:
                    case Arrived(event, draft) if event.kind == "sent":
                        view.shown.append(event.text)
                        if draft:
                            view.acknowledged.add(event.text)
                    case DraftMoved(draft, phase):
                        if phase == "sent":
                            view.acknowledged.add(view.texts[draft])
                        elif phase == "unconfirmed":
                            view.unconfirmed.add(draft)
                    case Missed(missing):
                        view.missing.update(missing.seqs)
                    case StateChanged(state) if state.name != "up" and view.troubled is None:
                        view.troubled = time.monotonic()

    async def _log(self) -> list[tuple[int, str]]:
        """Return the messages of the room's log, read by somebody else on a connection without a fault."""
        target = (
            await locate(self._place, self._technique, check_place(self._place, self._technique))
        ).addresses[0]
        client = self._technique.load_client()(target, ClientOptions())
        try:
            await client.connect(Hello(self._room, f"reader{self._seed}", access=self._place.access))
            events = await client.history(after=0, limit=200)
        finally:
            await client.close()
        return [(event.seq, event.text) for event in events if event.kind == "sent"]

    async def _shown(self, log: list[tuple[int, str]]) -> None:
        """Wait until everything is shown, or named as missing: who polls shows it later."""
        until = time.monotonic() + LATE
        while time.monotonic() < until and self._unnamed(log):  # noqa: ASYNC110 - the client tells it in updates
            await asyncio.sleep(0.05)

    def _unnamed(self, log: list[tuple[int, str]]) -> int:
        seen = set(self._view.shown)
        return sum(text not in seen and seq not in self._view.missing for seq, text in log)

    def _judge(self, outcome: Outcome, log: list[tuple[int, str]]) -> None:
        view = self._view
        texts = [text for _, text in log]
        counts = Counter(texts)
        outcome.lost = sum(text not in counts for text in view.acknowledged)
        outcome.doubled = sum(count > 1 for count in counts.values())
        outcome.doubled += sum(count > 1 for count in Counter(view.shown).values())
        order = {text: number for number, text in enumerate(view.texts.values())}
        places = [order[text] for text in texts if text in order]
        outcome.reordered = sum(later < earlier for earlier, later in pairwise(places))
        outcome.indefinite = sum(view.texts[draft] not in view.acknowledged for draft in view.unconfirmed)
        outcome.unnamed = self._unnamed(log)
