"""Seats: they outlive their connections and the server, and on a full disk none is lost.

Time is the test's: ``clock.advance`` moves the event loop's clock, and nothing here waits for a real one.
"""

from __future__ import annotations

import asyncio

import pytest

import chat.domain.room
from chat.domain.errors import AccessDenied, BadName, Closing, NickTaken, NotStored, SeatGone, SeatTaken
from chat.domain.model import Ack, Checkpoint, Cursor, Edit, Event, Say
from chat.domain.seat_key import new_seat_key
from chat.server.held_draft import HOLD
from chat.server.hub import Hub
from chat.server.seat import HubSeat
from tests.support.stage import GRACE, Clock, Disk, Outcome, come_in, does, enter, running, says, settle

# --- the seat and its connections ----------------------------------------------------------------


async def test_a_seat_outlives_its_connection_for_the_grace_time(hub: Hub, disk: Disk, clock: Clock) -> None:
    seat, peer = await come_in(hub)
    seat.detach(peer)
    await clock.advance(GRACE - 1)
    assert [member.nick for member in await seat.members()] == ["ann"]
    await clock.advance(2)
    assert await seat.members() == []
    assert disk.kinds()[-1] == "left"


async def test_who_is_connected_never_expires(hub: Hub, clock: Clock) -> None:
    seat, _ = await come_in(hub)
    await clock.advance(10 * GRACE)
    assert not seat.ended


async def test_who_comes_back_in_time_has_never_been_away(hub: Hub, disk: Disk, clock: Clock) -> None:
    seat, peer = await come_in(hub)
    await says(seat, "one")
    seat.detach(peer)
    await clock.advance(GRACE - 1)
    again, _ = await come_in(hub, seat_key=seat.welcome.seat_key)
    await clock.advance(GRACE)
    assert (again.seat, again.welcome.n, again.ended) == (seat.seat, 1, False)
    assert disk.kinds() == ["opened", "joined", "sent"]


async def test_a_seat_that_ends_while_it_is_asked_for_is_not_given_back(hub: Hub) -> None:
    seat, _ = await come_in(hub)
    key = seat.welcome.seat_key
    coming = asyncio.create_task(come_in(hub, technique="grpc", seat_key=key))
    await asyncio.sleep(0)  # the move is in the log ...
    seat.leave()  # ... and the end right behind it
    again, _ = await coming
    assert not again.ended
    assert again.seat != seat.seat
    assert isinstance(await says(again, "a seat of my own"), Event)


async def test_a_hello_that_comes_again_while_its_seat_is_stored_waits_for_it(hub: Hub, disk: Disk) -> None:
    disk.slow = True
    made_up = new_seat_key()
    lost, coming = (asyncio.create_task(enter(hub, seat_key=made_up)) for _ in range(2))
    await settle()
    assert not coming.done()
    disk.slow = False
    disk.catch_up()
    assert (await coming) is (await lost)
    assert disk.kinds() == ["opened", "joined", "resumed"]


async def test_a_hello_that_comes_again_fares_as_the_first_one(hub: Hub, disk: Disk) -> None:
    await enter(hub, "bob")
    disk.full = True
    made_up = new_seat_key()
    lost, coming = (asyncio.create_task(enter(hub, seat_key=made_up)) for _ in range(2))
    for one in (lost, coming):
        with pytest.raises(NotStored):
            await one
    disk.full = False
    assert not (await enter(hub, seat_key=made_up)).ended


async def test_a_hello_that_comes_again_after_a_restart_finds_its_seat(disk: Disk) -> None:
    made_up = new_seat_key()
    async with running(disk) as hub:
        first = await enter(hub, seat_key=made_up)
    async with running(disk) as hub:
        assert (await enter(hub, seat_key=made_up)).seat == first.seat


async def test_a_second_connection_takes_the_seat_over(hub: Hub, clock: Clock) -> None:
    seat, half_open = await come_in(hub)
    again, peer = await come_in(hub, seat_key=seat.welcome.seat_key)
    assert isinstance(half_open.reason, SeatTaken)
    seat.detach(half_open)  # the old connection's end is noticed late
    await clock.advance(2 * GRACE)
    await says(again, "still here")
    assert peer.got[-1] == "sent ann still here"
    assert "sent ann still here" not in half_open.got


async def test_another_technique_with_the_key_is_told_to_the_room(hub: Hub, disk: Disk) -> None:
    seat = await enter(hub)
    await enter(hub, technique="rest", seat_key=seat.welcome.seat_key)
    assert disk.kinds()[-1] == "resumed"
    assert [member.technique for member in await seat.members()] == ["rest"]


