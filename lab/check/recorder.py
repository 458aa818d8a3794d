"""Drives some clients with a script, through a tap, and writes down what each asks for, is told, and sees.

The clients are ordinary sessions. The log is read at the end, by a client that stands beside the tap.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from chat.client.session import Session
from chat.client.session_events import Arrived, DraftMoved, Entered, Missed, StateChanged, Update
from chat.domain.errors import ConnectionLost
from chat.domain.model import Event, Hello
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.interfaces.technique import Technique
from lab.check import history
from lab.check.history import Line
from lab.check.script import PEOPLE, Begin, Change, Finish, Say, Settle, Step
from lab.faults.plan import FaultPlan
from lab.faults.registry import parse_fault
from lab.wire.capture import Transport
from lab.wire.tap import Tap

ROOM = "check"
PATIENCE = 15.0
"""Seconds to wait for answers and events. Longer than a session takes to notice a dead connection."""
QUIET = 0.5
"""Seconds between the last answer and the reading of the log."""
PAGE = 200


class Recorder:
    """The history of one session."""

    def __init__(self, name: str, session: Session, technique: Technique) -> None:
        self.name = name
        self.session = session
        self.lines: list[Line] = []
        self.got: set[int] = set()
        """Seqs of the events that have come, or were named as missing."""
        self.last = 0
        """The last own message that was acknowledged."""
        self.entered = asyncio.Event()
        self.changed = asyncio.Event()
        self._technique = technique
        self._told: dict[
            int, int
        ] = {}  # by acknowledged or refused operation: its seq; 0: not known yet, -1: none
        self._head = 0
        self._up = False
        self._over = False

    def say(self, text: str) -> int:
        """Say it; return the operation."""
        return self._invoke("sent", text=text)

    def acknowledged(self, op: int) -> bool:
        """Whether an operation is known to be in the log."""
        return self._told.get(op, -1) >= 0

    def change(self, text: str) -> None:
        """Edit the last own message; without a text delete it. Does nothing if there is none."""
        if self.last:
            self._invoke("edited" if text else "deleted", text=text, id=self.last)

    def _invoke(self, act: history.Act, *, text: str = "", id: int = 0) -> int:
        at = now()
        if act == "sent":
            op = self.session.say(text)
        else:
            op = self.session.edit(id, text) if act == "edited" else self.session.delete(id)
        self.lines.append(history.Invoke(client=self.name, at=at, op=op, act=act, text=text, id=id))
        return op

    async def listen(self) -> None:
        """Write down what happens, until the session ends."""
        async for batch in self.session.updates():
            for update in batch:
                if not self._over:
                    self._note(update)
            self.changed.set()

    async def until_got(self, log: Iterable[Event]) -> None:
        """Wait until all of these have come, or were named as missing, that are newer than its entry."""
        wanted = {event.seq for event in log if event.seq > self._head}
        await self._until(lambda: wanted <= self.got)

    async def until_own_seen(self) -> None:
        """Wait until the events of all own operations that are acknowledged have come."""
        await self._until(lambda: all(self._told.values()))

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self.changed.clear()
            await self.changed.wait()

    def end(self, *, whole: bool) -> None:
        """The history ends; what happens later is not in it."""
        self.lines.append(history.End(client=self.name, at=now(), whole=whole))
        self._over = True

    def _note(self, update: Update) -> None:
        name, at = self.name, now()
        match update:
            case Entered(welcome):
                traits = self._technique.traits
                self._up = True
                self._head = self._head or welcome.head
                self.lines.append(
                    history.Entered(
                        client=name, at=at, room=welcome.room, seat=welcome.seat, head=welcome.head,
                        technique=self._technique.name, ordered=traits.ordered,
                        lossless=traits.lossless, resend=traits.resend,
                    )
                )  # fmt: skip
                self.entered.set()
            case StateChanged(state) if self._up and state.name != "up":
                self._up = False
                self.lines.append(history.Down(client=name, at=at, reason=state.reason))
            case Arrived(event, draft):
                self.got.add(event.seq)
                self.lines.append(history.Saw(client=name, at=at, event=event))
                if draft:
                    if event.kind == "sent":
                        self.last = event.seq
                    self._outcome(history.Ok(client=name, at=at, op=draft, seq=event.seq))
            case Missed(missing):
                self.got.update(missing.seqs)
                self.lines.append(history.Missing(client=name, at=at, seqs=tuple(missing.seqs)))
            case DraftMoved(draft, "sent"):
                self._outcome(history.Ok(client=name, at=at, op=draft))
            case DraftMoved(draft, "failed", reason):
                self._outcome(history.Fail(client=name, at=at, op=draft, reason=reason))
            case DraftMoved(draft, "unconfirmed", reason):
                self.lines.append(history.Indefinite(client=name, at=at, op=draft, reason=reason))

    def _outcome(self, line: history.Ok | history.Fail) -> None:
        seq = line.seq if isinstance(line, history.Ok) else -1
        if line.op not in self._told or (seq and not self._told[line.op]):  # the event may come after the ack
            self._told[line.op] = seq
            self.lines.append(line)


def now() -> float:
    return round(time.monotonic(), 6)


async def record(
    technique: Technique,
    address: Address,
    steps: Iterable[Step],
    *,
    settings: Mapping[str, str] | None = None,
    access: str = "",
    seed: int = 1,
    patience: float = PATIENCE,
) -> list[Line]:
    """Run a script against a server, and return the histories, the faults, and the log.

    Args:
        technique: how to connect.
        address: where the server is.
        steps: what the clients do. A step that is not answered in time is the last one.
        settings: of the technique, by `Setting.name`.
        access: the access token.
        seed: of the faults.
        patience: seconds to wait for answers and events.

    Raises:
        ChatError: a client can't get in, or the log can't be read.
    """
    options = ClientOptions((), None, settings or {})
    make = await asyncio.to_thread(technique.load_client)
    decoder = await asyncio.to_thread(technique.load_decoder)
    plan = FaultPlan(decoder, seed)
    observer = make(address, options)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(observer.close)
        welcome = await observer.connect(Hello(ROOM, "observer", access=access))
        tap = await asyncio.to_thread(Tap, None, plan)
        stack.push_async_callback(asyncio.to_thread, tap.close)
        transport = technique.transport(options.settings)
        here = await asyncio.to_thread(tap.relay, address, transport)

        async def dial() -> ChatClient:
            return make(here, options)

        recorders = []
        for name in PEOPLE:
            session = Session(dial, Hello(ROOM, name, access=access), resend=technique.traits.resend)
            recorder = Recorder(name, await stack.enter_async_context(session), technique)
            listening = asyncio.create_task(recorder.listen())
            stack.push_async_callback(_over, listening)
            recorders.append(recorder)
        resend = technique.traits.resend or options.settings.get("repair") == "on"
        run = _Run(recorders, plan, tap, transport, patience, resend=resend)
        await run.get_in()
        await run.play(steps)
        await asyncio.sleep(QUIET)
        log = await read_log(observer, welcome.first)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await asyncio.gather(*(one.until_got(log) for one in recorders))
        for recorder in recorders:
            recorder.end(whole=True)
    return [line for one in recorders for line in one.lines] + [*run.faults, *log]


async def _over(listening: asyncio.Task[None]) -> None:
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def read_log(observer: ChatClient, first: int) -> list[Event]:
    """Return the whole log of a client's room, whose first event is ``first`` (see `Welcome.first`)."""
    log: list[Event] = []
    while page := await observer.history(after=log[-1].seq if log else max(0, first - 1), limit=PAGE):
        log += page
    return log


