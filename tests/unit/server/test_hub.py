"""The hub: who is let in, what reaches whom, and what can be read again."""

from __future__ import annotations

import asyncio

import pytest

from chat.domain.errors import (
    AccessDenied,
    BadText,
    Full,
    NickTaken,
    NoSuchRoom,
    NotStored,
    SeatGone,
    StaleCursor,
    TooFast,
)
from chat.domain.model import Cursor, Delete, Event, Limits, Say
from chat.domain.seat_key import LONGEST as LONGEST_KEY
from chat.server.hub import UNREADY, Hub, _cached_seat_name
from chat.server.logs.memory import MemoryLog
from chat.server.seat import POLL_AWAY, POLL_GRACE, HubSeat
from chat.transport.polling import LONGEST
from tests.support.stage import GRACE, Clock, Disk, Peer, come_in, does, enter, running, says, settle

# --- coming in and talking -----------------------------------------------------------------------


async def test_the_welcome_tells_where_one_is(hub: Hub) -> None:
    await enter(hub, "bob")
    seat = await enter(hub, "ann")
    welcome = seat.welcome
    assert (welcome.room, welcome.nick, welcome.seat) == ("lab", "ann", seat.seat)
    assert (welcome.first, welcome.head, welcome.n, welcome.limits) == (1, 3, 0, hub.limits)
    assert [(member.nick, member.technique) for member in welcome.members] == [("bob", "tcp"), ("ann", "tcp")]


async def test_what_one_says_reaches_everybody_and_oneself(hub: Hub) -> None:
    (ann, at_ann), (_, at_bob) = await come_in(hub, "ann"), await come_in(hub, "bob")
    outcome = await says(ann, "hello")
    assert isinstance(outcome, Event)
    assert at_ann.got[-1] == at_bob.got[-1] == "sent ann hello"


async def test_rooms_hear_nothing_of_each_other(hub: Hub) -> None:
    (ann, _), (_, there) = await come_in(hub, "ann"), await come_in(hub, "ann", room="den")
    await says(ann, "hello")
    assert not [line for line in there.got if "hello" in line]


async def test_the_order_of_calls_is_the_order_of_the_room(hub: Hub) -> None:
    ann, peer = await come_in(hub)
    await asyncio.gather(*(says(ann, f"m{i}") for i in range(20)))
    assert peer.got[-20:] == [f"sent ann m{i}" for i in range(20)]


async def test_a_draft_without_a_number_gets_the_next_one(hub: Hub) -> None:
    ann = await enter(hub)
    await says(ann, "seven", 7)
    outcome = await says(ann, "eight")
    assert isinstance(outcome, Event)
    assert outcome.n == 8


async def test_without_a_cursor_the_newest_are_replayed(disk: Disk) -> None:
    async with running(disk, limits=Limits(replay=2)) as hub:
        ann = await enter(hub)
        await says(ann, "one")
        _, peer = await come_in(hub, "bob")
        assert peer.got == ["sent ann one", "joined bob"]


async def test_with_a_cursor_everything_after_it_is_replayed(hub: Hub) -> None:
    ann = await enter(hub)
    event = await says(ann, "one")
    assert isinstance(event, Event)
    await says(ann, "two")
    _, peer = await come_in(hub, "bob", cursor=Cursor(event.seq, ann.welcome.epoch))
    assert peer.got == ["sent ann two", "joined bob"]


