"""A room that a test writes itself, a client that talks to it, and the screen as text.

The TUI's tests are about the screen, not about a connection: `Desk` plays the room and everybody in
it, behind a real `Session`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.style import Style
from textual.pilot import Pilot

from chat.client.connect import Detour
from chat.client.session import Session
from chat.domain.errors import ChatError, ConnectionLost
from chat.domain.model import Ack, Draft, Event, Hello, Limits, Member, MissingEvents, Say, Welcome
from chat.domain.model import Delete as DeleteDraft
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from tui.app import ChatApp
from tui.opening import Choice
from tui.screens.chat import ChatScreen
from tui.widgets.status_bar import StatusBar

GOLDENS = Path(__file__).parents[1] / "tui" / "goldens"
START = datetime(2026, 11, 23, 12, 55, tzinfo=UTC).timestamp()

Running = Pilot[None]


class Desk:
    """The room as the test wants it: who is there, what they say, how the connection behaves."""

    def __init__(self, nick: str = "ann", limits: Limits | None = None) -> None:
        self.nick = nick
        self.limits = limits or Limits()
        self.epoch = "epoch-1"
        self.first = 1
        self.log: list[Event] = []
        self.members = {nick: Member(f"seat-{nick}", nick, "tcp")}
        self.time = START
        """Seconds since the epoch, for the log and for the screen; each event takes 20."""
        self.clock = 0.0
        """The session's clock; an own message takes `takes`."""
        self.takes = 0.0012
        self.hold = False
        """Keep what the user sends, so that it stays unanswered, until `release`."""
        self.address = Address("127.0.0.1", 7010)
        """Where its clients say that they are connected to."""
        self.resend = True
        self.refusal: ChatError | None = None
        """Answers the next draft."""
        self.away: ChatError | None = None
        """Refuses connections."""
        self.rooms: list[str] = []
        """The rooms that the server tells."""
        self.activity = ""
        self.notices: list[str] = []
        self.stale: ChatError | None = None
        """Answers the next hello, once."""
        self.hellos: list[Hello] = []
        self.held: list[tuple[Draft, asyncio.Future[Ack]]] = []
        self.sessions: list[Session] = []
        self._clients: list[DeskClient] = []

    # --- what others do ------------------------------------------------------------------------

    def joins(self, nick: str, technique: str = "tcp") -> Event:
        self.members[nick] = Member(f"seat-{nick}", nick, technique)
        return self._happens("joined", nick)

    def leaves(self, nick: str) -> Event:
        event = self._happens("left", nick)
        del self.members[nick]
        return event

    def says(self, nick: str, text: str) -> Event:
        if nick not in self.members:
            self.members[nick] = Member(f"seat-{nick}", nick, "tcp")
        return self._happens("sent", nick, text=text)

    def edits(self, event: Event, text: str) -> Event:
        return self._happens("edited", event.author, text=text, id=event.id)

    def deletes(self, event: Event) -> Event:
        return self._happens("deleted", event.author, id=event.id)

    def opens(self) -> Event:
        return self._happens("opened", "", text=self.epoch)

    def _happens(self, kind: Any, nick: str, **fields: Any) -> Event:
        seq = self.log[-1].seq + 1 if self.log else self.first
        prev = self.log[-1].seq if self.log else 0
        member = self.members.get(nick) or Member("", "", "")
        if kind == "sent":
            fields["id"] = seq
        self.time += 20
        event = Event(kind, seq, prev, round(self.time * 1000), nick, member.seat, member.technique, **fields)
        self.log.append(event)
        for client in self._clients:
            client.arriving.put_nowait(event)
        return event

    # --- what the connection does --------------------------------------------------------------

    def breaks(self, reason: str) -> None:
        for client in self._clients:
            client.arriving.put_nowait(ConnectionLost(reason))

    def ends(self, error: ChatError) -> None:
        for client in self._clients:
            client.arriving.put_nowait(error)

    def accept(self, draft: Draft) -> Ack:
        self.clock += self.takes
        fields: dict[str, Any] = {"n": draft.n}
        if isinstance(draft, Say):
            event = self._happens("sent", self.nick, text=draft.text, **fields)
        elif isinstance(draft, DeleteDraft):
            event = self._happens("deleted", self.nick, id=draft.id, **fields)
        else:
            event = self._happens("edited", self.nick, id=draft.id, text=draft.text, **fields)
        return Ack(draft.n, event.seq)

    def release(self) -> None:
        """Answer what was kept."""
        self.hold = False
        for draft, answer in self.held:
            answer.set_result(self.accept(draft))
        self.held.clear()

    # --- the client's side ---------------------------------------------------------------------

    def open_session(self, choice: Choice, detour: Detour | None = None) -> Session:
        session = Session(
            self._dial,
            Hello(choice.room, choice.nick or self.nick, choice.cursor),
            resend=self.resend,
            clock=lambda: self.clock,
            jitter=lambda: 0.5,
        )
        self.sessions.append(session)
        return session

    async def _dial(self) -> ChatClient:
        return DeskClient(self)

    def hinders(self, reason: str) -> None:
        """Let the clients say why no messages are taken; "": they are taken again."""
        for client in self._clients:
            client.on_hindered(reason)

    def enter(self, hello: Hello, client: DeskClient) -> Welcome:
        self.hellos.append(hello)
        if self.away is not None:
            raise self.away
        if (stale := self.stale) is not None:
            self.stale = None
            raise stale
        after = hello.cursor.seq if hello.cursor else 0
        for event in self.log[-self.limits.replay :]:
            if event.seq > after:
                client.arriving.put_nowait(event)
        self._clients = [client]
        return Welcome(
            hello.room,
            self.nick,
            f"seat-{self.nick}",
            "key",
            self.epoch,
            self.first,
            self.log[-1].seq if self.log else 0,
            0,
            tuple(self.members.values()),
            self.limits,
        )


