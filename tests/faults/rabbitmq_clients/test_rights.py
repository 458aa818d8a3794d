"""A broker user with no more rights than the chapter names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

import backends.rabbitmq
from backends.rabbitmq import names
from backends.rabbitmq.amqp import Connection
from backends.rabbitmq.amqp_errors import Refused
from backends.rabbitmq.codec import pack
from chat.domain.model import Limits, Sent
from tests.support.broker import Hosts, add_user, address, binary, evaluate
from tests.support.rabbit_room import Enter

CHAPTER = Path(backends.rabbitmq.__file__).with_name("README.md")


@pytest.fixture
def eve(vhost: str, hosts: Hosts) -> Iterator[str]:
    """The URL of a user to whom the chapter's command has given its rights."""
    command = re.search(r"rabbitmqctl set_permissions --vhost HOST USER (.+)", CHAPTER.read_text("utf-8"))
    assert command
    rights = [right.strip("'") for right in command[1].split()]
    place, _, name = vhost.rpartition("/")
    user = binary(f"eve-{name}")
    add_user(hosts.broker, f"eve-{name}", "secret", name, rights)
    yield re.sub(r"//.*@", f"//eve-{name}:secret@", place) + f"/{name}"
    evaluate(hosts.broker, f'rabbit_auth_backend_internal:delete_user({user}, <<"tests">>)')


@pytest.mark.parametrize("mode", ["stream", "fanout"])
async def test_they_are_enough_to_open_a_room_and_to_talk(enter: Enter, eve: str, mode: str) -> None:
    others = Enter(eve, Limits(burst=0))
    listener = await others("eve", mode)
    bob = await enter("bob", mode)
    await bob.say("hello")
    await listener.hears("hello")
    await others.close()


async def test_they_do_not_keep_anybody_from_writing_in_anothers_name(enter: Enter, eve: str) -> None:
    ann, bob = await enter("ann"), await enter("bob")
    connection = await Connection.open(address(eve), "", "eve")
    channel = await connection.channel(confirm=True)
    body = pack(Sent(ann.welcome.seat, "ann", "rabbitmq", 77, "I never said that"), 1)
    await channel.publish(names.exchange("lab"), "", body, pika.BasicProperties())
    await bob.hears("I never said that")
    with pytest.raises(Refused) as refused:  # where it is set, RabbitMQ checks it: nobody has to set it
        await channel.publish(names.exchange("lab"), "", body, pika.BasicProperties(user_id="chat"))
    assert refused.value.reply_code == 406
    await connection.close()


async def test_they_end_where_other_programs_begin(vhost: str, eve: str) -> None:
    connection = await Connection.open(address(eve), "", "eve")
    channel = await connection.channel()
    with pytest.raises(Refused) as refused:
        await channel.call("queue_declare", queue="orders", durable=True)
    assert refused.value.reply_code == 403
    await connection.close()
