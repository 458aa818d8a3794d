"""Clients that crash, freeze or leave, and what is left of them."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from typing import Any

import pytest

from backends.rabbitmq import names
from backends.rabbitmq.amqp import Channel
from backends.rabbitmq.stream import Link
from backends.rabbitmq.will import is_present, presence
from chat.domain.errors import NickTaken
from chat.domain.model import Limits
from chat.interfaces.technique import Technique
from tests.support.broker import Hosts, address
from tests.support.node import Run, until
from tests.support.rabbit_room import Enter

CHAT = (sys.executable, "-m", "chat")


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
