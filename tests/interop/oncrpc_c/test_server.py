"""Their server: our client finds in its room what chat.x promises."""

from __future__ import annotations

import asyncio

import pytest

from backends.oncrpc.client import OncRpcClient
from chat.domain.errors import BadText, DraftConflict, NickTaken, NoSuchMessage, NotYours, StaleCursor
from chat.domain.model import Ack, Cursor, Event
from chat.interfaces.address import Address
from tests.support.foreign import SPOKEN, Enter, Launch
from tests.support.people import Person, one_chain


@pytest.fixture
async def cat(their_server: Address, enter: Enter) -> Person:
    return await enter(OncRpcClient(their_server), "cat")


@pytest.fixture
async def dan(their_server: Address, cat: Person, enter: Enter) -> Person:
    return await enter(OncRpcClient(their_server), "dan")


async def test_in_their_room_two_of_ours_talk(cat: Person, dan: Person) -> None:
    for text in SPOKEN:
        ack = await cat.say(text)
        event = await dan.hears(text)
        assert event == Event(
            "sent",
            seq=ack.seq,
            prev=ack.seq - 1,
            at=event.at,
            author="cat",
            seat=cat.welcome.seat,
            technique="oncrpc",
            n=ack.n,
            id=ack.seq,
            text=text,
        )
        await dan.say(f"{text}?")
        await cat.hears(f"{text}?")
    assert [member.nick for member in await cat.client.members()] == ["cat", "dan"]
    assert await cat.client.ping() >= 0


async def test_in_their_room_edits_and_deletions_are_events(cat: Person, dan: Person) -> None:
    message = await cat.say("tpyo")
    edit = await cat.edit(message.seq, "typo")
    delete = await cat.delete(message.seq)
    changes = [event for event in await dan.knows(delete.seq) if event.id == message.seq]
    assert [(event.kind, event.seq, event.text) for event in changes] == [
        ("sent", message.seq, "tpyo"),
        ("edited", edit.seq, "typo"),
        ("deleted", delete.seq, ""),
    ]


async def test_in_their_room_every_refusal_has_its_error(
    cat: Person, dan: Person, their_server: Address, enter: Enter
) -> None:
    message = await cat.say("mine")
    gone = await cat.say("gone")
    await cat.delete(gone.seq)
    for error, attempt in (
        (NotYours, dan.edit(message.seq, "yours", n=70)),
        (NotYours, dan.delete(message.seq, n=71)),
        (NoSuchMessage, cat.edit(gone.seq, "back", n=72)),
        (NoSuchMessage, cat.delete(0, n=73)),
        (NoSuchMessage, cat.delete(1, n=74)),
        (NoSuchMessage, cat.delete(10**6, n=75)),
        (BadText, cat.say("bell \a", n=76)),
        (BadText, cat.say("\u2066", n=77)),
        (BadText, cat.say(" ", n=78)),
        (DraftConflict, cat.say("another", n=1)),
    ):
        with pytest.raises(error):
            await attempt
    with pytest.raises(NickTaken):
        await enter(OncRpcClient(their_server), "CAT")
    with pytest.raises(StaleCursor):
        await enter(OncRpcClient(their_server), "eve", cursor=Cursor(1, "another"))
    with pytest.raises(StaleCursor):
        await enter(OncRpcClient(their_server), "eve", cursor=Cursor(10**6))
    last = await dan.say("and on we go")
    assert one_chain(await cat.knows(last.seq))


async def test_in_their_room_what_is_under_way_together_keeps_its_order(cat: Person, dan: Person) -> None:
    acks = await asyncio.gather(*(cat.say(f"m{number}") for number in range(20)))
    assert [ack.n for ack in acks] == list(range(1, 21))
    assert [ack.seq for ack in acks] == sorted({ack.seq for ack in acks})
    await dan.knows(acks[-1].seq)
    assert dan.texts == [f"m{number}" for number in range(20)]
    assert one_chain(dan.seen)


async def test_in_their_room_a_draft_happens_once_also_from_a_new_connection(
    cat: Person, dan: Person, their_server: Address, enter: Enter
) -> None:
    first = await cat.say("once", n=7)
    assert await cat.say("once", n=7) == first
    edit = await cat.edit(first.seq, "twice", n=8)
    await cat.client.close(leave=False)
    again = await enter(
        OncRpcClient(their_server),
        "cat",
        seat_key=cat.welcome.seat_key,
        cursor=Cursor(first.seq, cat.welcome.epoch),
    )
    assert again.welcome.n == 8
    assert again.welcome.seat == cat.welcome.seat
    assert await again.say("once", n=7) == first
    assert await again.edit(first.seq, "twice", n=8) == edit
    last = await again.say("last")
    assert last == Ack(9, edit.seq + 1)
    assert [event.seq for event in await again.knows(last.seq)] == [edit.seq, last.seq]


async def test_their_history_is_read_in_both_directions(cat: Person) -> None:
    for number in range(300):
        await cat.say(f"m{number}")
    history = cat.client.history
    everything = [*await history(after=0, limit=200), *await history(after=200, limit=200)]
    assert one_chain(everything)
    assert [event.kind for event in everything[:3]] == ["opened", "joined", "sent"]
    assert everything[0].text == cat.welcome.epoch
    assert len(everything) == 302
    assert await history(before=150, limit=10) == everything[139:149]
    assert await history(before=3, limit=10) == everything[:2]
    assert await history(limit=5) == everything[-5:]
    assert await history(after=302, limit=5) == []


async def test_both_clients_meet_in_their_room(cat: Person, launch: Launch, their_server: Address) -> None:
    for option in ([], ["-u"]):
        bob = await launch("chat-client", *option, their_server.host, their_server.port, "bob")
        bob.type("/who", "häagen 😀")
        heard = await cat.hears("häagen 😀")
        await cat.edit((await cat.say("hi bob")).seq, "hi, bob")
        assert (await bob.until("]* cat: hi, bob")).startswith("[")
        bob.type(f"/edit {heard.id} häagen")
        await cat.sees("edited", "bob")
        bob.type(f"/delete {heard.id}")
        await cat.sees("deleted", "bob")
        assert await bob.over() == (0, [])
        assert {"* cat is here (oncrpc)", "* bob is here (oncrpc)"} <= set(bob.lines)
        await cat.sees("left", "bob")
        cat.seen.clear()


async def test_their_server_says_what_it_can_not_do(launch: Launch, their_server: Address) -> None:
    other = await launch("chat-server", their_server.port)
    code, (complaint,) = await other.over()
    assert (code, complaint) == (1, f"chat-server: port {their_server.port}: Address already in use")
    eve = await launch("chat-client", their_server.host, their_server.port, "eve", "cellar")
    assert await eve.over() == (1, ["! this server has one room, and it is called lab"])
