"""The log that several servers share: the broker dies under them, and old pages are decided anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pika
import pytest

import backends
from backends.rabbitmq import history_reader, names
from backends.rabbitmq.amqp import Connection
from backends.rabbitmq.client import RabbitClient
from backends.rabbitmq.codec import pack
from backends.rabbitmq.log import StreamLog
from backends.rabbitmq.private import PrivateBroker
from chat.client.connect import Place, open_session
from chat.domain.errors import ChatError, NickTaken, NotStored, StaleCursor
from chat.domain.model import Cursor, Event, Hello, Limits, Opened, Say, Sent
from chat.interfaces.log import Committed
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from tests.support.broker import QUEUE_SETTLES, address
from tests.support.kit import Connect
from tests.support.node import Run
from tests.support.people import Enter, Person, one_chain
from tests.support.processes import CHAT
from tests.support.talker import Talker

pytestmark = pytest.mark.usefixtures("technique")  # then the hub is on the stream

LINES = 40
"""Of each; below the burst, so that nobody is paced."""


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def enter(connect: Connect) -> AsyncIterator[Enter]:
    people: list[Person] = []

    async def enter(nick: str, room: str = "lab", *, listen: bool = True, **hello: Any) -> Person:
        people.append(Person(*await connect(nick, room, **hello)))
        people[-1].listen()
        return people[-1]

    yield enter
    for person in people:
        await person.stop()


@pytest.fixture
def technique() -> Technique:
    label = backends.technique("rabbitmq")
    label.load_client()
    return label


@pytest.mark.timeout(120)
async def test_a_broker_that_is_killed_under_two_servers_takes_no_line_with_it(
    own_broker: PrivateBroker, run: Run, state_dir: Path
) -> None:
    readers = []
    for nick in ("alice", "bob"):
        serve = (*CHAT, "serve", "tcp", "--port", "0", "--rate", "off", "--json")
        node = await run(*serve, CHAT_SERVE_LOG=own_broker.url)
        offer = json.loads(await node.line())
        place = Place(f"127.0.0.1:{offer['port']}", state_dir)
        readers.append(Talker(open_session(place, backends.technique("tcp"), "lab", nick)))
    for reader in readers:
        await reader.inside()
    await asyncio.sleep(QUEUE_SETTLES)
    for number in range(LINES):
        for reader in readers:
            reader.session.say(f"{reader.session.nick} {number}")
        if number == 20:
            await readers[1].until(12)
            await asyncio.to_thread(own_broker.kill)
            starting = asyncio.create_task(asyncio.to_thread(own_broker.start))
    await starting
    for reader in readers:
        await reader.until(2 * LINES)
    alice, bob = readers
    assert alice.messages == bob.messages
    assert len(set(alice.messages)) == 2 * LINES
    for nick in ("alice", "bob"):
        said = [text for _, text in bob.messages if text.startswith(nick)]
        assert said == [f"{nick} {number}" for number in range(LINES)]
    assert [len(reader.seats) for reader in readers] == [1, 1]
    for reader in readers:
        await reader.close()


async def test_without_a_broker_a_server_does_not_start() -> None:
    log = StreamLog("amqp://127.0.0.1:9/")
    with pytest.raises(ChatError, match=r"no broker listens on 127\.0\.0\.1:9"):
        await log.start(lambda _: None, lambda *_: None)


# --- old pages -------------------------------------------------------------------------------------


async def story(ann: Person, vhost: str) -> list[Event]:
    """Let something happen, with refused entries between; return all events."""
    stranger = await Connection.open(address(vhost), "", "a stranger")
    channel = await stranger.channel(confirm=True)
    seen: list[Event] = []
    for number in range(60):
        said = await ann.say(f"m{number}")
        refused = pack(Sent("0" * 24, "nobody", "x", 1, "refused"), 1)
        await channel.publish(names.exchange("lab"), "", refused, pika.BasicProperties())
        if number % 7 == 0:
            await ann.edit(said.seq, f"m{number}, edited")
    last = await ann.say("last")
    seen = await ann.knows(last.seq)
    await stranger.close()
    return seen


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rings and blocks are small, so that pages are read from the stream."""
    monkeypatch.setattr(history_reader, "BLOCK_SEQS", 16)
    monkeypatch.setattr("chat.domain.room_replica.RING_EVENTS", 5)


@pytest.mark.usefixtures("small")
async def test_old_pages_are_what_everybody_saw_in_both_directions(enter: Enter, vhost: str) -> None:
    ann = await enter("ann", cursor=Cursor(0))
    events = await story(ann, vhost)
    assert one_chain(events)
    for limit in (3, 50):
        read: list[Event] = []
        while page := await ann.client.history(after=read[-1].seq if read else 0, limit=limit):
            read += page
        assert read == events
        read = []
        while page := await ann.client.history(before=read[0].seq if read else 10**6, limit=limit):
            read = page + read
        assert read == events


