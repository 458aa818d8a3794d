"""What the session's tests play on: a room in a list, and a client whose connection breaks when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from chat.client.session import Session
from chat.client.session_events import Arrived, DraftMoved, State, StateChanged, Update
from chat.domain.errors import ChatError, ConnectionLost
from chat.domain.model import Ack, Cursor, Draft, Event, Hello, Limits, Member, Say, Welcome
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient

U = TypeVar("U")
ADDRESS = Address("127.0.0.1", 1)


class FakeRoom:
    """What would be the server: a list of events, one seat a key, and the faults."""

    def __init__(self) -> None:
        self.epoch = "e1"
        self.events: list[Event] = []
        self.numbers: dict[tuple[str, int], int] = {}
        self.connections: list[FakeClient] = []
        self.greetings: list[Hello] = []
        self.received: list[Draft] = []
        """Every draft that came in, duplicates and refused ones included."""
        self.seat = "s1"
        self.limits = Limits(burst=0)
        self.refusals: list[ChatError] = []
        """Told to the next ones who connect, one each."""
        self.refuse_drafts: list[ChatError] = []
        """Told to the next drafts, one each."""
        self.deaf = False
        """Drafts get lost on their way in."""
        self.mute = False
        """What is accepted is not told: no ack, no event."""
        self.held_replay: asyncio.Event | None = None
        self.happen("opened")

    def happen(self, kind: str, author: str = "eve", seat: str = "s9", n: int = 0, text: str = "") -> Event:
        head = self.events[-1].seq if self.events else 0
        event = Event(kind, head + 1, head, 0, author, seat, "tcp", n, head + 1, text)  # type: ignore[arg-type]  # a kind
        self.events.append(event)
        if not self.mute:
            for connection in self.connections:
                connection.queue.put_nowait([event])
        return event

    async def dial(self) -> ChatClient:
        return FakeClient(self)

    def cut(self, reason: ChatError | None = None) -> None:
        """Break every connection."""
        for connection in list(self.connections):
            connection.broken(reason or ConnectionLost("the cable is out"))

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.events if event.kind == "sent"]


class FakeClient(ChatClient):
    def __init__(self, room: FakeRoom) -> None:
        super().__init__(ADDRESS)
        self.room = room
        self.queue: asyncio.Queue[list[Event] | ChatError | None] = asyncio.Queue()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.left = False
        self.closed = False

    async def connect(self, hello: Hello) -> Welcome:
        room = self.room
        room.greetings.append(hello)
        if room.refusals:
            raise room.refusals.pop(0)
        room.connections.append(self)
        cursor = hello.cursor or Cursor(0)
        self.replay = [event for event in room.events if event.seq > cursor.seq]
        head = room.events[-1].seq
        n = max((n for seat, n in room.numbers if seat == room.seat), default=0)
        members = (Member(room.seat, hello.nick, "tcp"),)
        key = f"key of {room.seat}"
        return Welcome("lab", hello.nick, room.seat, key, room.epoch, 1, head, n, members, room.limits)

    async def events(self) -> AsyncIterator[list[Event]]:
        if self.room.held_replay is not None:
            await self.room.held_replay.wait()
        yield self.replay
        while (item := await self.queue.get()) is not None:
            if isinstance(item, ChatError):
                raise item
            yield item

    async def send(self, draft: Draft) -> Ack:
        room = self.room
        if self.gone.done():
            raise ConnectionLost("gone")
        if not room.deaf:
            room.received.append(draft)
            if room.refuse_drafts:
                raise room.refuse_drafts.pop(0)
            key = (room.seat, draft.n)
            if key not in room.numbers:
                text = draft.text if isinstance(draft, Say) else ""
                room.numbers[key] = room.happen("sent", "ann", room.seat, draft.n, text).seq
            if not room.mute:
                return Ack(draft.n, room.numbers[key])
        await self.gone
        raise ConnectionLost("gone")

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        return [event for event in self.room.events if before is None or event.seq < before][-limit:]

    async def members(self) -> list[Member]:
        return []

    async def ping(self) -> float:
        return 0.001

    async def close(self, *, leave: bool = True) -> None:
        self.left = self.left or leave
        self.closed = True
        if self in self.room.connections:
            self.room.connections.remove(self)
        if not self.gone.done():
            self.gone.set_result(None)
        self.queue.put_nowait(None)

    def broken(self, reason: ChatError) -> None:
        self.room.connections.remove(self)
        self.gone.set_result(None)
        self.queue.put_nowait(reason)


class Watch:
    """Consumes a session's updates and keeps them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.seen: list[Update] = []
        self._news = asyncio.Event()

    async def run(self) -> None:
        async for batch in self.session.updates():
            self.seen += batch
            self._news.set()
        self._news.set()

    def all(self, kind: type[U]) -> list[U]:
        return [update for update in self.seen if isinstance(update, kind)]

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def state(self, name: str) -> State:
        """Wait until the newest state is this one."""
        await self.until(lambda: self.states and self.states[-1].name == name)
        return self.states[-1]

    @property
    def states(self) -> list[State]:
        return [update.state for update in self.all(StateChanged)]

    @property
    def texts(self) -> list[str]:
        return [update.event.text for update in self.all(Arrived) if update.event.kind == "sent"]

    def phases(self, draft: int) -> list[str]:
        return [update.phase for update in self.all(DraftMoved) if update.draft == draft]


@asynccontextmanager
async def talking(room: FakeRoom, nick: str = "ann", **options: Any) -> AsyncIterator[tuple[Session, Watch]]:
    session = Session(
        room.dial, Hello("lab", nick, **options.pop("hello", {})), jitter=lambda: 0.5, **options
    )
    watch = Watch(session)
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.run())
        async with session:
            yield session, watch
