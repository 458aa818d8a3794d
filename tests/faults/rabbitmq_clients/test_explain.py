"""``chat tail --explain``: who writes a client learns why an entry was passed over."""

from __future__ import annotations

import asyncio
from typing import Any

import pika

from backends.rabbitmq import names
from backends.rabbitmq.codec import pack
from chat.domain.model import Joined, Sent
from tests.support.processes import chat
from tests.support.rabbit_room import Enter

SEAT = "0123456789abcdef01234567"


async def test_the_reasons_are_on_stderr_for_old_and_new_entries(
    enter: Enter, stranger: Any, vhost: str
) -> None:
    ann = await enter("ann")
    place = ("-b", "rabbitmq", "--server", vhost, "--as", "eve")
    silent = await asyncio.to_thread(chat, "tail", *place, "--after", "0", "--count", "1")
    assert silent.stderr == ""

    async def publish(*bodies: bytes) -> int:
        before = await ann.say("before")
        for body in bodies:
            await stranger.publish(names.exchange("lab"), "", body, pika.BasicProperties())
        return before.seq

    old = await publish(
        b"hello",
        pack(Joined(SEAT, "ANN", "", "php", SEAT), 1),
        pack(Sent(SEAT, "bob", "php", 1, "hello"), 1),
        pack(Sent(SEAT.upper(), "bob", "php", 1, "hello"), 1),
    )
    task = asyncio.create_task(
        asyncio.to_thread(chat, "tail", *place, "--explain", "--after", str(old), "--count", "4")
    )
    bob = await enter("bob")
    await bob.until(lambda seen: any(event.author == "eve" and event.kind == "joined" for event in seen))
    new = await publish(b"{}")
    await ann.say("last")
    done = await task
    said = done.stderr.splitlines()
    assert f"seq {old + 1} was passed over: not JSON" in done.stderr
    assert f"seq {old + 2} was passed over: ANN is taken in this room" in done.stderr
    assert f"seq {old + 3} was passed over: " in done.stderr
    assert (
        f"seq {old + 4} was passed over: seat '{SEAT.upper()}': 24 hexadecimal digits, in lower"
        in done.stderr
    )
    assert f"seq {new + 1} was passed over: JSON of the wrong shape" in done.stderr
    assert all(line.startswith("seq ") for line in said)