class DeskClient(ChatClient):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.address)
        self.arriving: asyncio.Queue[Event | MissingEvents | ChatError | None] = asyncio.Queue()
        self._desk = desk

    async def connect(self, hello: Hello) -> Welcome:
        return self._desk.enter(hello, self)

    async def send(self, draft: Draft) -> Ack:
        desk = self._desk
        if (refusal := desk.refusal) is not None:
            desk.refusal = None
            raise refusal
        if desk.hold:
            answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
            desk.held.append((draft, answer))
            return await answer
        return desk.accept(draft)

    async def events(self) -> AsyncIterator[list[Event | MissingEvents]]:
        while True:
            batch: list[Event | MissingEvents] = []
            item = await self.arriving.get()
            while isinstance(item, Event | MissingEvents):
                batch.append(item)
                if self.arriving.empty():
                    break
                item = self.arriving.get_nowait()
            if batch:
                yield batch
            if isinstance(item, ChatError):
                raise item
            if item is None:
                return

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        assert before is not None
        return [event for event in self._desk.log if event.seq < before][-limit:]

    async def members(self) -> list[Member]:
        return list(self._desk.members.values())

    async def rooms(self) -> list[str]:
        return self._desk.rooms

    async def ping(self) -> float:
        return 0.0006

    async def close(self, *, leave: bool = True) -> None:
        self.arriving.put_nowait(None)

    def activity(self) -> str:
        return self._desk.activity

    def notices(self) -> list[str]:
        return self._desk.notices


# --- a running app -----------------------------------------------------------------------------


@asynccontextmanager
async def chatting(
    desk: Desk,
    size: tuple[int, int] = (80, 24),
    *,
    wait: bool = True,
    technique: str = "tcp",
    **options: Any,
) -> AsyncIterator[Running]:
    """Run the app in the desk's room; with ``wait`` begin when everything there is on the screen."""
    choice = Choice(technique, "lab", desk.nick)
    # In a thread, because it is made before the loop runs when it is not tested.
    app = await asyncio.to_thread(
        ChatApp, desk.open_session, choice, zone=UTC, now=lambda: desk.time, **options
    )
    async with app.run_test(size=size) as pilot:
        try:
            if wait:
                await caught_up(pilot, desk)
            yield pilot
        finally:
            app.rooms.linger = 0.01  # a desk that holds its answers gives none
            await app.action_quit()


def chat(pilot: Running) -> ChatScreen:
    """The chat screen, whatever lies above it."""
    return next(screen for screen in pilot.app.screen_stack if isinstance(screen, ChatScreen))


async def until(pilot: Running, true: Callable[[], object]) -> None:
    """Let the app go on until something is so; the test's own time limit ends a wait in vain."""
    while not true():
        await pilot.pause()
    await pilot.pause()


async def caught_up(pilot: Running, desk: Desk) -> None:
    """Wait until the newest event is on the screen, and the first ping in the status bar."""
    screen = chat(pilot)

    def there() -> bool:
        if screen.query_one(StatusBar).rtt is None:
            return False
        return not desk.log or screen.timeline.newest == desk.log[-1].seq

    await until(pilot, there)


async def write(pilot: Running, text: str, *keys: str) -> None:
    """Put a text into the composer as if typed, and press the keys, Enter if none are given."""
    chat(pilot).composer.insert(text)
    await pilot.pause()
    await pilot.press(*(keys or ("enter",)))
    await pilot.pause()


def lines(pilot: Running) -> list[str]:
    """The screen as lines of text, blanks at their ends cut off."""
    # The compositor is Textual's own affair; Textual is pinned, and this is the one place that asks it.
    return [strip.text.rstrip() for strip in pilot.app.screen._compositor.render_strips()]


def styles(pilot: Running, row: int) -> list[Style | None]:
    """The style of each cell of one line of the screen."""
    strip = list(pilot.app.screen._compositor.render_strips())[row]  # see `lines`
    return [style for piece, style, _ in strip for _ in range(cell_len(piece))]


def text(pilot: Running) -> str:
    return "\n".join(lines(pilot))


def line_with(pilot: Running, what: str) -> str:
    """The one line on the screen that holds ``what``."""
    found = [line for line in lines(pilot) if what in line]
    assert len(found) == 1, f"{len(found)} lines hold {what!r}:\n{text(pilot)}"
    return found[0]


def check_golden(pilot: Running, name: str) -> None:
    """Compare the screen with the kept one; UPDATE_GOLDENS=1 keeps this one instead."""
    path = GOLDENS / f"{name}.txt"
    screen = text(pilot) + "\n"
    if os.environ.get("UPDATE_GOLDENS"):
        path.write_text(screen, encoding="utf-8", newline="\n")
    kept = path.read_text(encoding="utf-8")
    assert screen == kept, f"the screen is not {path.name}; look at it, then make goldens\n{screen}"
