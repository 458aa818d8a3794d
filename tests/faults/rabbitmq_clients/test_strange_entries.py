"""What others publish or delete in the broker: no client fails over it."""

from __future__ import annotations

from typing import Any

import pika
import pytest

from backends.rabbitmq import directory, names
from backends.rabbitmq.codec import pack
from backends.rabbitmq.stream import Link
from chat.domain.errors import ChatError
from chat.domain.model import Joined, Left, Sent
from chat.domain.validation import seat_name
from tests.support.broker import address
from tests.support.rabbit_room import Enter

SEAT = "0123456789abcdef01234567"
STRANGE = {
    "nothing": b"",
    "no JSON": b"\xff{",
    "nested without an end": b"[" * 50_000,
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


async def test_a_takeover_that_is_nested_without_an_end_is_passed_over(enter: Enter, stranger: Any) -> None:
    ann = await enter("ann")
    for body in (b"[" * 50_000, b"{}"):
        queue = names.presence(ann.welcome.seat)
        await stranger.publish("", queue, body, pika.BasicProperties(type="chat.takeover"))
    await ann.say("still here")
    await ann.hears("still here")


async def test_a_directory_with_strange_records_is_read(vhost: str, stranger: Any) -> None:
    link = await Link.open(address(vhost), "", "a server")
    await directory.add_room(link, "lab")
    for body in (b"[" * 50_000, b'"x"', b'{"room":5}', b"{}"):
        await stranger.publish("", names.DIRECTORY, body, pika.BasicProperties())
    rooms: set[str] = set()
    await directory.follow(link, rooms)
    await link.close()
    assert rooms == {"lab"}


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


def test_the_seat_of_the_strange_messages_is_nobodys() -> None:
    assert seat_name("") != SEAT
