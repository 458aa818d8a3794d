"""A client whose seat has ended while it was away, and one whose seat another connection has taken over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from chat.client.session import Session
from chat.client.session_events import Arrived, DraftMoved, Entered
from chat.domain.errors import ChatError, SeatGone
from chat.domain.model import Hello, Left
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from chat.interfaces.server import ServerOptions
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from chat.server.logs.memory import MemoryLog
from tests.support.kit import Connect, Serving
from tests.support.people import Person

MakeClient = Callable[[Address], ChatClient]


class Diary:
    """What a session has told."""

    def __init__(self) -> None:
        self.seats: list[str] = []
        self.texts: list[str] = []
        self.failed: list[str] = []
        self.news = asyncio.Event()

    async def keep(self, session: Session) -> None:
        async for batch in session.updates():
            for update in batch:
                if isinstance(update, Entered):
                    self.seats.append(update.welcome.seat)
                elif isinstance(update, Arrived) and update.event.kind == "sent":
                    self.texts.append(update.event.text)
                elif isinstance(update, DraftMoved) and update.phase in ("failed", "unconfirmed"):
                    self.failed.append(update.reason)
            self.news.set()

    async def until(self, condition: Callable[[Diary], object], session: Session) -> None:
        while not condition(self):
            assert session.outcome is None, f"the session ended: {session.outcome}"
            self.news.clear()
            await self.news.wait()


@asynccontextmanager
async def sleeper(
    technique: Technique, server: Serving, make_client: MakeClient
) -> AsyncIterator[tuple[Session, Diary]]:
    async def dial() -> ChatClient:
        return make_client(server.address)

    diary = Diary()
    session = Session(dial, Hello("lab", "sleeper"), resend=technique.traits.resend, jitter=lambda: -0.5)
    async with asyncio.TaskGroup() as group:
        group.create_task(diary.keep(session))
        async with session:
            yield session, diary


async def end_seat(hub: Hub, seat: str) -> None:
    """Write into the log that the owner of a seat was away for too long."""
    room = (await hub.look("lab", "")).room
    (member,) = [member for member in room.seats_by_node() if member.seat == seat]
    await room.decide(Left(seat, member.author, member.technique, member.node))


async def test_a_seat_that_ended_is_taken_anew_and_nothing_is_lost(
    technique: Technique, server: Serving, make_client: MakeClient, hub: Hub, ann: Person
) -> None:
    async with sleeper(technique, server, make_client) as (session, diary):
        await ann.sees("joined", "sleeper")
        session.say("good night")
        await session.settled()
        await end_seat(hub, session.seat)
        said = await ann.say("while you slept")
        session.say("good morning")
        await ann.knows(said.seq)
        await diary.until(lambda diary: len(diary.seats) == 2, session)
        await session.settled()
        await diary.until(lambda diary: len(diary.texts) == 3 or diary.failed, session)
    assert len({*diary.seats}) == 2
    if technique.traits.resend:
        assert (diary.texts, diary.failed) == (["good night", "while you slept", "good morning"], [])


async def test_the_end_of_a_seat_is_an_error_after_which_one_joins_again(hub: Hub, bob: Person) -> None:
    await end_seat(hub, bob.welcome.seat)
    reason = await bob.over
    assert isinstance(reason, ChatError)
    assert not reason.final, repr(reason)
    if isinstance(reason, SeatGone):
        assert "join again" in str(reason)


async def read(client: ChatClient) -> None:
    async for _ in client.events():
        pass


ASKED: dict[str, Callable[[ChatClient], Awaitable[object]]] = {
    "ping": lambda client: client.ping(),  # over soap and oncrpc it asks for no room
    "members": lambda client: client.members(),
    "history": lambda client: client.history(limit=1),
    "events": read,
}


async def test_a_server_that_has_forgotten_the_room_lets_one_join_again(
    technique: Technique, server: Serving, connect: Connect
) -> None:
    """It was started again with an empty log, while nobody asked it for anything."""
    if technique.server is None:
        pytest.skip("a broker keeps the room")
    people = {name: (await connect(name)).client for name in ASKED}
    await server.server.stop()
    hub = Hub(MemoryLog())
    await hub.start()
    again = technique.load_server()(hub, server.address, ServerOptions())
    await again.start()
    refused = {}
    for name, client in people.items():
        try:
            await ASKED[name](client)
        except ChatError as error:
            refused[name] = error
    await again.stop()
    await hub.stop()
    assert refused.keys() | {"ping"} == ASKED.keys()
    assert [error for error in refused.values() if error.final] == []
    assert not any("does not speak" in str(error) for error in refused.values())