async def test_leaving_ends_the_seat_at_once(hub: Hub) -> None:
    seat, peer = await come_in(hub)
    seat.leave()
    await settle()
    assert isinstance(peer.reason, SeatGone)
    assert isinstance(await says(seat, "too late"), SeatGone)


async def test_who_comes_back_while_the_seat_is_ending_gets_a_seat_that_works(
    hub: Hub, disk: Disk, clock: Clock
) -> None:
    seat, peer = await come_in(hub)
    seat.detach(peer)
    disk.slow = True
    await clock.advance(GRACE + 1)  # the end is written, but not yet decided
    coming = asyncio.create_task(come_in(hub, seat_key=seat.welcome.seat_key))
    await settle()
    disk.slow = False
    disk.catch_up()
    again, peer = await coming
    assert isinstance(await says(again, "here I am"), Event)
    assert peer.reason is None


# --- names ---------------------------------------------------------------------------------------


async def test_a_connected_owner_keeps_the_nick(hub: Hub) -> None:
    await come_in(hub)
    with pytest.raises(NickTaken) as refused:
        await enter(hub, "ANN")
    assert refused.value.retry_after is None


async def test_an_owner_who_is_away_keeps_the_nick_for_the_grace_time(hub: Hub, clock: Clock) -> None:
    seat, peer = await come_in(hub)
    seat.detach(peer)
    await clock.advance(GRACE - 5)
    with pytest.raises(NickTaken) as refused:
        await enter(hub)
    assert refused.value.retry_after == pytest.approx(5, abs=1)
    await clock.advance(6)
    await enter(hub)


async def test_an_unknown_key_opens_nothing(hub: Hub) -> None:
    await come_in(hub)
    with pytest.raises(NickTaken):
        await enter(hub, seat_key="guessed")


async def test_a_key_with_another_nick_gives_another_seat(hub: Hub) -> None:
    seat, peer = await come_in(hub)
    other = await enter(hub, "bob", seat_key=seat.welcome.seat_key)
    assert other.seat != seat.seat
    assert peer.reason is None


@pytest.mark.parametrize("hello", [{"nick": "a b"}, {"nick": "ann", "room": "No Room"}])
async def test_a_name_that_is_none_is_refused(hub: Hub, hello: dict[str, str]) -> None:
    with pytest.raises(BadName):
        await enter(hub, **hello)


