"""The textbook's way, ``--mode fanout``: no log, no history, and the oldest is lost."""

from __future__ import annotations

import pytest

from backends.rabbitmq import names
from backends.rabbitmq.client import RabbitClient
from chat.domain.errors import ChatError, NickTaken
from chat.domain.model import Hello
from chat.interfaces.client import ClientOptions
from tests.support.people import Person
from tests.support.rabbit_room import Enter


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
