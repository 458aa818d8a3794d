"""The chat client in Node with amqplib: another language, another AMQP library, the same room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.rabbitmq.private import PrivateBroker
from tests.support.broker import QUEUE_SETTLES
from tests.support.foreign import Foreign
from tests.support.node import Run, until
from tests.support.processes import chat, tail


async def enter(run: Run, program: Path, url: str, nick: str) -> Foreign:
    node = await run("node", program, url, nick)
    await until(node, f"* you are {nick} in room lab")
    return node


async def test_it_talks_with_ours_and_leaves(
    run: Run, node_program: Callable[[str], Path], vhost: str
) -> None:
    program = await asyncio.to_thread(node_program, "rabbitmq")
    node = await enter(run, program, vhost, "me")
    place = ("-b", "rabbitmq", "--server", vhost)
    sent = await asyncio.to_thread(chat, "send", *place, "--as", "ann", "wörld")
    assert sent.returncode == 0
    assert (await until(node, "wörld")).endswith("ann (rabbitmq): wörld")
    node.type("hello", "from JavaScript")
    await until(node, "me (amqplib): from JavaScript")
    assert await node.over() == (0, [])
    events = await asyncio.to_thread(tail, *place, "--as", "eve", "--count", "9", run=chat)
    assert [(event["kind"], event["text"]) for event in events if event["author"] == "me"] == [
        ("joined", ""),
        ("sent", "hello"),
        ("sent", "from JavaScript"),
        ("left", ""),
    ]


@pytest.mark.parametrize("nick", ["Straße", "ΣΊΣΥΦΟΣ"])
async def test_everybody_hears_it_under_a_name_that_its_language_can_not_fold(
    run: Run, node_program: Callable[[str], Path], vhost: str, nick: str
) -> None:
    program = await asyncio.to_thread(node_program, "rabbitmq")
    node = await enter(run, program, vhost, nick)
    place = ("-b", "rabbitmq", "--server", vhost)
    taken = await asyncio.to_thread(chat, "send", *place, "--as", nick.casefold().upper(), "also me")
    assert taken.returncode == 1
    node.type("hello")
    await until(node, f"{nick} (amqplib): hello")
    assert await node.over() == (0, [])
    events = await asyncio.to_thread(tail, *place, "--as", "eve", "--count", "5", run=chat)
    mine = [event["kind"] for event in events if event["author"] == nick]
    assert mine == ["joined", "sent", "left"]


async def test_it_comes_back_after_the_broker_and_says_everything_once(
    run: Run, node_program: Callable[[str], Path], own_broker: PrivateBroker
) -> None:
    program = await asyncio.to_thread(node_program, "rabbitmq")
    url = own_broker.url
    talks, reads = await enter(run, program, url, "talks"), await enter(run, program, url, "reads")
    await asyncio.sleep(QUEUE_SETTLES)
    for number in range(50):
        talks.type(f"line {number}")
        if number == 20:
            await until(reads, "line 10")
            await asyncio.to_thread(own_broker.kill)
            starting = asyncio.create_task(asyncio.to_thread(own_broker.start))
    await starting
    await until(reads, "line 49")
    said = [line.partition("): ")[2] for line in reads.lines if "talks (amqplib): " in line]
    assert said == [f"line {number}" for number in range(50)]