async def test_two_who_ask_for_one_nick_at_once_do_not_both_get_it(hub: Hub) -> None:
    outcomes = await asyncio.gather(enter(hub), enter(hub), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["HubSeat", "NickTaken"]
    assert hub.seats == 1


async def test_who_hangs_up_while_being_refused_leaves_no_seat_behind(hub: Hub, disk: Disk) -> None:
    await enter(hub, "eve")
    disk.slow = True
    first, second = asyncio.create_task(enter(hub)), asyncio.create_task(enter(hub))
    await settle()
    second.cancel()
    disk.slow = False
    disk.catch_up()
    await first
    assert hub.seats == 2


# --- restarts ------------------------------------------------------------------------------------


async def test_after_a_restart_the_members_have_their_full_grace_time(disk: Disk, clock: Clock) -> None:
    async with running(disk) as hub:
        await come_in(hub)
    async with running(disk) as hub:
        await clock.advance(GRACE - 1)
        with pytest.raises(NickTaken) as refused:
            await enter(hub)
        assert refused.value.retry_after is not None
        await clock.advance(2)
        assert disk.kinds() == ["opened", "joined", "left"]


async def test_after_a_restart_the_key_gives_the_seat_back(disk: Disk, clock: Clock) -> None:
    async with running(disk) as hub:
        seat, _ = await come_in(hub)
        event = await says(seat, "one")
    assert isinstance(event, Event)
    async with running(disk) as hub:
        again, peer = await come_in(
            hub, seat_key=seat.welcome.seat_key, cursor=Cursor(event.seq, seat.welcome.epoch)
        )
        assert (again.seat, again.welcome.n) == (seat.seat, 1)
        assert await says(again, "one", 1) == Ack(1, event.seq)
        assert isinstance(await does(again, Edit(event.id, "better")), Event)
        await clock.advance(2 * GRACE)
        assert peer.got == ["edited ann better"]


async def test_what_was_said_before_the_stop_is_in_the_log(disk: Disk) -> None:
    async with running(disk) as hub:
        seat = await enter(hub)
        for i in range(5):
            seat.send(Say(f"m{i}"), lambda *_: None)
    assert disk.kinds() == ["opened", "joined"] + 5 * ["sent"]


async def test_what_is_stored_while_stopping_is_decided_too(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.domain.room, "CHECKPOINT_EVERY", 3)  # due when the log takes nothing more
    outcomes: list[Outcome] = []
    async with running(disk) as hub:
        seat = await enter(hub)
        for i in range(5):
            seat.send(Say(f"m{i}"), lambda _, outcome: outcomes.append(outcome))
    assert [type(outcome) for outcome in outcomes] == 5 * [Event]


async def test_after_the_stop_nothing_is_accepted(disk: Disk) -> None:
    async with running(disk) as hub:
        seat = await enter(hub)
    assert isinstance(await says(seat, "too late"), Closing)
    for room in ("lab", "den"):
        with pytest.raises(Closing):
            await enter(hub, "bob", room=room)


async def test_a_checkpoint_is_written_whenever_one_is_due(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.domain.room, "CHECKPOINT_EVERY", 10)
    async with running(disk) as hub:
        seat, peer = await come_in(hub)
        for i in range(30):
            await says(seat, f"m{i}")
        places = [e.seq for e in await disk.tail("lab", 99) if isinstance(e.body, Checkpoint)]
        assert len(places) == 3
        assert all(10 <= b - a <= 12 for a, b in zip([0, *places], places, strict=False))
        assert len(peer.got) == 32  # nobody sees one


# --- a full disk ---------------------------------------------------------------------------------


async def test_on_a_full_disk_a_draft_is_refused_and_can_be_sent_again(hub: Hub, disk: Disk) -> None:
    seat, peer = await come_in(hub)
    disk.full = True
    refusal = await says(seat, "one", 1)
    assert isinstance(refusal, NotStored)
    assert (refusal.n, refusal.final) == (1, False)
    assert peer.got[1:] == ["joined ann"]
    disk.full = False
    assert isinstance(await says(seat, "one", 1), Event)


async def refused_for_now(hub: Hub, disk: Disk) -> HubSeat:
    """Return a seat whose first draft found the disk full; it has room again."""
    seat, _ = await come_in(hub)
    disk.full = True
    assert isinstance(await says(seat, "one", 1), NotStored)
    disk.full = False
    return seat


async def test_later_drafts_do_not_pass_though_the_process_stood_still(
    hub: Hub, disk: Disk, clock: Clock
) -> None:
    """As when a debugger stops it: what has come meanwhile is read before it goes on."""
    seat = await refused_for_now(hub, disk)
    await clock.advance(10 * HOLD)
    assert isinstance(await says(seat, "two", 2), NotStored)
    assert isinstance(await says(seat, "one", 1), Event)
    assert isinstance(await says(seat, "two", 2), Event)


async def test_who_gives_up_what_was_refused_may_go_on_after_a_while(
    hub: Hub, disk: Disk, clock: Clock
) -> None:
    seat = await refused_for_now(hub, disk)
    await clock.advance(HOLD / 2)
    assert isinstance(await says(seat, "two", 2), NotStored)
    await clock.advance(HOLD / 2)
    assert isinstance(await says(seat, "two", 2), Event)


async def test_on_a_full_disk_nobody_comes_in_and_no_seat_is_lost(hub: Hub, disk: Disk) -> None:
    await enter(hub, "bob")
    disk.full = True
    with pytest.raises(NotStored):
        await enter(hub)
    disk.full = False
    await enter(hub)
    assert hub.seats == 2


async def test_a_room_that_could_not_be_stored_is_no_room(hub: Hub, disk: Disk) -> None:
    disk.full = True
    with pytest.raises(NotStored):
        await enter(hub, room="den")
    disk.full = False
    seat = await enter(hub, room="den")
    assert seat.welcome.head == 2


async def test_a_seat_whose_end_could_not_be_stored_ends_later(hub: Hub, disk: Disk, clock: Clock) -> None:
    seat, peer = await come_in(hub)
    seat.detach(peer)
    disk.full = True
    await clock.advance(GRACE + 1)
    assert [member.nick for member in await seat.members()] == ["ann"]
    disk.full = False
    await clock.advance(GRACE + 1)
    assert await seat.members() == []


# --- another access token ---------------------------------------------------------------------


async def test_an_earlier_token_is_right_for_the_seat_that_it_took_and_no_other(hub: Hub) -> None:
    hub.renew("sesame-7-sesame-7")
    ann = await enter(hub, "ann", access="sesame-7-sesame-7")
    hub.renew("sesame-8-sesame-8")
    bob = await enter(hub, "bob", room="elsewhere", access="sesame-8-sesame-8")
    assert not hub.admit("sesame-7-sesame-7", "", ann.key)
    assert hub.admit("sesame-8-sesame-8", "", ann.key)
    for key, room in (("", ""), (bob.key, ""), (ann.key, "elsewhere"), ("x" * 100, "")):
        with pytest.raises(AccessDenied):
            hub.admit("sesame-7-sesame-7", "", key, room)
