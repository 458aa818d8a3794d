"""Clients of a broker: who must not come in, who dies, who is frozen, who says what is no entry."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import pika
import pytest

import backends
from backends.rabbitmq import names
from backends.rabbitmq.amqp import Channel, Connection
from backends.rabbitmq.client import RabbitClient
from backends.rabbitmq.codec import pack
from backends.rabbitmq.private import PrivateBroker
from backends.rabbitmq.stream import Follower, Link, Start
from backends.rabbitmq.will import is_present, presence
from chat.domain.errors import AccessDenied, ChatError, NickTaken, StaleCursor
from chat.domain.model import Cursor, Hello, Joined, Left, Limits, Sent
from chat.domain.validation import seat_name
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.interfaces.technique import Technique
from tests.support.broker import Hosts, address
from tests.support.node import Run, until
from tests.support.people import Person

CHAT = (sys.executable, "-m", "chat")


@pytest.fixture
def technique() -> Technique:
    label = backends.technique("rabbitmq")
    label.load_client()  # here and not on the loop: an import reads files
    return label


class Enter:
    """Lets people in, and closes their clients in the end."""

    def __init__(self, url: str, limits: Limits) -> None:
        self.address = address(url)
        self._limits = limits
        self._clients: list[ChatClient] = []
        self._people: list[Person] = []

    async def __call__(self, nick: str, mode: str = "stream", **hello: Any) -> Person:
        client = RabbitClient(self.address, ClientOptions(settings={"mode": mode}))
        client.limits = self._limits
        self._clients.append(client)
        person = Person(client, await client.connect(Hello("lab", nick, **hello)))
        person.listen()
        self._people.append(person)
        return person

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        for person in self._people:
            await person.stop()


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def enter(technique: Technique, vhost: str, limits: Limits) -> AsyncIterator[Enter]:
    enter = Enter(vhost, limits)
    yield enter
    await enter.close()


@pytest.fixture
async def stranger(vhost: str) -> AsyncIterator[Any]:
    """A channel of somebody who has the password, and may publish what he likes."""
    connection = await Connection.open(address(vhost), "", "a stranger")
    yield await connection.channel(confirm=True)
    await connection.close()


async def refused(where: Address, access: str = "") -> ChatError:
    client = RabbitClient(where)
    with pytest.raises(ChatError) as refusal:
        await client.connect(Hello("lab", "ann", access=access))
    await client.close()
    return refusal.value


# --- who does not come in ------------------------------------------------------------------------


async def test_a_wrong_password_is_said_without_it(technique: Technique, vhost: str) -> None:
    there = address(vhost)
    wrong = Address(there.host, there.port, there.url.replace("chat:", "chat:wrong-"))
    error = await refused(wrong)
    assert isinstance(error, AccessDenied)
    assert "refuses user chat with this password" in str(error)
    assert "wrong-" not in str(error)


async def test_a_virtual_host_that_is_not_there_is_named(technique: Technique, vhost: str) -> None:
    there = address(vhost)
    error = await refused(Address(there.host, there.port, there.url.rpartition("/")[0] + "/nowhere"))
    assert "has no virtual host nowhere for user chat: make it with rabbitmqctl add_vhost" in str(error)
    assert error.final


async def test_a_queue_that_somebody_declared_otherwise_is_named(
    technique: Technique, vhost: str, stranger: Any
) -> None:
    await stranger.call("queue_declare", queue=names.log("lab"), durable=True)
    error = await refused(address(vhost))
    assert "the exchange or the log of room lab exists here with other arguments" in str(error)
    assert names.log("lab") in str(error)


async def test_something_else_that_listens_there_is_no_broker(technique: Technique) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    where = Address(*server.sockets[0].getsockname())
    assert f"{where} is no broker: it does not speak AMQP 0-9-1" in str(await refused(where))
    server.close()


# --- who publishes what is none --------------------------------------------------------------------

SEAT = "0123456789abcdef01234567"
STRANGE = {
    "nothing": b"",
    "no JSON": b"\xff{",
    "no entry": b'{"kind":"greeting"}',
    "a megabyte": b"x" * 1024 * 1024,
    "a large entry": pack(Sent(SEAT, "eve", "x", 1, "y" * 5000), 1),
    "a text that could act": pack(Sent(SEAT, "eve", "x", 1, "\x1b[2J"), 1),
    "a seat that is none": pack(Joined("eve", "eve", "eve", "x", "y"), 1),
    "a key of another name": pack(Joined(SEAT, "ann", "eve", "x", "y"), 1),
    "a name that is none": pack(Joined(SEAT, "no name", "no name", "x", "y"), 1),
    "a draft without a number": pack(Sent(SEAT, "eve", "x", 0, "y"), 1),
    "somebody who is not here": pack(Sent(SEAT, "eve", "x", 1, "y"), 1),
}


@pytest.mark.parametrize("what", STRANGE)
async def test_what_is_no_entry_is_passed_over_by_everybody(enter: Enter, stranger: Any, what: str) -> None:
    ann, bob = await enter("ann"), await enter("bob")
    await ann.say("before")
    await stranger.publish(names.exchange("lab"), "", STRANGE[what], pika.BasicProperties())
    last = await ann.say("after")
    for person in (ann, bob):
        await person.knows(last.seq)
        assert person.texts == ["before", "after"]
    carol = await enter("carol")
    await carol.hears("after")
    assert [event.kind for event in carol.seen if event.author not in ("ann", "bob", "carol")] == ["opened"]


async def test_a_name_is_taken_for_strangers_too(enter: Enter, stranger: Any) -> None:
    ann = await enter("ann")
    body = pack(Joined(SEAT, "ANN", "ann", "x", "y"), 1)
    await stranger.publish(names.exchange("lab"), "", body, pika.BasicProperties())
    await ann.say("still one of us")
    assert [member.nick for member in await ann.client.members()] == ["ann"]


async def test_who_has_the_password_can_speak_in_anybodys_name(enter: Enter, stranger: Any) -> None:
    """The broker knows accounts and no seats. It is said so in the chapter; this is what it means."""
    ann = await enter("ann")
    body = pack(Sent(ann.welcome.seat, "ann", "rabbitmq", 77, "I never said that"), 1)
    await stranger.publish(names.exchange("lab"), "", body, pika.BasicProperties())
    await ann.hears("I never said that")


async def test_who_is_said_to_have_left_and_has_not_is_told_to_come_back(enter: Enter, stranger: Any) -> None:
    ann = await enter("ann")
    seat = ann.welcome.seat
    body = pack(Left(seat, "ann", "rabbitmq", seat), 1)
    await stranger.publish(names.exchange("lab"), "", body, pika.BasicProperties())
    reason = await ann.over
    assert reason is not None
    assert not reason.final
    back = await enter("ann", seat_key=ann.welcome.seat_key)
    assert back.welcome.seat != seat


@pytest.mark.parametrize("what", ["log", "exchange"])
async def test_who_deletes_the_room_in_the_broker_ends_it_and_another_one_begins(
    enter: Enter, stranger: Any, what: str
) -> None:
    ann = await enter("ann")
    if what == "log":
        await stranger.call("queue_delete", queue=names.log("lab"))
    else:
        await stranger.call("exchange_delete", exchange=names.exchange("lab"))
        with pytest.raises(ChatError):
            await ann.say("to nobody")
    reason = await ann.over
    assert reason is not None
    assert not reason.final
    again = await enter("ann", seat_key=ann.welcome.seat_key)
    await again.say("and on we go")
    assert (again.welcome.epoch == ann.welcome.epoch) == (what == "exchange")


async def test_a_channel_that_has_ended_is_not_kept(vhost: str) -> None:
    """A server looks every second who is there, each time on a channel of its own."""
    link = await Link.open(address(vhost), "", "looking")
    try:
        await presence(link, "me", lambda _: None)
        for _ in range(20):
            assert await is_present(link, "me")
        gc.collect()
        kept = [one for one in gc.get_objects() if isinstance(one, Channel) and one.closed.done()]
        assert not kept
    finally:
        await link.close()


# --- who comes back ------------------------------------------------------------------------------


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Start]:
    """Where rooms were read from, each time somebody began to."""
    starts: list[Start] = []
    begin = Follower.begin

    async def noted(link: Link, room: str, start: Start, *rest: Any, **more: Any) -> Follower:
        if not more:  # to look at one message is not to read
            starts.append(start)
        return await begin(link, room, start, *rest, **more)

    monkeypatch.setattr(Follower, "begin", noted)
    return starts


async def away(person: Person) -> dict[str, Any]:
    """Break the person's connection; return what the session shows when it comes back."""
    await person.client.close(leave=False)
    last = person.seen[-1].seq if person.seen else person.welcome.head
    return {"seat_key": person.welcome.seat_key, "cursor": Cursor(last, person.welcome.epoch)}


