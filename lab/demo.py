"""``chat demo``: one room over every technique, in twenty seconds.

It starts a server on free ports, with its log in a broker if one is found or can be started, else in memory.
A bot joins the room over every technique that can run here; each is a real client. In a terminal the user
talks to the bots. Without one the bots talk alone, and the program checks which messages each one received.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from secrets import token_hex
from statistics import median

import backends
from chat.background.process import clean_environment
from chat.background.state_folder import state_dir
from chat.client.connect import Detour
from chat.client.lines import err, event_line, out
from chat.client.session import Session
from chat.client.session_events import Arrived, Entered
from chat.domain.errors import ChatError
from chat.domain.model import Event, Hello
from chat.interfaces.address import Address
from chat.interfaces.broker import Broker
from chat.interfaces.client import ChatClient
from chat.interfaces.technique import Technique
from chat.language import N_
from chat.language.translation import translate
from chat.server.logs import open_log
from lab.plain_broker import without_tls

ROOM = "lab"
START_TIMEOUT = 15.0
STORY_TIMEOUT = 60.0  # seconds for all messages; polling takes far less
TEACHER = "teacher"
SCRIPT = (
    N_("Good morning! Everybody here is in one room, each over another technique."),
    N_("Who sees this, and how long did it take?"),
    N_("Umlauts and emoji travel too: Grüße, 漢字 🚀"),
    N_("a message\nof two lines"),
)


# --- the server --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Served:
    """A technique that runs, and the address of its server."""

    technique: Technique
    address: Address


@dataclass(frozen=True, slots=True)
class Stage:
    """What the demo's server offers."""

    runs: list[Served]
    off: dict[str, str]
    """The reasons why the other techniques do not run."""
    room: str
    log: str
    """The URL of its log, which may contain a password."""
    pid: int


@contextmanager
def served(log: str = "memory", *options: str) -> Iterator[Stage]:
    """Run ``chat serve`` on free ports; yield which techniques run.

    Args:
        log: the URL of the log where there is no broker.
        options: more of ``chat serve``.

    Raises:
        ChatError: the server did not start.
    """
    command = [sys.executable, "-m", "chat", "serve", "--json", *options]
    for name in backends.KNOWN:
        command += ["--port-of", f"{name}=0"]
    brokers, off = _brokers()
    log = next((broker.address.url for broker in brokers.values()), log)
    # A broker may already have a room with the usual name. Its URL contains a password, which must not appear
    # in the list of processes.
    room = f"demo-{token_hex(3)}" if brokers else ROOM
    environment = {**clean_environment(), "CHAT_SERVE_LOG": log}
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert child.stdout is not None
    assert child.stderr is not None
    watchdog = threading.Timer(START_TIMEOUT, child.kill)
    watchdog.start()
    try:
        runs = []
        for name in backends.KNOWN:
            line = child.stdout.readline()
            if not line:
                raise ChatError(f"the demo's server did not start: {child.stderr.read().strip()}")
            offer = json.loads(line)
            if offer["state"] == "ready":
                address = Address(offer["host"], offer["port"])
                if name in brokers:
                    address = brokers[name].address
                runs.append(Served(backends.technique(offer["technique"]), address))
            else:
                off.setdefault(name, offer["reason"])
        watchdog.cancel()
        yield Stage(runs, off, room, log, child.pid)
    finally:
        watchdog.cancel()
        child.terminate()
        child.communicate()
        if brokers:
            asyncio.run(_forget(log, room))


def _brokers() -> tuple[dict[str, Broker], dict[str, str]]:
    """Find or start a broker for each technique that needs one.

    Returns:
        The brokers by technique, and the reasons why there is none for a technique.
    """
    found, off = {}, {}
    for label in backends.techniques():
        if label.broker is not None and label.log is not None and not label.missing():
            err(translate(f"looking for a broker for {label.name}; starting one takes some seconds"))
            try:
                broker = label.load_broker()(state_dir(), spawn=True)
                without_tls(broker.address)
                found[label.name] = broker
            except ChatError as error:
                off[label.name] = str(error)
    return found, off


async def _forget(log: str, room: str) -> None:
    """Remove the demo's room from the broker."""
    with suppress(ChatError):
        opened = open_log(log, backends.techniques())
        await opened.start(lambda _: None, lambda *_: None)
        await opened.remove(room)
        await opened.stop()


def session(served: Served, nick: str, room: str, detour: Detour | None = None) -> Session:
    """Return a session that is not started yet."""

    async def dial() -> ChatClient:
        kind = await asyncio.to_thread(served.technique.load_client)
        addresses, _ = await detour([served.address], None) if detour else ([served.address], None)
        return kind(addresses[0])

    return Session(dial, Hello(room, nick), resend=served.technique.traits.resend)


def manner(technique: Technique) -> str:
    """Return the technique and how events reach its clients, e.g. ``tcp, push``."""
    return f"{technique.name}, {translate('push' if technique.traits.push else 'poll')}"


def answer(ms: str, technique: Technique) -> str:
    """Return what a bot says: a participant of the demo, so it has the language of the demo."""
    return translate(f"saw it after {ms} ms ({manner(technique)})")


