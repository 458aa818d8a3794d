"""The session across breaks: whatever the connection does, nothing is lost and nothing is said twice."""

from __future__ import annotations

import asyncio

import pytest

import chat.client.measure
from chat.client.session_events import Arrived, Entered, Measured, Reconnected, StartedOver
from chat.domain.errors import Closing, ConnectionLost, SeatGone, StaleCursor
from chat.domain.model import Cursor, Hello, Welcome
from chat.domain.seat_key import new_seat_key
from tests.support.fake_client import FakeClient, FakeRoom, talking
from tests.support.stage import Clock, settle

# --- losing the connection -----------------------------------------------------------------------


async def test_after_a_break_it_comes_back_with_its_cursor_and_its_seat(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        seen = room.happen("sent", text="seen")
        await watch.until(lambda: watch.texts)
        room.cut()
        await watch.state("retrying")
        room.happen("sent", text="missed")
        session.retry_now()
        await watch.until(lambda: "missed" in watch.texts)
    assert watch.texts == ["seen", "missed"]
    assert room.greetings[1].cursor == Cursor(seen.seq, "e1")
    assert room.greetings[1].seat_key == "key of s1"


async def test_until_the_first_welcome_it_asks_with_the_same_key_that_it_made_up(room: FakeRoom) -> None:
    room.refusals = [ConnectionLost("the welcome was lost")]
    async with talking(room) as (session, watch):
        await watch.state("retrying")
        session.retry_now()
        await watch.state("up")
    lost, again = (greeting.seat_key for greeting in room.greetings)
    assert lost == again
    assert len(again) == len(new_seat_key())


async def test_it_tells_how_long_the_server_was_away_and_how_much_waited(
    room: FakeRoom, clock: Clock
) -> None:
    async with talking(room, clock=asyncio.get_running_loop().time) as (session, watch):
        await watch.state("up")
        room.refusals = [ConnectionLost("nothing listens")] * 2
        room.cut()
        await watch.state("retrying")
        for text in ("one", "two"):
            session.say(text)
        while len(watch.all(Entered)) < 2:
            await clock.advance(0.1)
            await settle()
        (told,) = watch.all(Reconnected)
        assert 1.4 <= told.seconds < 2
        assert (told.waiting, told.server_away, told.new_seat) == (2, True, False)
        assert told.text == f"the server was away for {told.seconds:.1f} s, 2 lines waited"


async def test_it_tells_that_a_seat_has_ended_meanwhile(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        await watch.state("up")
        room.seat = "s2"
        room.cut(SeatGone("no seat has this key"))
        session.retry_now()
        await watch.until(lambda: watch.all(Reconnected))
        (told,) = watch.all(Reconnected)
        assert told.text.startswith("there was no connection for 0.")
        assert told.text.endswith(" s; your seat had ended, and you have a new one")


async def test_what_a_connection_has_counted_is_handed_to_the_next(
    room: FakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients: list[FakeClient] = []
    connect = FakeClient.connect

    async def keep(client: FakeClient, hello: Hello) -> Welcome:
        clients.append(client)
        return await connect(client, hello)

    monkeypatch.setattr(FakeClient, "connect", keep)
    monkeypatch.setattr(FakeClient, "counted", lambda client: {"polls": 21, "empty": 14})
    async with talking(room) as (session, watch):
        await watch.state("up")
        room.cut()
        session.retry_now()
        await watch.until(lambda: len(watch.all(Entered)) == 2)
    assert [client.counts() for client in clients] == [
        {"polls": 21, "empty": 14},
        {"polls": 42, "empty": 28},
    ]


async def test_it_waits_longer_after_each_failure_and_begins_anew_after_a_success(room: FakeRoom) -> None:
    room.refusals = [ConnectionLost("nothing listens")] * 7
    async with talking(room) as (session, watch):
        delays = []
        for count in range(1, 8):
            await watch.until(lambda count=count: [s.name for s in watch.states].count("retrying") == count)  # type: ignore[misc]  # bound
            delays.append(watch.states[-1].retry_in)
            session.retry_now()
        assert delays == [0.2, 0.4, 0.8, 1.6, 3.0, 3.0, 3.0]
        assert watch.states[-1].reason == "nothing listens"
        await watch.state("up")
        room.cut()
        assert (await watch.state("retrying")).retry_in == 0.2


async def test_it_tries_again_when_the_time_has_come(room: FakeRoom, clock: Clock) -> None:
    room.refusals = [ConnectionLost("nothing listens")]
    async with talking(room) as (_, watch):
        state = await watch.state("retrying")
        await clock.advance(state.retry_in + 0.01)
        await watch.state("up")


async def test_a_server_that_says_when_to_come_back_is_believed(room: FakeRoom) -> None:
    room.refusals = [Closing("going down", retry_after=7.0)]
    async with talking(room) as (_, watch):
        assert (await watch.state("retrying")).retry_in == pytest.approx(7.1)


async def test_a_peer_that_answers_no_ping_is_given_up(
    room: FakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_answer(self: FakeClient) -> float:
        await asyncio.Event().wait()
        return 0.0

    monkeypatch.setattr(FakeClient, "ping", no_answer)
    monkeypatch.setattr(chat.client.measure, "PING_TIMEOUT", 0.0)
    async with talking(room) as (_, watch):
        state = await watch.state("retrying")
        assert "has not answered" in state.reason


async def test_round_trips_are_told(room: FakeRoom) -> None:
    async with talking(room) as (_, watch):
        await watch.until(lambda: watch.all(Measured))
        assert watch.all(Measured)[0].rtt == 0.001


# --- the outbox across a break -------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
async def test_a_draft_that_got_lost_is_sent_again_with_its_number(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        room.deaf = True
        token = session.say("hello")
        await watch.until(lambda: watch.phases(token)[-1:] == ["sending"])
        room.deaf = False
        room.cut()
        await session.settled()
        await watch.until(lambda: watch.texts)
        assert watch.all(Arrived)[-1].draft == token
    assert [draft.n for draft in room.received] == [1]


@pytest.mark.usefixtures("at_once")
async def test_a_draft_whose_answer_got_lost_is_not_said_twice(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        room.mute = True
        token = session.say("hello")
        await watch.until(lambda: watch.phases(token)[-1:] == ["sending"])
        await settle()
        room.mute = False
        room.cut()
        await session.settled()
        await watch.until(lambda: watch.texts)
        assert watch.all(Arrived)[-1].draft == token  # the replay has shown it
    assert room.texts == watch.texts == ["hello"]
    assert len(room.received) == 1


@pytest.mark.usefixtures("at_once")
async def test_a_lost_answer_is_found_in_the_replay_even_when_the_seat_has_ended(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        room.mute = True
        session.say("hello")
        await watch.until(lambda: watch.phases(1)[-1:] == ["sending"])
        await settle()
        room.mute, room.seat = False, "s2"  # away for longer than the grace time
        room.cut()
        await session.settled()
        session.say("again")
        await session.settled()
    assert room.texts == ["hello", "again"]


@pytest.mark.usefixtures("at_once")
async def test_nothing_is_sent_again_before_the_replay_has_reached_the_head(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        room.deaf = True
        session.say("hello")
        await watch.until(lambda: watch.phases(1)[-1:] == ["sending"])
        room.mute = True
        room.happen("sent", text="missed")
        room.deaf, room.mute, room.held_replay = False, False, asyncio.Event()
        room.cut()
        await watch.until(lambda: len(watch.all(Entered)) == 2)
        await settle()
        assert room.received == []
        room.held_replay.set()
        await session.settled()
    assert watch.texts == ["missed", "hello"]


@pytest.mark.usefixtures("at_once")
async def test_a_break_before_the_first_event_does_not_ask_for_the_whole_log(room: FakeRoom) -> None:
    room.held_replay = asyncio.Event()
    async with talking(room) as (_, watch):
        await watch.state("up")
        room.connections[0].replay = []  # nothing of it got through
        room.cut()
        room.held_replay.set()
        await watch.until(lambda: len(room.greetings) == 2)
        assert [hello.cursor for hello in room.greetings] == [None, None]


@pytest.mark.usefixtures("at_once")
async def test_drafts_keep_their_order_across_a_break(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        await watch.state("up")
        for i in range(10):
            session.say(f"m{i}")
            if i == 3:
                await watch.until(lambda: "m3" in watch.texts)
                room.deaf = True
            if i == 6:
                await watch.until(lambda: watch.phases(7)[-1:] == ["sending"])
        room.deaf = False
        room.cut()
        await session.settled()
    assert room.texts == [f"m{i}" for i in range(10)]


@pytest.mark.usefixtures("at_once")
async def test_a_technique_that_resends_nothing_says_what_it_does_not_know(room: FakeRoom) -> None:
    async with talking(room, resend=False) as (session, watch):
        room.deaf = True
        session.say("lost")
        await watch.until(lambda: watch.phases(1)[-1:] == ["sending"])
        room.deaf = False
        room.cut()
        await session.settled()
        await watch.until(lambda: watch.phases(1)[-1:] == ["unconfirmed"])
        session.say("next")
        await session.settled()
    assert room.texts == ["next"]


# --- another log ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
async def test_a_log_that_is_another_one_is_started_over_and_said(room: FakeRoom) -> None:
    async with talking(room) as (_, watch):
        room.happen("sent", text="old")
        await watch.until(lambda: watch.texts)
        room.epoch, room.events, room.refusals = "e2", [], [StaleCursor("another log")]
        room.happen("opened")
        room.cut()
        await watch.until(lambda: len(watch.all(Entered)) == 2)
        room.happen("sent", text="new")
        await watch.until(lambda: "new" in watch.texts)
        assert [update.reason for update in watch.all(StartedOver)] == ["another log"]
    assert room.greetings[2].cursor is None


@pytest.mark.usefixtures("at_once")
async def test_a_change_of_a_message_is_not_made_in_another_log(room: FakeRoom) -> None:
    async with talking(room) as (session, watch):
        await watch.state("up")
        room.deaf = True
        message, change, removal = session.say("hello"), session.edit(1, "x"), session.delete(1)
        await watch.until(lambda: watch.phases(removal)[-1:] == ["sending"])
        room.deaf = False
        room.epoch, room.events, room.refusals = "e2", [], [StaleCursor("another log")]
        room.happen("opened")
        room.cut()
        await session.settled()
        await watch.until(lambda: watch.phases(change)[-1] == watch.phases(removal)[-1] == "failed")
        assert watch.phases(message)[-1] != "failed"
    assert room.texts == ["hello"]
