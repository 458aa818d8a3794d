"""Somebody whose session goes through a real tap, so that its wire can fail on purpose."""

from __future__ import annotations

import asyncio

from chat.client.session import Session
from chat.client.session_events import Arrived, DraftMoved, Missed, StateChanged
from chat.domain.model import Event, Hello
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.interfaces.technique import Technique
from lab.faults.plan import FaultPlan
from lab.faults.registry import faults, parse_fault
from lab.wire.tap import Tap


def load(technique: Technique) -> None:
    """Import all that faults need: an import reads files, and may not be done on an event loop."""
    technique.load_decoder()
    faults()


ENDS = ("sent", "failed", "unconfirmed")


class Tapped:
    """A session through a tap, and all that it told."""

    def __init__(
        self,
        technique: Technique,
        address: Address,
        settings: dict[str, str],
        nick: str = "eve",
        *,
        fault: str = "",
        access: str = "",
    ) -> None:
        """Start to connect; `load` was called before. ``fault`` is on from the first byte on."""
        self.technique = technique
        self.transport = technique.transport(settings)
        self.plan = FaultPlan(technique.load_decoder(), seed=7)
        self.tap = Tap(interference=self.plan, loop=asyncio.get_running_loop())
        if fault:
            self.plan.add(parse_fault(fault, self.transport), self.tap)
        self.seen: list[Event] = []
        self.missing: list[int] = []
        """The seqs that were named as missing."""
        self.states: list[str] = []
        self.ends: dict[int, list[str]] = {}
        """What became of each own draft, by its token."""
        self._news = asyncio.Event()

        async def dial() -> ChatClient:
            here = await asyncio.to_thread(self.tap.relay, address, self.transport)
            return technique.load_client()(here, ClientOptions(settings=settings))

        self.session = Session(dial, Hello("lab", nick), resend=technique.traits.resend, jitter=lambda: -0.5)
        self.session.way.access = access
        self.session.way.checked = self.transport != "udp"
        self._watching = asyncio.create_task(self._watch())
        self.session.start()

    async def _watch(self) -> None:
        async for batch in self.session.updates():
            for update in batch:
                if isinstance(update, Arrived):
                    self.seen.append(update.event)
                    if update.draft:
                        self.ends.setdefault(update.draft, []).append("arrived")
                elif isinstance(update, Missed):
                    self.missing += update.missing.seqs
                elif isinstance(update, StateChanged):
                    self.states.append(update.state.name)
                elif isinstance(update, DraftMoved) and update.phase in ENDS:
                    self.ends.setdefault(update.draft, []).append(update.phase)
            self._news.set()

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.seen if event.kind == "sent"]

    @property
    def fired(self) -> int:
        """How often the faults that are on have hit."""
        return sum(fault.fired for fault in self.plan.faults)

    async def begin(self, fault: str) -> None:
        """Let something go wrong from now on."""
        await asyncio.to_thread(self.plan.add, parse_fault(fault, self.transport), self.tap)

    async def end(self) -> None:
        """Let nothing go wrong any more."""
        await asyncio.to_thread(self.plan.clear, self.tap)

    async def hears(self, text: str) -> None:
        while text not in self.texts:
            await self.more()

    async def enters(self, state: str, times: int = 1) -> None:
        """Wait until the session was in a state so many times."""
        while self.states.count(state) < times:
            await self.more()

    async def more(self) -> None:
        """Wait for an update."""
        self._news.clear()
        await self._news.wait()

    async def close(self) -> None:
        await self.end()
        await self.session.close()
        await self._watching
        await asyncio.to_thread(self.tap.close)