class _Run:
    """Plays a script."""

    def __init__(
        self,
        recorders: list[Recorder],
        plan: FaultPlan,
        tap: Tap,
        transport: Transport,
        patience: float,
        *,
        resend: bool,
    ) -> None:
        self.faults: list[history.Fault] = []
        self._by_name = {one.name: one for one in recorders}
        self._plan, self._tap, self._transport, self._patience = plan, tap, transport, patience
        self._resend = resend
        self._began: tuple[float, Begin] | None = None

    async def get_in(self) -> None:
        """Wait until everybody has a seat. Raises `ConnectionLost`."""
        try:
            async with asyncio.timeout(self._patience):
                for one in self._by_name.values():
                    await one.entered.wait()
        except TimeoutError:
            reasons = {one.session.state.reason for one in self._by_name.values()} - {""}
            raise ConnectionLost(f"the clients did not get in: {'; '.join(reasons) or 'no answer'}") from None

    async def play(self, steps: Iterable[Step]) -> None:
        try:
            for step in steps:
                await self._step(step)
        except TimeoutError:
            pass  # somebody waits in vain: the checker will say so
        finally:
            await self._finish()

    async def _step(self, step: Step) -> None:
        match step:
            case Say(who, text):
                self._by_name[who].say(text)
            case Change(who, text):
                with suppress(TimeoutError):  # who polls sees it later
                    async with asyncio.timeout(self._patience):
                        await self._by_name[who].until_own_seen()
                self._by_name[who].change(text)
            case Settle(who, at_most):
                waiting = [self._by_name[who]] if who else list(self._by_name.values())
                async with asyncio.timeout(self._patience):
                    await asyncio.gather(*(one.session.settled(at_most) for one in waiting))
            case Begin(fault):
                self._began = now(), step
                if await asyncio.to_thread(self._begin, fault):
                    await self._redial()
            case Finish():
                await self._finish()

    def _begin(self, text: str) -> bool:
        """Begin a fault; return whether it must see each connection from the first byte on."""
        fault = parse_fault(text, self._transport)
        self._plan.add(fault, self._tap)
        return fault.reads

    async def _redial(self) -> None:
        async with asyncio.timeout(self._patience):
            for one in self._by_name.values():
                one.entered.clear()
                one.session.redial()
                await one.entered.wait()

    async def _finish(self) -> None:
        if self._began is None:
            return
        (began, step), faults = self._began, self._plan.faults
        await asyncio.to_thread(self._plan.clear, self._tap)
        self._began = None
        for fault in faults:
            self.faults.append(
                history.Fault(
                    name=str(fault),
                    at=began,
                    until=now(),
                    fired=fault.fired,
                    indefinite=step.indefinite and not self._resend,
                )
            )


def write(lines: Iterable[Line], folder: Path) -> list[Path]:
    """Write the history of each client into a file of its own, and the log and the faults into two others."""
    files: dict[str, list[str]] = {}
    for line in lines:
        kind = "log" if isinstance(line, Event) else "faults"
        name = getattr(line, "client", kind)
        files.setdefault(f"{name}.jsonl", []).append(history.write_line(line) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    for file, written in files.items():
        (folder / file).write_text("".join(written), encoding="utf-8")
    return [folder / file for file in files]
