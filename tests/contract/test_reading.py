"""Reading: old events in both directions, who is there, and how long the way is."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from chat.domain.model import Event, Limits, Sent
from chat.interfaces.client import ChatClient
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from tests.support.people import Enter, Person, one_chain


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0, page=10)


async def story(ann: Person, hub: Hub) -> list[Event]:
    """Let something of everything happen, with holes in the seqs; return all events."""
    for i in range(8):
        message = await ann.say(f"m{i}")
        # What the room refuses takes a seq and is no event.
        hub.log.append("lab", Sent("no seat", "nobody", "tcp", 1, "refused"), None)
        if i % 3 == 0:
            await ann.edit(message.seq, f"m{i}, edited")
        if i % 4 == 0:
            await ann.delete(message.seq)
    while True:
        last = await ann.say("last")
        seen = sorted(await ann.knows(last.seq), key=lambda event: event.seq)
        assert one_chain(seen)
        if last.seq > len(seen):  # there are holes: a broker takes what the hub appends when it comes there
            return seen


async def test_pages_forward_from_the_beginning_give_everything(ann: Person, hub: Hub) -> None:
    events = await story(ann, hub)
    read: list[Event] = []
    while page := await ann.client.history(after=read[-1].seq if read else 0, limit=4):
        assert len(page) <= 4
        read += page
    assert read == events


async def test_pages_backward_from_the_end_give_everything(ann: Person, hub: Hub) -> None:
    events = await story(ann, hub)
    read: list[Event] = []
    while page := await ann.client.history(before=read[0].seq if read else 10**6, limit=4):
        assert len(page) <= 4
        read = page + read
    assert read == events


async def test_a_page_begins_right_after_and_ends_right_before_a_seq(ann: Person, hub: Hub) -> None:
    events = await story(ann, hub)
    hole = next(a.seq + 1 for a, b in itertools.pairwise(events) if b.seq > a.seq + 1)
    for seq in (events[5].seq, hole):
        later = [event for event in events if event.seq > seq]
        earlier = [event for event in events if event.seq < seq]
        assert await ann.client.history(after=seq, limit=3) == later[:3]
        assert await ann.client.history(before=seq, limit=3) == earlier[-3:]


async def test_without_a_place_the_newest_page_is_given(ann: Person, hub: Hub) -> None:
    events = await story(ann, hub)
    assert await ann.client.history(limit=5) == events[-5:]


async def test_a_page_is_never_longer_than_the_server_allows(ann: Person, hub: Hub) -> None:
    events = await story(ann, hub)
    assert await ann.client.history(after=0, limit=10**6) == events[:10]


async def test_a_technique_that_can_list_rooms_lists_all(ann: Person, enter: Enter) -> None:
    await enter("bob", "den")
    can = type(ann.client).rooms is not ChatClient.rooms
    assert await ann.client.rooms() == (["den", "lab"] if can else [])


async def test_beyond_both_ends_there_is_nothing(ann: Person, hub: Hub) -> None:
    events = await story(ann, hub)
    assert await ann.client.history(before=1, limit=5) == []
    assert await ann.client.history(before=0, limit=5) == []
    assert await ann.client.history(after=events[-1].seq, limit=5) == []
    assert await ann.client.history(after=10**6, limit=5) == []


async def test_what_the_ring_has_lost_comes_from_the_log(
    ann: Person, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.domain.room_replica.RING_EVENTS", 3)
    events = await story(ann, hub)
    assert await ann.client.history(after=0, limit=10) == events[:10]


async def test_questions_may_be_under_way_together(ann: Person, hub: Hub) -> None:
    events = await story(ann, hub)
    pages = await asyncio.gather(*(ann.client.history(after=event.seq, limit=1) for event in events))
    assert [page[0] for page in pages if page] == events[1:]


async def test_a_page_of_the_longest_texts_arrives(ann: Person) -> None:
    texts = [f"{i}" + '"' * 3999 for i in range(10)]
    for text in texts:
        await ann.say(text)
    assert [event.text for event in await ann.client.history(limit=10)] == texts


async def test_the_members_are_told_in_the_order_of_their_coming(
    ann: Person, bob: Person, enter: Enter, technique: Technique
) -> None:
    eve = await enter("eve", room="elsewhere")
    assert [(m.seat, m.nick, m.technique) for m in await bob.client.members()] == [
        (person.welcome.seat, person.nick, technique.name) for person in (ann, bob)
    ]
    assert [member.nick for member in await eve.client.members()] == ["eve"]


async def test_who_has_left_is_no_member(ann: Person, bob: Person) -> None:
    await bob.client.close()
    await ann.sees("left", "bob")
    assert [member.nick for member in await ann.client.members()] == ["ann"]


async def test_a_ping_takes_a_while_and_not_for_ever(ann: Person) -> None:
    assert 0 < await ann.client.ping() < 60
