"""A session that goes on by another way: nothing is lost, doubled or loaded twice, or the old way stays."""

from __future__ import annotations

import asyncio

import pytest

from chat.client.session_events import Entered, Reconnected, Switched
from chat.client.way import Way
from chat.domain.errors import ConnectionLost, SeatTaken, StaleCursor
from chat.domain.model import Hello, Say, Welcome
from chat.interfaces.client import ChatClient
from tests.support.fake_client import FakeClient, FakeRoom, talking


class Takeover(FakeClient):
    """A client that takes the seat over, as a server lets it: the older connection ends."""

    async def connect(self, hello: Hello) -> Welcome:
        older = list(self.room.connections)
        welcome = await super().connect(hello)
        for connection in older:
            connection.broken(ConnectionLost("another connection has taken this seat over"))
        return welcome


def another(room: FakeRoom, *, resend: bool = True) -> Way:
    async def dial() -> ChatClient:
        return Takeover(room)

    return Way(dial, resend)


async def test_the_same_seat_goes_on_over_the_other_way_from_where_it_was(room: FakeRoom) -> None:
    room.happen("sent", text="before")
    async with talking(room) as (session, watch):
        await watch.until(lambda: "before" in watch.texts)
        await session.switch(another(room))
        await watch.until(lambda: watch.all(Switched) and session.connected)
        room.happen("sent", text="after")
        await watch.until(lambda: "after" in watch.texts)
        assert watch.texts == ["before", "after"]
        assert room.greetings[-1].seat_key == "key of s1"
        assert room.greetings[-1].cursor is not None
        assert room.greetings[-1].cursor.seq == 2
        assert [isinstance(client, Takeover) for client in room.connections] == [True]
        assert not watch.all(Reconnected)  # it was on purpose


async def test_a_new_connection_that_breaks_when_it_has_the_seat_does_not_end_the_session(
    room: FakeRoom,
) -> None:
    async with talking(room) as (session, watch):
        await watch.state("up")

        class Broken(FakeClient):
            async def connect(self, hello: Hello) -> Welcome:
                for older in list(room.connections):
                    older.broken(SeatTaken("another connection has taken this seat over"))
                while session._client is not None:  # noqa: ASYNC110 - no update tells of it
                    await asyncio.sleep(0)
                raise ConnectionLost("the cable is out")

        async def dial() -> ChatClient:
            return Broken(room)

        with pytest.raises(ConnectionLost, match="the cable is out"):
            await session.switch(Way(dial))
        await watch.state("retrying")
        session.retry_now()
        await watch.until(lambda: len(watch.all(Entered)) == 2)
        assert session.connected


@pytest.mark.parametrize("resend", [True, False], ids=["resend", "no resend"])
async def test_a_draft_without_an_answer_is_sent_again_under_its_number(room: FakeRoom, resend: bool) -> None:
    room.mute = True  # it is stored, and nobody says so
    async with talking(room, resend=not resend) as (session, watch):
        await watch.state("up")
        token = session.say("once")
        await watch.until(lambda: room.received)
        room.mute = False
        await session.switch(another(room, resend=resend))
        await session.settled()
        await watch.until(lambda: watch.texts)
        assert "unconfirmed" not in watch.phases(token)
    assert {draft.n for draft in room.received} == {1}
    assert room.texts == ["once"]


async def test_a_draft_that_the_seat_refused_because_it_has_moved_goes_the_other_way(room: FakeRoom) -> None:
    room.refuse_drafts = [SeatTaken("another connection has taken this seat over")]
    async with talking(room) as (session, watch):
        await watch.state("up")
        token = session.say("behind the move")
        await watch.until(lambda: room.received)
        await session.switch(another(room))
        await session.settled()
        assert "failed" not in watch.phases(token)
    assert {draft.n for draft in room.received} == {1}
    assert room.texts == ["behind the move"]


async def test_what_the_next_connection_breaks_is_again_the_technique_s_affair(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        await watch.state("up")
        await session.switch(another(room, resend=False))
        await watch.until(lambda: session.connected)
        room.deaf = True
        token = session.say("lost")
        await watch.until(lambda: watch.phases(token)[-1:] == ["sending"])
        room.cut()
        session.retry_now()
        await watch.until(lambda: watch.phases(token)[-1:] == ["unconfirmed"])


async def test_a_way_that_cannot_be_taken_leaves_the_old_one(room: FakeRoom) -> None:
    async def dial() -> ChatClient:
        raise ConnectionLost("nothing listens on 127.0.0.1:1")

    async with talking(room) as (session, watch):
        await watch.state("up")
        with pytest.raises(ConnectionLost, match="nothing listens"):
            await session.switch(Way(dial))
        session.say("still here")
        await session.settled()
        assert len(room.greetings) == 1
    assert not watch.all(Switched)
    assert room.texts == ["still here"]


async def test_a_room_of_the_same_name_in_another_log_is_not_the_same_room(room: FakeRoom) -> None:
    elsewhere = FakeRoom()
    elsewhere.epoch = "e2"
    async with talking(room) as (session, watch):
        await watch.state("up")
        with pytest.raises(StaleCursor, match="another log"):
            await session.switch(another(elsewhere))
        assert session.connected
        assert elsewhere.connections == []


async def test_a_session_that_waits_for_its_server_goes_on_at_once_by_another_way(room: FakeRoom) -> None:
    gone = False

    async def dial() -> ChatClient:
        if gone:
            raise ConnectionLost("nothing listens", retry_after=3600)
        return FakeClient(room)

    room.dial = dial  # type: ignore[method-assign]  # the way that is blocked
    async with talking(room) as (session, watch):
        await watch.state("up")
        gone = True
        room.cut()
        await watch.state("retrying")
        session.say("meanwhile")
        await session.switch(another(room))
        await session.settled()
        await watch.state("up")
    assert room.texts == ["meanwhile"]


async def test_many_switches_in_a_row_while_somebody_talks(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        await watch.state("up")
        for number in range(20):
            session.say(f"m{number}")
            await session.switch(another(room, resend=bool(number % 2)))
            await asyncio.sleep(0)
        await session.settled()
        await watch.until(lambda: len(watch.texts) == 20)
    assert room.texts == watch.texts == [f"m{number}" for number in range(20)]
    assert {draft.text for draft in room.received if isinstance(draft, Say)} == set(room.texts)