async def test_a_replay_that_the_ring_does_not_hold_comes_from_the_log(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.domain.room_replica.RING_EVENTS", 3)
    ann = await enter(hub)
    for i in range(20):
        await says(ann, f"m{i}")
    _, peer = await come_in(hub, "bob", cursor=Cursor(0))
    await settle()
    assert [line.split()[-1] for line in peer.got[2:-1]] == [f"m{i}" for i in range(20)]


@pytest.mark.parametrize("cursor", [Cursor(1, "another"), Cursor(99)], ids=["epoch", "seq beyond the head"])
async def test_a_cursor_of_another_log_is_refused(hub: Hub, cursor: Cursor) -> None:
    await enter(hub)
    with pytest.raises(StaleCursor):
        await enter(hub, "bob", cursor=cursor)


# --- limits --------------------------------------------------------------------------------------


async def test_over_the_rate_a_draft_is_refused_until_it_is_welcome_again(disk: Disk, clock: Clock) -> None:
    async with running(disk, limits=Limits(burst=2, rate=0.5)) as hub:
        seat = await enter(hub)
        await says(seat, "one")
        await says(seat, "two")
        refusal = await says(seat, "three", 3)
        assert isinstance(refusal, TooFast)
        assert refusal.n == 3
        assert refusal.retry_after == pytest.approx(2, abs=0.1)
        await clock.advance(2)
        assert isinstance(await says(seat, "three", 3), Event)


async def test_without_a_burst_there_is_no_rate(disk: Disk) -> None:
    async with running(disk, limits=Limits(burst=0)) as hub:
        seat = await enter(hub)
        outcomes = await asyncio.gather(*(says(seat, f"m{i}") for i in range(200)))
        assert all(isinstance(outcome, Event) for outcome in outcomes)


async def test_a_text_that_is_not_allowed_is_refused_with_its_number(hub: Hub) -> None:
    refusal = await says(await enter(hub), "bell \a", 4)
    assert isinstance(refusal, BadText)
    assert refusal.n == 4
    assert "U+0007" in str(refusal)


@pytest.mark.parametrize("access", ["", "wrong", "\ud800"])
async def test_without_the_access_token_nobody_comes_in(disk: Disk, access: str) -> None:
    async with running(disk, access="secret") as hub:
        with pytest.raises(AccessDenied):
            await enter(hub, access=access)
        await enter(hub, access="secret")


async def test_a_server_takes_so_many_rooms_and_no_more(disk: Disk) -> None:
    async with running(disk, limits=Limits(rooms=2)) as hub:
        await enter(hub, room="one")
        await enter(hub, room="two")
        with pytest.raises(Full):
            await enter(hub, room="three")
        await enter(hub, "bob", room="one")


async def test_a_server_takes_so_many_seats_and_no_more(disk: Disk) -> None:
    async with running(disk, limits=Limits(seats=1)) as hub:
        seat = await enter(hub)
        with pytest.raises(Full):
            await enter(hub, "bob")
        seat.leave()
        await settle()
        await enter(hub, "bob")


# --- reading -------------------------------------------------------------------------------------


async def told(seat: HubSeat, **place: int | None) -> list[int]:
    window = {"after": None, "before": None, "limit": 100, **place}
    events = await seat.history(**window)  # type: ignore[arg-type]  # ints, as they should be
    return [event.seq for event in events]


@pytest.mark.parametrize("ring", [3, 1000], ids=["from the log", "from the ring"])
async def test_history_gives_pages_with_the_right_links(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, ring: int
) -> None:
    monkeypatch.setattr("chat.domain.room_replica.RING_EVENTS", ring)
    seat = await enter(hub)
    for i in range(6):
        # Twice in one go: the second one gets a seq too, and is refused: a hole.
        await asyncio.gather(says(seat, f"m{i}", i + 1), says(seat, f"m{i}", i + 1))
    assert await told(seat) == [1, 2, 3, 5, 7, 9, 11, 13]
    assert await told(seat, after=2, limit=2) == [3, 5]
    assert await told(seat, after=4, limit=2) == [5, 7]
    assert await told(seat, before=7, limit=2) == [3, 5]
    assert await told(seat, after=2, before=7) == [3, 5]
    assert await told(seat, after=13) == []
    assert await told(seat, before=1) == []
    assert len(await told(seat, limit=0)) == 1
    page = await seat.history(after=None, before=None, limit=3)
    assert [event.prev for event in page] == [7, 9, 11]


async def test_what_is_not_decided_yet_is_not_told(hub: Hub, disk: Disk) -> None:
    seat = await enter(hub)
    disk.slow = True
    seat.send(Say("soon"), lambda *_: None)
    await settle()
    assert await told(seat) == await told(seat, after=0, before=99) == [1, 2]
    disk.slow = False
    disk.catch_up()
    assert await told(seat) == [1, 2, 3]


async def test_a_poll_waits_for_the_next_event(hub: Hub) -> None:
    seat, other = await enter(hub), await enter(hub, "bob")
    poll = asyncio.create_task(seat.read(other.welcome.head, 10, wait=3600))
    await settle()
    assert not poll.done()
    await says(other, "hello")
    assert [event.text for event in await poll] == ["hello"]


async def test_a_poll_does_not_wait_when_there_is_something(hub: Hub) -> None:
    seat = await enter(hub)
    assert [event.kind for event in await seat.read(0, 10, wait=3600)] == ["opened", "joined"]


async def test_who_polls_is_there_a_while_longer(hub: Hub, clock: Clock) -> None:
    seat = await enter(hub)
    await seat.read(0, 10, wait=0)
    await clock.advance(POLL_GRACE * GRACE - 1)
    assert not seat.ended
    await clock.advance(2)
    assert seat.ended


async def refusal(hub: Hub) -> NickTaken:
    """Return why nobody else may be ann."""
    with pytest.raises(NickTaken) as refused:
        await enter(hub)
    return refused.value


async def test_who_polls_is_not_away_between_polls(hub: Hub, clock: Clock) -> None:
    seat = await enter(hub)
    assert (await refusal(hub)).retry_after is None, "it has just joined"
    for interval in (1, LONGEST, LONGEST):
        hub.find_seat(seat.key)
        await clock.advance(interval)
        taken = await refusal(hub)
        assert (taken.retry_after, "away" in str(taken)) == (None, False), interval


async def test_who_polls_no_more_is_away_before_the_seat_ends(hub: Hub, clock: Clock) -> None:
    seat = await enter(hub)
    hub.find_seat(seat.key)
    await clock.advance(POLL_AWAY * GRACE + 1)
    left = (POLL_GRACE - POLL_AWAY) * GRACE - 1
    taken = await refusal(hub)
    assert taken.retry_after == pytest.approx(left, abs=0.5)
    assert f"ann is away, and keeps the name for {left:.0f} s more" in str(taken)
    hub.find_seat(seat.key)
    assert (await refusal(hub)).retry_after is None, "it is back"


async def test_who_waits_for_news_is_there(hub: Hub, clock: Clock) -> None:
    seat = await enter(hub)
    poll = asyncio.create_task(seat.read(seat.welcome.head, 10, wait=1e6))
    await clock.advance(2 * POLL_GRACE * GRACE)
    assert (seat.ended, seat.expires_in()) == (False, None)
    poll.cancel()
    await asyncio.wait([poll])
    await clock.advance(POLL_GRACE * GRACE + 1)
    assert seat.ended


async def test_a_seat_that_has_ended_is_read_no_more(hub: Hub) -> None:
    seat = await enter(hub)
    seat.leave()
    await settle()
    with pytest.raises(SeatGone):
        await seat.read(0, 10, wait=0)


async def test_the_key_finds_the_seat(hub: Hub) -> None:
    seat = await enter(hub)
    assert hub.find_seat(seat.welcome.seat_key) is seat
    with pytest.raises(SeatGone):
        hub.find_seat("guessed")


async def test_what_is_too_long_for_a_key_is_not_kept(hub: Hub) -> None:
    seat = await enter(hub)
    assert len(seat.welcome.seat_key) <= LONGEST_KEY
    kept = _cached_seat_name.cache_info().currsize
    with pytest.raises(SeatGone):
        hub.find_seat("k" * (LONGEST_KEY + 1))
    assert _cached_seat_name.cache_info().currsize == kept


async def test_who_calls_with_the_key_was_heard_of(hub: Hub, clock: Clock) -> None:
    seat = await enter(hub)
    for _ in range(3):
        await clock.advance(GRACE - 1)
        hub.find_seat(seat.welcome.seat_key)
    await clock.advance(POLL_GRACE * GRACE - 1)
    assert not seat.ended
    await clock.advance(2)
    assert seat.ended


async def test_one_may_look_at_a_room_without_a_seat_but_not_open_one(hub: Hub) -> None:
    seat = await enter(hub)
    await says(seat, "hello")
    room = await hub.look("lab", "")
    assert [event.kind for event in await room.history(after=0, before=None, limit=10)] == [
        "opened",
        "joined",
        "sent",
    ]
    assert [member.nick for member in await room.members()] == ["ann"]
    with pytest.raises(NoSuchRoom):
        await hub.look("nowhere", "")


async def test_who_looks_needs_the_access_token_too() -> None:
    async with running(MemoryLog(), access="secret") as hub:
        await enter(hub, access="secret")
        with pytest.raises(AccessDenied):
            await hub.look("lab", "guessed")


async def test_the_rooms_are_told_to_who_may_come_in() -> None:
    async with running(MemoryLog(), access="secret") as hub:
        await enter(hub, room="zoo", access="secret")
        await enter(hub, "bob", room="attic", access="secret")
        assert hub.rooms("secret") == ["attic", "zoo"]
        with pytest.raises(AccessDenied):
            hub.rooms("guessed")


async def test_who_reads_the_past_by_himself_is_pushed_only_what_is_new(hub: Hub) -> None:
    other = await enter(hub)
    await says(other, "before")
    seat, peer = await enter(hub, "bob"), Peer()
    seat.attach(peer, live=True)
    assert peer.got == []
    await says(other, "after")
    await settle()
    assert peer.got == ["sent ann after"]


async def test_after_a_failed_commit_the_hub_is_not_ready_for_a_while(disk: Disk, clock: Clock) -> None:
    async with running(disk) as hub:
        seat = await enter(hub)
        assert hub.ready
        disk.full = True
        assert isinstance(await says(seat, "lost"), NotStored)
        assert not hub.ready
        await clock.advance(UNREADY)
        assert hub.ready
    assert not hub.ready


async def test_a_deleted_message_is_told_as_deleted(hub: Hub) -> None:
    seat, peer = await come_in(hub)
    event = await says(seat, "oops")
    assert isinstance(event, Event)
    await does(seat, Delete(event.id))
    assert peer.got[-1] == "deleted ann"