@pytest.mark.usefixtures("small")
async def test_a_server_on_the_log_has_the_same_pages(enter: Enter, vhost: str, hub: Hub) -> None:
    ann = await enter("ann", cursor=Cursor(0))
    events = await story(ann, vhost)
    room = await hub.look("lab", "")
    while room.head < events[-1].seq:
        await room.read(room.head, 1, 5)
    read: list[Event] = []
    while page := await room.history(after=read[-1].seq if read else 0, before=None, limit=50):
        read += page
    assert read == events


@pytest.mark.usefixtures("small")
async def test_a_replay_from_far_back_is_whole(enter: Enter, vhost: str) -> None:
    ann = await enter("ann", cursor=Cursor(0))
    events = await story(ann, vhost)
    bob = await enter("bob", cursor=Cursor(events[3].seq))
    seen = await bob.knows(bob.welcome.head)
    assert seen[:-1] == events[4:]


@pytest.mark.usefixtures("small")
async def test_old_pages_are_read_where_the_stream_was_cut_and_no_checkpoint_is_left(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {**names.LOG_ARGUMENTS, "x-max-length-bytes": 200_000, "x-stream-max-segment-size-bytes": 50_000}
    monkeypatch.setattr(names, "LOG_ARGUMENTS", small)
    ann = await enter("ann")
    for number in range(200):
        last = await ann.say(f"{number} " + "x" * 3000)
    page = await ann.client.history(after=0, limit=50)
    assert page[0].seq > 50
    assert one_chain(page)
    assert await ann.client.history(before=last.seq + 1, limit=1) == (await ann.knows(last.seq))[-1:]


@pytest.fixture
def short_tail(monkeypatch: pytest.MonkeyPatch) -> int:
    """A room is loaded from its newest 60 entries, with a checkpoint in every 20."""
    monkeypatch.setattr("chat.domain.room.CHECKPOINT_EVERY", 20)
    monkeypatch.setattr("backends.rabbitmq.stream.TAIL", 60)
    return 60


async def many_barriers(ann: Person, vhost: str, tail: int) -> None:
    """Let ann send messages, so that the tail of the stream begins with one of many barrier entries."""
    for number in range(40):
        await ann.say(f"m{number}")
    stranger = await Connection.open(address(vhost), "", "a stranger")
    channel = await stranger.channel(confirm=True)
    for number in range(20):
        await channel.publish(
            names.exchange("lab"), "", pack(Opened(f"e{number}"), 1), pika.BasicProperties()
        )
    await stranger.close()
    for number in range(tail - 13):  # the rest of the tail: checkpoints, and the last barrier entries
        await ann.say(f"n{number}")


async def test_a_tail_that_begins_with_a_barrier_entry_is_no_new_room(
    enter: Enter, vhost: str, short_tail: int
) -> None:
    ann = await enter("ann")
    await many_barriers(ann, vhost, short_tail)
    bob = await enter("bob")
    assert bob.welcome.epoch == ann.welcome.epoch
    assert [member.nick for member in bob.welcome.members] == ["ann", "bob"]


async def test_a_server_does_not_take_a_barrier_entry_for_the_opening_one(
    enter: Enter, vhost: str, hub: Hub, short_tail: int
) -> None:
    ann = await enter("ann")
    await many_barriers(ann, vhost, short_tail)
    room = await hub.look("lab", "")
    assert room.epoch == ann.welcome.epoch
    assert [member.nick for member in await room.members()] == ["ann"]


# --- several servers ---------------------------------------------------------------------------------


class Sits:
    """Somebody's seat at a hub, without a connection."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def reply(self, _: Any, outcome: Any) -> None:
        self.outcome.set_result(outcome)


async def test_a_key_moves_a_seat_from_one_server_to_the_other(hub: Hub, vhost: str) -> None:
    other = Hub(StreamLog(vhost), limits=hub.limits)
    await other.start()
    here = await hub.take_seat(Hello("lab", "ann"), "tcp")
    key = here.welcome.seat_key
    said = Sits()
    here.send(Say("before", 1), said.reply)
    before = await said.outcome
    there = await other.take_seat(Hello("lab", "ann", seat_key=key), "grpc")
    assert there.welcome.seat == here.welcome.seat
    assert there.welcome.n == 1
    again = Sits()
    there.send(Say("before", 1), again.reply)
    assert (await again.outcome).seq == before.seq, "what was said at the one is known at the other"
    room = await hub.look("lab", "")
    while (await room.members())[0].technique != "grpc":
        await room.read(room.head, 1, 5)
    assert here.ended
    await other.stop()


class Behind(StreamLog):
    """A log whose entries reach their server late."""

    async def start(self, committed: Callable[[list[Committed]], None], failed: Any) -> None:
        def late(batch: list[Committed]) -> None:
            asyncio.get_running_loop().call_later(0.3, committed, batch)

        await super().start(late, failed)


async def test_a_server_that_is_behind_lets_in_who_has_seen_more(hub: Hub, vhost: str) -> None:
    other = Hub(Behind(vhost), limits=hub.limits)
    await other.start()
    await other.take_seat(Hello("lab", "bob"), "tcp")
    here = await hub.take_seat(Hello("lab", "ann"), "tcp")
    said = Sits()
    here.send(Say("only here as yet", 1), said.reply)
    seen = Cursor((await said.outcome).seq, here.welcome.epoch)
    assert (await other.look("lab", "")).head < seen.seq
    there = await other.take_seat(Hello("lab", "ann", seen, seat_key=here.welcome.seat_key), "tcp")
    assert there.welcome.seat == here.welcome.seat
    assert there.welcome.head >= seen.seq
    await other.stop()


async def test_a_server_that_is_behind_gives_a_name_that_was_free_before_it_knew(
    hub: Hub, vhost: str
) -> None:
    other = Hub(Behind(vhost), limits=hub.limits)
    await other.start()
    here = await hub.take_seat(Hello("lab", "ann"), "tcp")
    await other.take_seat(Hello("lab", "bob"), "tcp")
    with pytest.raises(NickTaken):
        await other.take_seat(Hello("lab", "ann"), "tcp")
    here.leave()
    while not here.ended:
        await (await hub.look("lab", "")).room.long_polls.wait(5)
    there = await other.take_seat(Hello("lab", "ann"), "tcp")
    assert there.welcome.seat != here.welcome.seat
    await other.stop()


async def test_a_room_that_another_server_opened_is_found(hub: Hub, vhost: str) -> None:
    other = Hub(StreamLog(vhost), limits=hub.limits)
    await other.start()
    await other.take_seat(Hello("elsewhere", "ann"), "tcp")
    room = await hub.look("elsewhere", "")
    assert [member.nick for member in await room.members()] == ["ann"]
    await other.stop()


async def test_a_cursor_of_another_log_is_refused_by_a_server_on_the_stream(hub: Hub) -> None:
    with pytest.raises(StaleCursor):
        await hub.take_seat(Hello("lab", "ann", Cursor(1, "another epoch")), "tcp")


async def test_a_log_that_is_deleted_under_a_server_is_said_and_nothing_is_written_to_another(
    hub: Hub, vhost: str
) -> None:
    seat = await hub.take_seat(Hello("lab", "ann"), "tcp")
    stranger = await Connection.open(address(vhost), "", "a stranger")
    channel = await stranger.channel()
    await channel.call("queue_delete", queue=names.log("lab"))
    number = 0
    while True:
        number += 1
        said = Sits()
        seat.send(Say(f"m{number}", number), said.reply)
        outcome = await said.outcome
        if isinstance(outcome, ChatError) and "was deleted on the broker" in str(outcome):
            break
        await asyncio.sleep(0.05)
    assert isinstance(outcome, NotStored)
    await stranger.close()


async def test_another_log_in_its_place_is_known_by_what_is_in_it(hub: Hub, vhost: str) -> None:
    """It may be longer than the one that was there: the place alone would not tell."""
    seat = await hub.take_seat(Hello("lab", "ann"), "tcp")
    stranger = await Connection.open(address(vhost), "", "a stranger")
    channel = await stranger.channel(confirm=True)
    await channel.call("queue_delete", queue=names.log("lab"))
    await channel.call("queue_declare", queue=names.log("lab"), durable=True, arguments=names.LOG_ARGUMENTS)
    await channel.call("queue_bind", queue=names.log("lab"), exchange=names.exchange("lab"))
    for number in range(50):
        body = pack(Sent("0" * 24, "nobody", "x", number + 1, "another log"), 1)
        await channel.publish(names.exchange("lab"), "", body, pika.BasicProperties())
    number = 0
    while True:
        number += 1
        said = Sits()
        seat.send(Say(f"m{number}", number), said.reply)
        outcome = await said.outcome
        if isinstance(outcome, ChatError) and "was deleted on the broker" in str(outcome):
            break
        await asyncio.sleep(0.05)
    await stranger.close()


async def test_a_room_that_was_removed_is_none_to_a_server_that_comes_later(vhost: str) -> None:
    logs = [StreamLog(vhost) for _ in range(2)]
    for room in ("gone", "kept"):
        client = RabbitClient(address(vhost))
        await client.connect(Hello(room, "ann"))
        await client.close()
    await logs[0].start(lambda _: None, lambda *_: None)
    assert await logs[0].rooms() == ["gone", "kept"]
    await logs[0].remove("gone")
    await logs[1].start(lambda _: None, lambda *_: None)
    assert await logs[0].rooms() == await logs[1].rooms() == ["kept"]
    for log in logs:
        await log.stop()