async def test_who_comes_back_reads_on_where_he_was(enter: Enter, begun: list[Start]) -> None:
    ann, bob = await enter("ann"), await enter("bob")
    for number in range(20):
        await ann.say(f"m{number}")
    line = await ann.hears("m19")
    await bob.hears("m19")
    shown = await away(bob)
    await ann.edit(line.seq, "m19!")
    await ann.say("meanwhile")
    begun.clear()
    back = await enter("bob", **shown)
    assert begun == [shown["cursor"].seq], "an offset is one less than its seq: the next one"
    assert back.welcome.seat == bob.welcome.seat
    await back.hears("meanwhile")
    assert [event.kind for event in back.seen] == ["edited", "sent"]
    assert [member.nick for member in await back.client.members()] == ["ann", "bob"]
    await back.say("and on")
    await ann.hears("and on")


async def test_a_room_that_somebody_made_anew_meanwhile_is_another_one(
    enter: Enter, stranger: Any, begun: list[Start]
) -> None:
    ann = await enter("ann")
    await ann.say("before")
    shown = await away(ann)
    await stranger.call("queue_delete", queue=names.log("lab"))
    bob = await enter("bob")
    for number in range(20):  # it is longer than the one before
        await bob.say(f"m{number}")
    begun.clear()
    with pytest.raises(StaleCursor, match="another log"):
        await enter("ann", **shown)
    assert begun == ["first"]
    again = await enter("ann")
    await again.hears("m19")
    assert "before" not in again.texts