# --- without a terminal ------------------------------------------------------------------------


@dataclass(slots=True)
class Witness:
    """One client, and the events that it has received."""

    served: Served
    session: Session
    seen: list[Event] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    """Milliseconds from sending each of the teacher's messages until it came here."""
    heard: asyncio.Condition = field(default_factory=asyncio.Condition)
    inside: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def messages(self) -> list[tuple[int, str]]:
        """Id and text of each message, in the order in which they came."""
        return [(event.id, event.text) for event in self.seen if event.kind == "sent"]

    async def watch(self, on_event: Callable[[Witness, Event], None]) -> None:
        """Collect the events until the session ends; call ``on_event`` with each. Raises its `ChatError`."""
        async for batch in self.session.updates():
            for update in batch:
                if isinstance(update, Entered):
                    self.inside.set()
                elif isinstance(update, Arrived):
                    self.seen.append(update.event)
                    on_event(self, update.event)
            async with self.heard:
                self.heard.notify_all()
        if self.session.outcome is not None:
            raise self.session.outcome

    async def until(self, count: int) -> None:
        """Wait until so many messages have come."""
        async with self.heard:
            await self.heard.wait_for(lambda: len(self.messages) >= count)


def headless() -> int:
    """Run the demo without a terminal; return 0 if every client got every message once and in order."""
    with served() as stage:
        return asyncio.run(_story(stage))


async def _story(stage: Stage) -> int:
    runs, off, room = stage.runs, stage.off, stage.room
    teacher = Witness(runs[0], session(runs[0], TEACHER, room))
    bots = [Witness(one, session(one, f"bot-{one.technique.name}", room)) for one in runs]
    everybody = [teacher, *bots]
    said_at = 0.0

    def on_event(witness: Witness, event: Event) -> None:
        if witness is teacher:
            out(event_line(event))
        elif event.kind == "sent" and event.author == TEACHER:
            took = (time.perf_counter() - said_at) * 1000
            witness.took.append(took)
            witness.session.say(answer(f"{took:.1f}", witness.served.technique))

    async def lesson() -> None:
        nonlocal said_at
        expected = 0
        for one in everybody:
            one.session.start()
            await one.inside.wait()
        for text in SCRIPT:
            said_at = time.perf_counter()
            teacher.session.say(translate(text))
            expected += 1 + len(bots)
            for one in everybody:
                await one.until(expected)

    watching = [asyncio.create_task(one.watch(on_event)) for one in everybody]
    teaching = asyncio.create_task(lesson())
    await asyncio.wait({teaching, *watching}, timeout=STORY_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
    if not teaching.done():
        out("* " + translate(f"not all messages came within {STORY_TIMEOUT:.0f} s"))
    teaching.cancel()
    for one in everybody:
        await one.session.close()
    for end in await asyncio.gather(teaching, *watching, return_exceptions=True):
        if isinstance(end, ChatError):
            out(f"* {translate(str(end))}")
    return _verdict(teacher, bots, off)


def _verdict(teacher: Witness, bots: list[Witness], off: dict[str, str]) -> int:
    """Print the table at the end. Each bot must have the same messages in the same order as the teacher."""
    order, expected = teacher.messages, len(SCRIPT) * (1 + len(bots))
    right = len(order) == expected and order == sorted(set(order))
    out("")
    out(translate("technique  delivered median ms  verdict"))
    for bot in bots:
        same = bot.messages == order and bool(order)
        right &= same
        out(
            f"{bot.served.technique.name:<10} {len(bot.messages):>4}/{expected:<4} "
            f"{median(bot.took) if bot.took else float('nan'):>9.1f}  "
            f"{translate('each once, in order' if same else 'lost, duplicated or out of order')}"
        )
    for name, reason in off.items():
        out(f"{name:<10} {'-':>9} {'-':>9}  {translate(f'not here: {reason}')}")
    return 0 if right else 1


# --- with a terminal ---------------------------------------------------------------------------


class Bots:
    """The bots in a thread with a loop of its own, so that they do not slow down the screen."""

    def __init__(self, stage: Stage) -> None:
        self._runs, self._room = stage.runs, stage.room
        self._on = True
        self._stop: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), daemon=True)

    def start(self) -> None:
        """Let the bots join the room."""
        self._thread.start()

    def stop(self) -> None:
        """Let the bots leave; wait for at most 5 s."""
        self._stop()
        self._thread.join(timeout=5)

    def switch(self, on: bool) -> None:
        """Let the bots answer, or be silent."""
        self._on = on

    async def _live(self) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stopped.set)
        tasks = [asyncio.create_task(self._one(one)) for one in self._runs]
        await stopped.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, served: Served) -> None:
        nick = f"bot-{served.technique.name}"
        async with session(served, nick, self._room) as bot:
            async for batch in bot.updates():
                for update in batch:
                    match update:
                        case Arrived(event) if event.kind == "sent" and self._on:
                            if not event.author.startswith("bot-"):
                                took = max(1.0, time.time() * 1000 - event.at)
                                bot.say(answer(f"{took:.0f}", served.technique))
                        case _:
                            pass
