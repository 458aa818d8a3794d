"""Datagrams at a real tap that loses, doubles, delays and damages them.

Nothing is shown or stored twice, and what is missing is named. A damaged byte that no checksum has found is
shown as it came: JSON in a datagram has no checksum but UDP's, and the tap's datagrams have a right one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

import backends
from chat.domain.model import Limits
from chat.interfaces.frames import Direction
from chat.interfaces.technique import Technique
from lab.faults.fault import Switch
from lab.wire.passing import Passing
from tests.support.kit import QUICK, Serving
from tests.support.people import Person
from tests.support.tapped import Tapped, load

WAYS: dict[str, tuple[str, dict[str, str]]] = {
    "udp": ("udp", {}),
    "udp-repair": ("udp", {"repair": "on"}),
    "oncrpc-udp": ("oncrpc", {"transport": "udp"}),
}
"""Every way to talk in datagrams: technique and settings."""
FAULTS = ["loss 0.3", "duplicate 0.5", "reorder 0.5", "corrupt 0.3"]
TEXTS = [f"message {number}" for number in range(30)]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def technique(way: str) -> Technique:
    technique = backends.technique(WAYS[way][0])
    load(technique)
    technique.load_client()
    technique.load_server()
    return technique


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def eve(technique: Technique, way: str, server: Serving) -> AsyncIterator[Tapped]:
    known = {setting.name for setting in technique.settings}
    settings = {name: value for name, value in QUICK.settings.items() if name in known} | WAYS[way][1]
    eve = Tapped(technique, server.address, settings)
    await eve.enters("up")
    yield eve
    await eve.close()


class NickDamaged(Switch):
    """Each datagram to the server that holds the nick has a wrong bit in it."""

    name = "nick-damaged"

    def touch(self, passing: Passing, chance: random.Random) -> None:
        if passing.direction is Direction.UP and b"eve" in passing.data:
            passing.data = passing.data.replace(b"eve", b"e\x16e")
            self.fired += 1


async def test_a_join_that_was_damaged_is_tried_again(
    technique: Technique, way: str, server: Serving, ann: Person
) -> None:
    eve = Tapped(technique, server.address, WAYS[way][1])
    try:
        eve.plan.add(NickDamaged(), eve.tap)
        async with asyncio.timeout(20):
            await eve.enters("retrying")
            assert eve.fired
            await eve.end()
            eve.session.retry_now()
            await eve.enters("up")
            await ann.sees("joined", "eve")
    finally:
        await eve.close()


def test_every_way_of_datagrams_is_here() -> None:
    """A technique that talks in datagrams, by default or by a setting, is in the table."""
    found = set()
    for label in backends.techniques():
        named = [setting.name for setting in label.settings]
        if label.traits.transport == "udp" or "transport" in named:
            found.add(label.name)
    assert found == {name for name, _ in WAYS.values()}


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_is_shown_twice_and_what_is_missing_is_named(
    fault: str, way: str, eve: Tapped, ann: Person
) -> None:
    await eve.begin(fault)
    for text in TEXTS:
        await ann.say(text)
        await asyncio.sleep(0.02)  # else they share a datagram
    async with asyncio.timeout(20):
        while eve.fired < 3:  # by chance few of them may have been hit
            await ann.say("one more")
            await asyncio.sleep(0.02)
    await eve.end()
    last = await ann.say("last")
    said = {event.seq: event.text for event in await ann.knows(last.seq) if event.kind == "sent"}
    async with asyncio.timeout(20):
        while not {*said} <= {event.seq for event in eve.seen} | {*eve.missing}:
            await eve.more()
    seqs = [event.seq for event in eve.seen]
    assert len({*seqs}) == len(seqs), "an event was shown twice"
    missing = {*eve.missing} - {*seqs}
    if way != "udp":
        assert not missing, "it was asked for again"
    if not fault.startswith("corrupt"):  # what the checksum misses is shown as it came
        shown = {event.seq: event.text for event in eve.seen if event.kind == "sent" and event.seq in said}
        assert shown == {seq: text for seq, text in said.items() if seq not in missing}


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_is_stored_twice(fault: str, way: str, eve: Tapped, ann: Person) -> None:
    await eve.begin(fault)
    tokens = {text: eve.session.say(text) for text in TEXTS}
    async with asyncio.timeout(60):
        await eve.session.settled()
        await eve.end()
        while not {*tokens.values()} <= {*eve.ends}:
            await eve.more()
    last = await ann.say("last")
    seen = [event for event in await ann.knows(last.seq) if event.kind == "sent"]
    mine = [event.n for event in seen if event.seat == eve.session.seat]
    assert len({*mine}) == len(mine), "a draft was stored twice"
    if fault.startswith("corrupt"):
        return  # a request with a damaged byte is another request, and may be refused for good
    stored = {text for text, token in tokens.items() if {"arrived", "sent"} & {*eve.ends[token]}}
    assert stored <= {*ann.texts}
    assert len({*ann.texts}) == len(ann.texts)
    if way != "udp":  # it sends again
        assert stored == {*TEXTS}
