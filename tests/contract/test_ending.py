"""Ending: leaving, closing, a server that stops, and readers who are too slow."""

from __future__ import annotations

import asyncio

import pytest

from chat.domain.errors import ChatError, Closing, ConnectionLost, SlowReader
from chat.domain.model import Cursor, Event, Hello, Limits
from chat.domain.room_replica import RING_BYTES
from chat.interfaces.address import Address
from chat.interfaces.server import HIGH_WATER
from chat.interfaces.technique import Technique
from chat.server.fanout import PAGE_BYTES
from chat.server.hub import Hub
from chat.server.seat import HubSeat
from tests.support.kit import MakeClient, MakeServer, Serving
from tests.support.people import Enter, Person, one_chain


async def test_who_leaves_is_seen_leaving_and_the_name_is_free(
    ann: Person, bob: Person, enter: Enter
) -> None:
    await bob.client.close()
    event = await ann.sees("left", "bob")
    assert event.seat == bob.welcome.seat
    assert (await enter("bob")).welcome.seat != bob.welcome.seat


async def test_who_only_hangs_up_does_not_leave(ann: Person, bob: Person) -> None:
    await bob.client.close(leave=False)
    said = await ann.say("still there?")
    assert [event.kind for event in await ann.knows(said.seq)][-1] == "sent"
    assert [member.nick for member in await ann.client.members()] == ["ann", "bob"]


@pytest.mark.both_loops
async def test_after_the_close_the_events_end_without_an_error(ann: Person) -> None:
    await ann.client.close()
    assert await ann.over is None


async def test_after_the_close_nothing_can_be_asked(ann: Person) -> None:
    await ann.client.close()
    for ask in (ann.say("hi"), ann.client.members(), ann.client.ping(), ann.client.history(limit=1)):
        with pytest.raises(ConnectionLost):
            await ask


async def test_closing_twice_does_no_harm(ann: Person) -> None:
    await ann.client.close()
    await ann.client.close(leave=False)


@pytest.mark.both_loops
async def test_a_server_that_stops_tells_its_clients(
    ann: Person, bob: Person, server: Serving, technique: Technique
) -> None:
    await server.server.stop()
    for person in (ann, bob):
        reason = await person.over
        if technique.traits.push:
            assert isinstance(reason, Closing)
        assert isinstance(reason, Closing | ConnectionLost)
        assert not reason.final


@pytest.mark.both_loops
async def test_what_is_under_way_when_the_server_stops_gets_an_answer(ann: Person, server: Serving) -> None:
    drafts = [asyncio.create_task(ann.say(f"m{i}")) for i in range(20)]
    await asyncio.sleep(0)
    await server.server.stop()
    for outcome in await asyncio.gather(*drafts, return_exceptions=True):
        assert not isinstance(outcome, BaseException) or (
            isinstance(outcome, ChatError) and not outcome.final
        )


@pytest.mark.both_loops
async def test_after_a_restart_the_seat_goes_on_where_it_was(
    ann: Person, server: Serving, make_server: MakeServer, enter: Enter
) -> None:
    said = await ann.say("before")
    await server.server.stop()
    await ann.over
    again = make_server(server.address)
    await again.start()
    cursor = Cursor(said.seq, ann.welcome.epoch)
    back = await enter("ann", seat_key=ann.welcome.seat_key, cursor=cursor)
    assert (back.welcome.seat, back.welcome.n) == (ann.welcome.seat, 1)
    later = await back.say("after")
    assert await back.knows(later.seq) == back.seen
    assert back.texts == ["after"]
    await back.client.close()
    await again.stop()


@pytest.mark.both_loops
async def test_a_port_that_is_taken_is_an_oserror(server: Serving, make_server: MakeServer) -> None:
    with pytest.raises(OSError):  # noqa: PT011  # the system's own text, in its own language
        await make_server(server.address).start()


async def test_two_servers_can_serve_one_room(
    ann: Person, make_server: MakeServer, make_client: MakeClient
) -> None:
    second = make_server(Address("127.0.0.1", 0))
    client = make_client(await second.start())
    eve = Person(client, await client.connect(Hello("lab", "eve")))
    eve.listen()
    said = await eve.say("hello over there")
    assert (await ann.knows(said.seq))[-1].author == "eve"
    await client.close()
    await eve.stop()
    await second.stop()


ENOUGH = 2 * RING_BYTES // 3900
"""Messages of 3,900 bytes that take twice the room's ring: a reader who is behind reads from the log."""


def seat_of(hub: Hub, person: Person) -> HubSeat:
    return hub._rooms["lab"].seats[person.welcome.seat]


# The grace time is for who polls: nobody takes the seat away while the others talk.
@pytest.mark.parametrize("limits", [Limits(burst=0, grace=60.0)], ids=[""])
@pytest.mark.both_loops
async def test_who_does_not_read_is_cut_and_the_others_go_on(
    ann: Person, enter: Enter, hub: Hub, technique: Technique
) -> None:
    if technique.server is None:
        pytest.skip(f"{technique.name} cuts nobody: the broker stops sending, and the stream keeps it")
    slow = await enter("slow", listen=False)
    seat, most, said = seat_of(hub, slow), 0, 0
    cut = technique.traits.push and technique.traits.lossless  # else what it does not take is lost, or waits
    while said < 20_000 and not (technique.traits.push and seat.expires_in() is not None):
        acks = await asyncio.gather(*(ann.say(f"{said + i} " + 3900 * "x") for i in range(50)))
        said += 50
        if seat._mailbox is not None:
            most = max(most, seat._mailbox.sink.buffered())
        if not cut and said >= ENOUGH:
            break
    assert most <= HIGH_WATER + 2 * PAGE_BYTES, "what waits for a slow reader is bounded"
    head = max(ack.seq for ack in acks)
    await ann.knows(head)
    if not technique.traits.lossless:
        slow.listen()
        await slow.until(lambda seen: {*slow.seqs, *slow.missing} >= {*ann.seqs})
        return
    got, reason = await read_all(slow, head)
    if cut:
        assert isinstance(reason, SlowReader | ConnectionLost)
    if technique.traits.lossless and got[-1].seq < head:
        back = await enter(
            "slow", seat_key=slow.welcome.seat_key, cursor=Cursor(got[-1].seq, slow.welcome.epoch)
        )
        got += await back.knows(head)
    if technique.traits.lossless:
        assert one_chain(got)
        assert got[-1].seq == head


async def read_all(person: Person, head: int) -> tuple[list[Event], ChatError | None]:
    """Read what was left lying, to the head or to the end of the connection; and say how it ended."""
    person.listen()
    try:
        return await person.knows(head), None
    except AssertionError:
        return list(person.seen), person.over.result()
