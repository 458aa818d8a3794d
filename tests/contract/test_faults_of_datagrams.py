"""Datagrams at a real tap that loses, doubles, delays and damages them.

Nothing is shown or stored twice, and what is missing is named. Of a damaged byte that holds where a MAC finds
it. Elsewhere it is shown as it came, another number too: datagrams have no checksum but UDP's, and the tap's
have a right one. But it ends nobody's session, and later messages come.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Callable

import pytest

import backends
from chat.domain.model import Limits
from chat.interfaces.frames import Direction
from chat.interfaces.technique import Technique
from lab.faults.fault import Switch
from lab.wire.passing import Passing
from protos.chat_xdr import CHAT_FETCH
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
MAC_WAYS = {"udp", "udp-repair"}
"""Those where an access token protects each datagram with a MAC."""
CASES = [(way, fault) for way in WAYS for fault in FAULTS if fault[:7] != "corrupt" or way in MAC_WAYS]
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
def fault() -> str:
    """The fault, in those tests that are parametrised by it."""
    return ""


@pytest.fixture
def access(fault: str) -> str:
    return "a token for the MAC" if fault.startswith("corrupt") else ""


@pytest.fixture
async def eve(technique: Technique, way: str, server: Serving, access: str) -> AsyncIterator[Tapped]:
    known = {setting.name for setting in technique.settings}
    settings = {name: value for name, value in QUICK.settings.items() if name in known} | WAYS[way][1]
    eve = Tapped(technique, server.address, settings, access=access)
    await eve.enters("up")
    yield eve
    await eve.close()


class Damaged(Switch):
    """The datagrams of one direction go through a function."""

    name = "damaged"

    def __init__(self, direction: Direction, damage: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._direction = direction
        self._damage = damage

    def touch(self, passing: Passing, chance: random.Random) -> None:
        if passing.direction is self._direction:
            before = passing.data
            passing.data = self._damage(before)
            self.fired += passing.data != before


def other_request(data: bytes) -> bytes:
    """Damage what asks for something: a ping of udp, the place (20 bytes from the end) in a FETCH."""
    if data[20:24] == struct.pack(">I", CHAT_FETCH):
        return data[:-20] + b"\x40" + data[-19:]
    return data.replace(b'"ping"', b'"qing"')


async def test_a_join_that_was_damaged_is_tried_again(
    technique: Technique, way: str, server: Serving, ann: Person
) -> None:
    eve = Tapped(technique, server.address, WAYS[way][1])
    try:
        eve.plan.add(Damaged(Direction.UP, lambda data: data.replace(b"eve", b"e\x16e")), eve.tap)
        async with asyncio.timeout(20):
            await eve.enters("retrying")
            assert eve.fired
            await eve.end()
            eve.session.retry_now()
            await eve.enters("up")
            await ann.sees("joined", "eve")
    finally:
        await eve.close()


async def test_a_request_that_was_damaged_ends_no_session(eve: Tapped, ann: Person) -> None:
    eve.plan.add(Damaged(Direction.UP, other_request), eve.tap)
    async with asyncio.timeout(30):
        await eve.enters("retrying")
        assert eve.fired
        await eve.end()
        await ann.say("after it")
        await eve.hears("after it")


async def test_a_number_that_was_damaged_silences_nobody(eve: Tapped, ann: Person) -> None:
    """Events up to a number far ahead would count as seen: it is found out, and the room is read again."""
    last = await ann.say("before")
    async with asyncio.timeout(40):
        await eve.hears("before")
        seq = last.seq + 1

        def far_ahead(data: bytes) -> bytes:
            data = data.replace(struct.pack(">Q", seq), struct.pack(">Q", seq + 2**40))
            return data.replace(b'"seq":%d' % seq, b'"seq":9%d' % seq)

        eve.plan.add(Damaged(Direction.DOWN, far_ahead), eve.tap)
        await ann.say("far ahead")
        await eve.hears("far ahead")
        assert eve.fired
        await eve.end()
        await ann.say("after it")
        await eve.hears("after it")


def test_every_way_of_datagrams_is_here() -> None:
    """A technique that talks in datagrams, by default or by a setting, is in the table."""
    found = set()
    for label in backends.techniques():
        named = [setting.name for setting in label.settings]
        if label.traits.transport == "udp" or "transport" in named:
            found.add(label.name)
    assert found == {name for name, _ in WAYS.values()}


@pytest.mark.parametrize(("way", "fault"), CASES)
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
    shown = {event.seq: event.text for event in eve.seen if event.kind == "sent" and event.seq in said}
    assert shown == {seq: text for seq, text in said.items() if seq not in missing}


@pytest.mark.parametrize(("way", "fault"), CASES)
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
    stored = {text for text, token in tokens.items() if {"arrived", "sent"} & {*eve.ends[token]}}
    assert stored <= {*ann.texts}
    assert len({*ann.texts}) == len(ann.texts)
    if way != "udp":  # it sends again
        assert stored == {*TEXTS}
