"""The session: it talks, takes another name where that is wanted, gives up when told to, and ends."""

from __future__ import annotations

import asyncio

import pytest

from chat.client.session import Session
from chat.client.session_events import Arrived, Entered, Noticed, Reconnected, StateChanged
from chat.domain.errors import (
    AccessDenied,
    BadText,
    ChatError,
    ConnectionLost,
    NickTaken,
    NotStored,
    SeatTaken,
    TooFast,
)
from chat.domain.model import Hello, Limits, Welcome
from tests.support.fake_client import FakeClient, FakeRoom, Watch, talking
from tests.support.stage import Clock, settle

# --- talking -------------------------------------------------------------------------------------


async def test_who_comes_in_gets_the_replay_and_is_up(room: FakeRoom) -> None:
    room.happen("sent", text="before")
    async with talking(room) as (session, watch):
        await watch.until(lambda: watch.texts)
        assert [state.name for state in watch.states] == ["connecting", "up"]
        assert (session.nick, session.seat, watch.states[-1].address) == ("ann", "s1", "127.0.0.1:1")
        assert [update.welcome.head for update in watch.all(Entered)] == [2]


async def test_what_a_client_says_of_its_connection_is_told_also_before_it_is_connected(
    room: FakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = FakeClient.connect

    async def slow(client: FakeClient, hello: Hello) -> Welcome:
        client.on_notice("this takes longer")
        await watch.until(lambda: watch.all(Noticed))
        return await connect(client, hello)

    monkeypatch.setattr(FakeClient, "connect", slow)
    async with talking(room) as (_, watch):
        await watch.until(lambda: watch.all(Entered))
        assert [update.text for update in watch.all(Noticed)] == ["this takes longer"]


async def test_an_own_message_comes_back_with_its_token_and_its_time(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        room.happen("sent", text="somebody else's")
        token = session.say("hello")
        await watch.until(lambda: "hello" in watch.texts)
        mine = {update.event.text: update for update in watch.all(Arrived)}
        assert mine["hello"].draft == token
        assert mine["hello"].took is not None
        assert (mine["somebody else's"].draft, mine["somebody else's"].took) == (0, None)
        assert session.pending == 0


async def test_what_was_said_before_the_connection_stood_is_sent_in_order(room: FakeRoom) -> None:
    async with talking(room) as (session, _watch):
        for i in range(5):
            session.say(f"m{i}")
        await session.settled()
    assert room.texts == [f"m{i}" for i in range(5)]


async def test_numbers_go_on_where_the_seat_was(room: FakeRoom) -> None:
    room.numbers["s1", 41] = 1
    async with talking(room) as (session, _):
        session.say("hello")
        await session.settled()
    assert [draft.n for draft in room.received] == [42]


async def test_members_follow_the_events(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        room.happen("joined", "bob", "s2")
        last = room.happen("joined", "cat", "s3")
        await watch.until(lambda: session.cursor and session.cursor.seq == last.seq)
        assert [member.nick for member in session.members.values()] == ["ann", "bob", "cat"]
        room.happen("left", "bob", "s2")
        await watch.until(lambda: len(session.members) == 2)


async def test_events_that_were_seen_are_dropped(room: FakeRoom) -> None:
    async with talking(room) as (_, watch):
        await watch.state("up")
        event = room.happen("sent", text="once")
        room.connections[0].queue.put_nowait([event])
        room.happen("sent", text="end")
        await watch.until(lambda: "end" in watch.texts)
        assert watch.texts == ["once", "end"]


async def test_a_refused_draft_fails_with_the_reason_and_is_not_sent_again(room: FakeRoom) -> None:
    room.refuse_drafts = [BadText("too long")]
    async with talking(room) as (session, watch):
        token = session.say("x")
        await session.settled()
        room.cut()
        session.retry_now()
        await watch.until(lambda: len(watch.all(Entered)) == 2)
        await watch.until(lambda: watch.phases(token)[-1] == "failed")
    assert len(room.received) == 1


async def test_a_draft_that_came_too_fast_waits_and_is_sent_again(room: FakeRoom, clock: Clock) -> None:
    room.refuse_drafts = [TooFast("too fast", retry_after=30)]
    async with talking(room, clock=asyncio.get_running_loop().time) as (session, watch):
        token = session.say("x")
        await watch.until(lambda: watch.phases(token)[-1:] == ["waiting"])
        await clock.advance(29)
        assert len(room.received) == 1
        await clock.advance(2)
        await session.settled()
        assert [draft.n for draft in room.received] == [1, 1]


async def test_what_slow_mode_has_refused_is_sent_as_soon_as_slow_mode_is_over(
    room: FakeRoom, clock: Clock
) -> None:
    room.refuse_drafts = [TooFast("slow mode", retry_after=600)]
    async with talking(room, clock=asyncio.get_running_loop().time) as (session, watch):
        token = session.say("x")
        await watch.until(lambda: watch.phases(token)[-1:] == ["waiting"])
        await clock.advance(2)
        room.happen("sent", text="/class slow 0")
        await session.settled()
    assert room.texts == ["/class slow 0", "x"]


async def test_nothing_overtakes_a_draft_that_waits_for_another_try(room: FakeRoom, clock: Clock) -> None:
    room.refuse_drafts = [NotStored("the disk is full", retry_after=30)]
    async with talking(room, clock=asyncio.get_running_loop().time) as (session, watch):
        await watch.state("up")
        first = session.say("first")
        await watch.until(lambda: watch.phases(first)[-1:] == ["waiting"])
        session.say("second")
        await clock.advance(29)
        assert room.texts == []
        await clock.advance(2)
        await session.settled()
    assert room.texts == ["first", "second"]


async def test_none_of_a_burst_overtakes_a_draft_that_is_refused_again(room: FakeRoom, clock: Clock) -> None:
    room.refuse_drafts = [NotStored("the broker is away", retry_after=1)] * 4
    async with talking(room, clock=asyncio.get_running_loop().time) as (session, watch):
        await watch.state("up")
        tokens = [session.say(text) for text in ("first", "second", "third")]
        for _ in range(3):
            await watch.until(lambda: all(watch.phases(token)[-1:] != ["sending"] for token in tokens))
            await clock.advance(1.1)
        await session.settled()
    assert room.texts == ["first", "second", "third"]


async def test_what_is_on_the_wire_at_the_end_is_not_called_refused(room: FakeRoom) -> None:
    room.mute = True
    async with talking(room) as (session, watch):
        await watch.state("up")
        token = session.say("did it arrive?")
        await watch.until(lambda: watch.phases(token)[-1:] == ["sending"])
        room.cut(SeatTaken("another connection has taken this seat over"))
        await watch.state("down")
        assert watch.phases(token)[-1] == "unconfirmed"


async def test_the_session_keeps_below_the_servers_rate(room: FakeRoom, clock: Clock) -> None:
    room.limits = Limits(burst=10, rate=1.0)
    async with talking(room, clock=asyncio.get_running_loop().time) as (session, watch):
        tokens = [session.say(f"m{i}") for i in range(20)]
        await watch.until(lambda: watch.phases(tokens[9])[-1:] == ["waiting"])
        assert len(room.received) == 9
        await clock.advance(5)
        assert len(room.received) <= 9 + 5
        while session.pending:
            await clock.advance(2)
    assert room.texts == [f"m{i}" for i in range(20)]


# --- names and refusals --------------------------------------------------------------------------


async def test_a_taken_name_becomes_the_next_one_where_that_is_wanted(room: FakeRoom) -> None:
    room.refusals = [NickTaken("taken"), NickTaken("taken", retry_after=9)]
    async with talking(room, other_nicks=True) as (session, watch):
        await watch.state("up")
        assert session.nick == "ann-3"
    assert [hello.nick for hello in room.greetings] == ["ann", "ann-2", "ann-3"]


async def test_a_taken_name_ends_the_session_where_it_was_asked_for(room: FakeRoom) -> None:
    room.refusals = [NickTaken("ann is taken")]
    async with talking(room) as (session, watch):
        assert (await watch.state("down")).reason == "ann is taken"
        assert isinstance(session.outcome, NickTaken)


async def test_a_name_whose_owner_is_away_is_waited_for(room: FakeRoom, clock: Clock) -> None:
    room.refusals = [NickTaken("away", retry_after=12.0)]
    async with talking(room) as (_, watch):
        assert (await watch.state("retrying")).retry_in == pytest.approx(12.1)
        await clock.advance(12.2)
        await watch.state("up")


@pytest.mark.parametrize("refusal", [AccessDenied("no"), SeatTaken("taken over")])
async def test_what_would_be_refused_again_ends_the_session(room: FakeRoom, refusal: ChatError) -> None:
    room.refusals = [refusal]
    async with talking(room) as (session, watch):
        await watch.state("down")
        assert session.outcome is refusal
    assert len(room.greetings) == 1


async def test_a_seat_that_another_connection_took_over_is_not_fought_for(room: FakeRoom) -> None:
    async with talking(room) as (_, watch):
        await watch.state("up")
        room.cut(SeatTaken("another connection has taken this seat over"))
        await watch.state("down")
    assert len(room.greetings) == 1


async def test_it_gives_up_when_told_to_and_not_before(room: FakeRoom, clock: Clock) -> None:
    room.refusals = [ConnectionLost("nothing listens")] * 1000
    async with talking(room, give_up=10.0, clock=asyncio.get_running_loop().time) as (session, watch):
        for _ in range(9):
            await watch.state("retrying")
            await clock.advance(1)
        assert session.outcome is None
        while session.outcome is None:
            await clock.advance(1)
        assert (await watch.state("down")).reason == "nothing listens"


# --- ending --------------------------------------------------------------------------------------


async def test_who_has_closed_is_not_connected(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        await watch.state("up")
        assert session.connected
    assert not session.connected


@pytest.mark.parametrize("leave", [True, False])
async def test_closing_ends_the_connection_and_if_wanted_the_seat(room: FakeRoom, leave: bool) -> None:
    async with talking(room) as (session, watch):
        await watch.state("up")
        (client,) = room.connections
        await session.close(leave=leave)
    assert (client.closed, client.left) == (True, leave)


async def test_who_closes_while_the_hello_is_under_way_gives_the_seat_back(
    room: FakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, answer = FakeClient.connect, asyncio.Event()

    async def slow(client: FakeClient, hello: Hello) -> Welcome:
        welcome = await connect(client, hello)
        await answer.wait()
        return welcome

    monkeypatch.setattr(FakeClient, "connect", slow)
    async with talking(room) as (session, _):
        await settle()
        (client,) = room.connections
        closing = asyncio.create_task(session.close())
        await settle()
        answer.set()
        await closing
    assert (client.closed, client.left) == (True, True)


async def test_who_closes_waits_only_so_long_for_the_answer_to_the_hello(
    room: FakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, never = FakeClient.connect, asyncio.Event()

    async def unanswered(client: FakeClient, hello: Hello) -> Welcome:
        await connect(client, hello)
        await never.wait()
        raise AssertionError

    monkeypatch.setattr(FakeClient, "connect", unanswered)
    monkeypatch.setattr("chat.client.session.ENTERING", 0.01)
    async with talking(room):
        await settle()
        (client,) = room.connections
    assert (client.closed, client.left) == (True, False)


async def test_closing_while_it_waits_for_the_next_try_ends_at_once(room: FakeRoom) -> None:
    room.refusals = [ConnectionLost("nothing listens")] * 100
    async with talking(room) as (_, watch):
        await watch.state("retrying")
    assert len(room.greetings) == 1


async def test_updates_end_after_the_last_one(room: FakeRoom) -> None:
    async with talking(room) as (_, watch):
        await watch.state("up")
        room.happen("sent", text="last")
        await watch.until(lambda: watch.texts)
    assert watch.texts == ["last"]  # and the watch has ended, or we would not be here


async def test_updates_that_nobody_takes_do_not_pile_up(
    room: FakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.client.update_queue.BACKLOG", 20)
    session = Session(room.dial, Hello("lab", "ann"))
    async with session:
        await settle()
        for i in range(500):
            room.happen("sent", text=f"m{i}")
        await settle()
        assert len(session._updates) == 20
        watch = Watch(session)
        consumer = asyncio.create_task(watch.run())
        await watch.until(lambda: len(watch.texts) == 500)
    await consumer
    assert watch.texts == [f"m{i}" for i in range(500)]


async def test_notices_that_nobody_takes_do_not_pile_up(
    room: FakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.client.update_queue.BACKLOG", 20)
    monkeypatch.setattr("chat.client.update_queue.MAX_NOTICES", 30)
    connect = FakeClient.connect

    async def hasty(client: FakeClient, hello: Hello) -> Welcome:
        for i in range(500):
            client.on_notice(f"n{i}")
        return await connect(client, hello)

    monkeypatch.setattr(FakeClient, "connect", hasty)
    async with talking(room) as (session, watch):
        await watch.until(lambda: watch.all(Entered))
        await settle()
        told = [update.text for update in watch.all(Noticed)]
    assert told[:30] == [f"n{i}" for i in range(30)]
    assert told[30:] == ["470 more notices were left out: they came too fast"]
    assert not session._updates.coming


async def test_who_stops_waiting_for_updates_and_begins_again_misses_none(room: FakeRoom) -> None:
    async with Session(room.dial, Hello("lab", "ann")) as session:
        first = Watch(session)
        impatient = asyncio.create_task(first.run())
        await first.state("up")
        await settle()
        impatient.cancel()
        await asyncio.wait([impatient])
        second = Watch(session)
        patient = asyncio.create_task(second.run())
        for i in range(3):
            room.happen("sent", text=f"m{i}")
        await second.until(lambda: "m2" in second.texts)
        assert second.texts == ["m0", "m1", "m2"]
    await patient


async def test_older_events_can_be_asked_for_while_connected_only(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        await watch.state("up")
        assert [event.seq for event in await session.history(before=2, limit=9)] == [1]
    with pytest.raises(ConnectionLost):
        await session.history(before=2, limit=9)


async def test_redialling_keeps_seat_drafts_and_cursor_and_tells_nothing(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        await watch.until(lambda: watch.all(Entered))
        first = room.connections[-1]
        room.mute = room.deaf = True
        session.say("under way")
        await settle()
        room.mute = room.deaf = False
        session.redial()
        await watch.until(lambda: "under way" in watch.texts)
        assert room.connections[-1] is not first
        assert [event.text for event in room.events].count("under way") == 1
        assert not watch.all(Reconnected)
        assert "retrying" not in [update.state.name for update in watch.all(StateChanged)]
        room.cut()
        await watch.until(lambda: watch.all(Reconnected))