async def test_who_was_away_while_his_place_was_cut_off_begins_with_what_is_kept(
    enter: Enter, monkeypatch: pytest.MonkeyPatch, begun: list[Start]
) -> None:
    small = {**names.LOG_ARGUMENTS, "x-max-length-bytes": 200_000, "x-stream-max-segment-size-bytes": 50_000}
    monkeypatch.setattr(names, "LOG_ARGUMENTS", small)
    monkeypatch.setattr("chat.domain.room.CHECKPOINT_EVERY", 20)
    ann, bob = await enter("ann"), await enter("bob")
    shown = await away(bob)
    for number in range(300):
        await ann.say(f"{number} " + "x" * 3000)
    begun.clear()
    with pytest.raises(StaleCursor, match="history starts at"):
        await enter("bob", **shown)
    assert begun == ["first"]
    again = await enter("bob", seat_key=bob.welcome.seat_key)
    assert again.welcome.seat == bob.welcome.seat
    assert [member.nick for member in again.welcome.members] == ["ann", "bob"]


# --- who is gone ---------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [Limits(burst=0, grace=0.5)], ids=["grace 0.5 s"])
async def test_a_crash_is_a_left_by_the_will_and_it_is_said_once(enter: Enter) -> None:
    ann, bob = await enter("ann"), await enter("bob")
    await bob.client.close(leave=False)
    await ann.sees("left", "bob")
    said = await ann.say("bye")
    assert [event.kind for event in await ann.knows(said.seq) if event.author == "bob"] == ["joined", "left"]


@pytest.mark.parametrize("limits", [Limits(burst=0, grace=0.3)], ids=["grace 0.3 s"])
async def test_a_will_is_renewed_as_long_as_its_owner_lives(enter: Enter) -> None:
    """A queue counts a message's time from its publishing, also while it is held."""
    ann, bob = await enter("ann"), await enter("bob")
    for _ in range(8):
        await asyncio.sleep(0.15)
        await bob.say("still here")
    assert [event.kind for event in ann.seen if event.author == "bob" and event.kind == "left"] == []


async def test_a_polite_leave_leaves_no_queue_behind(enter: Enter, stranger: Any, hosts: Hosts) -> None:
    ann, bob = await enter("ann"), await enter("bob")
    await bob.client.close()
    await ann.sees("left", "bob")
    host = names.virtual_host(enter.address)
    listed = await asyncio.to_thread(hosts.broker.ctl, "list_queues", "--vhost", host, "name")
    assert bob.welcome.seat not in listed
    assert ann.welcome.seat in listed


async def test_a_client_that_is_killed_leaves_within_its_grace_time(run: Run, vhost: str) -> None:
    bob = await run(*CHAT, "--plain", "-b", "rabbitmq", "--server", vhost, "--as", "bob")
    await until(bob, "* you are bob in room lab")
    ann = await run(*CHAT, "--plain", "-b", "rabbitmq", "--server", vhost, "--as", "ann")
    await until(ann, "* you are ann in room lab")
    bob.process.kill()
    async with asyncio.timeout(20):
        while not (await ann.line()).endswith("* bob left"):
            pass


