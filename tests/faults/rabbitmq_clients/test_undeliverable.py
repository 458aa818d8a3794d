"""A message that the broker can't deliver: every reader goes on behind it, and says so."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import pika
import pytest

from backends.rabbitmq import names
from backends.rabbitmq.log import StreamLog
from chat.domain.model import Hello, Limits
from chat.server.hub import Hub
from tests.support.broker import address
from tests.support.faulty_broker import FaultyBroker
from tests.support.people import Person
from tests.support.rabbit_room import Enter

LAB = names.log("lab")


@pytest.fixture
async def faulty(vhost: str) -> AsyncIterator[FaultyBroker]:
    relay = FaultyBroker(address(vhost))
    await relay.start()
    yield relay
    await relay.stop()


@pytest.fixture
async def enter(technique: Any, faulty: FaultyBroker, limits: Limits) -> AsyncIterator[Enter]:
    enter = Enter(faulty.address.url, limits)
    yield enter
    await enter.close()


async def spoil(faulty: FaultyBroker, stranger: Any, offset: int) -> None:
    """Let the message that is published next be one that can't be delivered."""
    faulty.bad.add((LAB, offset))
    await stranger.publish(names.exchange("lab"), "", b"", pika.BasicProperties())


def told(person: Person) -> list[str]:
    """Return a list to which the person's notices are added."""
    notices: list[str] = []
    person.client.on_notice = notices.append
    return notices


async def test_nobodys_connection_ends_and_everybody_is_told_the_place(
    enter: Enter, faulty: FaultyBroker, stranger: Any
) -> None:
    ann, bob = await enter("ann"), await enter("bob")
    notices = told(ann)
    offset = (await ann.say("before")).seq
    await spoil(faulty, stranger, offset)
    last = await ann.say("after")
    for person in (ann, bob):
        await person.knows(last.seq)
        assert person.texts == ["before", "after"]
        assert not person.over.done()
    assert last.seq == offset + 2, "nobody came in again, and no barrier entry was published"
    assert len(notices) == 1
    assert f"the message at offset {offset} of {LAB}" in notices[0]


async def test_a_newcomer_reads_everything_else(enter: Enter, faulty: FaultyBroker, stranger: Any) -> None:
    ann = await enter("ann")
    said = []
    for number in range(30):
        if number in (10, 11, 25):
            await spoil(faulty, stranger, (await ann.say(f"last before {number}")).seq)
            said.append(f"last before {number}")
        await ann.say(f"m{number}")
        said.append(f"m{number}")
    carol = await enter("carol")
    await carol.hears("m29")
    assert carol.texts == ann.texts == said
    page = await carol.client.history(after=0, limit=100)
    assert [event.text for event in page if event.kind == "sent"] == said


async def test_it_may_be_the_first_message_of_the_room(
    enter: Enter, faulty: FaultyBroker, stranger: Any
) -> None:
    await stranger.call(
        "exchange_declare", exchange=names.exchange("lab"), exchange_type="fanout", durable=True
    )
    await stranger.call("queue_declare", queue=LAB, durable=True, arguments=names.LOG_ARGUMENTS)
    await stranger.call("queue_bind", queue=LAB, exchange=names.exchange("lab"))
    await spoil(faulty, stranger, 0)
    ann, bob = await enter("ann"), await enter("bob")
    await ann.say("hello")
    await bob.hears("hello")


async def test_a_server_goes_on_in_that_room_and_in_the_others(
    faulty: FaultyBroker, stranger: Any, enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "backends.rabbitmq.log")
    hub = Hub(StreamLog(faulty.address.url), limits=Limits(burst=0))
    await hub.start()
    try:
        ann = await enter("ann")
        await hub.take_seat(Hello("den", "bob"), "tcp")
        lab, den = await hub.look("lab", ""), await hub.look("den", "")
        await spoil(faulty, stranger, (await ann.say("before")).seq)
        last = await ann.say("after")
        while lab.head < last.seq:
            await lab.read(lab.head, 1, 5)
        await hub.take_seat(Hello("den", "sue"), "tcp")
        assert [event.kind for event in await den.history(after=0, before=None, limit=9)] == [
            "opened",
            "joined",
            "joined",
        ]
    finally:
        await hub.stop()
    assert [record.message.partition(" over AMQP")[0] for record in caplog.records] == [
        f"the broker can't deliver the message at offset {last.seq - 2} of {LAB}"
    ], "the connection to the broker was not lost"


async def test_a_server_starts_where_the_list_of_rooms_has_one(
    faulty: FaultyBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.rabbitmq.directory.MARK_EVERY", 0.1)
    faulty.bad.add((names.DIRECTORY, 0))
    log = StreamLog(faulty.address.url)
    await log.start(lambda _: None, lambda *_: None)
    assert await log.rooms() == []
    await log.stop()


async def test_a_broker_that_delivers_nothing_is_an_error_that_names_the_stream(
    faulty: FaultyBroker, stranger: Any, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.rabbitmq.stream_reader.MAX_GAP", 3)
    ann = await enter("ann")
    offset = (await ann.say("before")).seq
    for bad in range(offset, offset + 4):
        await spoil(faulty, stranger, bad)
    assert f"can't deliver {LAB} from offset {offset} on" in str(await ann.over)