async def test_the_name_of_one_who_is_frozen_is_free_within_35_s(
    run: Run, vhost: str, technique: Technique
) -> None:
    bob = await run(*CHAT, "--plain", "-b", "rabbitmq", "--server", vhost, "--as", "bob")
    await until(bob, "* you are bob in room lab")
    bob.process.send_signal(signal.SIGSTOP)
    enter = Enter(vhost, Limits())
    async with asyncio.timeout(35):
        while True:
            try:
                await enter("bob")
            except NickTaken:
                await asyncio.sleep(0.5)
            else:
                break
    await enter.close()


# --- alarms, and what the stream cuts off ----------------------------------------------------------


async def test_while_the_broker_is_short_of_memory_lines_wait_and_then_all_arrive(
    technique: Technique, own_broker: PrivateBroker
) -> None:
    enter = Enter(own_broker.url, Limits(burst=0))
    ann, bob = await enter("ann"), await enter("bob")
    blocked = asyncio.Event()
    assert isinstance(ann.client, RabbitClient)
    ann.client.link.publishing.on_blocked = blocked.set
    await asyncio.to_thread(own_broker.ctl, "set_vm_memory_high_watermark", "0.000001")
    lines = [asyncio.create_task(ann.say(f"m{i}")) for i in range(20)]
    await blocked.wait()
    assert ann.client.activity().startswith("broker takes no messages: ")
    assert bob.texts == []
    await asyncio.to_thread(own_broker.ctl, "set_vm_memory_high_watermark", "0.6")
    await asyncio.gather(*lines)
    await bob.hears("m19")
    assert bob.texts == [f"m{i}" for i in range(20)]
    assert ann.client.activity() == ""
    await enter.close()


async def test_a_cursor_from_before_what_is_kept_is_refused_with_where_history_starts(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {**names.LOG_ARGUMENTS, "x-max-length-bytes": 200_000, "x-stream-max-segment-size-bytes": 50_000}
    monkeypatch.setattr(names, "LOG_ARGUMENTS", small)
    monkeypatch.setattr("chat.domain.room.CHECKPOINT_EVERY", 20)
    ann = await enter("ann")
    for number in range(300):
        await ann.say(f"{number} " + "x" * 3000)
    bob = await enter("bob")
    assert bob.welcome.first > 50
    assert [member.nick for member in bob.welcome.members] == ["ann", "bob"], "from a checkpoint"
    with pytest.raises(StaleCursor, match=f"history starts at {bob.welcome.first}"):
        await enter("carol", cursor=Cursor(10, bob.welcome.epoch))
    oldest = await bob.client.history(after=0, limit=1)
    assert oldest[0].seq >= bob.welcome.first


# --- the textbook's way ----------------------------------------------------------------------------


async def test_in_fanout_mode_who_comes_late_sees_nothing(enter: Enter) -> None:
    ann = await enter("ann", "fanout")
    await ann.say("too early for bob")
    bob = await enter("bob", "fanout")
    await ann.say("just in time")
    await bob.hears("just in time")
    assert bob.texts == ["just in time"]
    assert await bob.client.history(limit=10) == []
    assert "no history" in bob.client.notices()[0]


async def test_both_modes_are_in_one_room(enter: Enter) -> None:
    ann, bob = await enter("ann"), await enter("bob", "fanout")
    await ann.say("by the stream")
    await bob.hears("by the stream")
    await bob.say("by the exchange")
    await ann.hears("by the exchange")


async def test_in_fanout_mode_a_slow_reader_loses_the_oldest_and_is_told_how_many(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "FANOUT_ARGUMENTS", {"x-max-length": 10, "x-overflow": "drop-head"})
    monkeypatch.setattr("backends.rabbitmq.fanout.PREFETCH", 5)
    ann, slow = await enter("ann"), RabbitClient(enter.address, ClientOptions(settings={"mode": "fanout"}))
    person = Person(slow, await slow.connect(Hello("lab", "slow")))
    for number in range(100):
        await ann.say(f"m{number}")
    person.listen()
    await person.hears("m99")
    assert 10 <= len(person.texts) < 30
    assert len(person.texts) + len(person.missing) == 100
    await slow.close()
    await person.stop()


async def test_in_fanout_mode_a_name_is_whose_queue_it_is(enter: Enter) -> None:
    await enter("ann", "fanout")
    with pytest.raises(NickTaken):
        await enter("ANN", "fanout")


async def test_in_fanout_mode_nothing_can_be_changed(enter: Enter) -> None:
    ann = await enter("ann", "fanout")
    said = await ann.say("tpyo")
    with pytest.raises(ChatError, match="use --mode stream"):
        await ann.edit(said.seq, "typo")


def test_the_seat_of_the_strange_messages_is_nobodys() -> None:
    assert seat_name("") != SEAT
