"""Each technique with a wire that fails: a real tap, a real server, and somebody else who reads along.

Nothing is stored twice, nothing is shown twice, and what is not said to be unknown comes in the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from chat.client import measure
from chat.domain.model import Limits
from chat.interfaces.technique import Technique
from tests.support.kit import QUICK, Serving
from tests.support.people import Person
from tests.support.tapped import Tapped, load

PATIENCE = 20.0
"""Seconds within which all must be well again."""


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
def settings(technique: Technique) -> dict[str, str]:
    """No test waits a second for a client that polls."""
    load(technique)
    known = {setting.name for setting in technique.settings}
    return {name: value for name, value in QUICK.settings.items() if name in known}


@pytest.fixture
async def eve(technique: Technique, server: Serving, settings: dict[str, str]) -> AsyncIterator[Tapped]:
    """Somebody behind a tap, who is in the room."""
    eve = Tapped(technique, server.address, settings)
    await eve.enters("up")
    yield eve
    await eve.close()


@pytest.fixture
def quick_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session asks often whether its server is there."""
    for name, seconds in (("FIRST_PING", 0.1), ("PING_EVERY", 0.2), ("PING_TIMEOUT", 1.0)):
        monkeypatch.setattr(measure, name, seconds)


async def all_is_well(eve: Tapped, ann: Person, tokens: list[int], texts: list[str]) -> None:
    """Everything that eve said is in the room once, and she knows it; what ann says arrives."""
    async with asyncio.timeout(PATIENCE):
        await eve.session.settled()
        last = await ann.say("last")
        await ann.knows(last.seq)
        await eve.hears("last")
    ends = {text: eve.ends.get(token, []) for token, text in zip(tokens, texts, strict=True)}
    known = {text for text, end in ends.items() if {*end} <= {"sent", "arrived"} and end}
    assert ann.texts.count("last") == 1
    if eve.technique.traits.resend:
        assert known == {*texts}, ends
        assert ann.texts == [*texts, "last"]
    else:  # nothing is sent again: what had no answer may be stored or not, but never twice
        assert all("unconfirmed" in ends[text] for text in {*texts} - known), ends
        assert known <= {*ann.texts}
        assert len({*ann.texts}) == len(ann.texts)
    seqs = [event.seq for event in eve.seen]
    assert len({*seqs}) == len(seqs), "an event was shown twice"
    assert {*seqs} | {*eve.missing} >= {event.seq for event in ann.seen if event.text in texts}


async def test_latency_delays_and_loses_nothing(eve: Tapped, ann: Person) -> None:
    await eve.begin("latency 100ms±20ms")
    start = time.monotonic()
    texts = [f"m{number}" for number in range(5)]
    tokens = [eve.session.say(text) for text in texts]
    await eve.session.settled()
    assert time.monotonic() - start >= 0.15
    assert eve.fired
    await eve.end()
    await all_is_well(eve, ann, tokens, texts)
    assert eve.states.count("retrying") == 0


async def test_what_a_stall_held_is_stored_once(eve: Tapped, ann: Person) -> None:
    await eve.begin("stall")
    tokens = [eve.session.say("held")]
    while not eve.fired:  # noqa: ASYNC110 - the tap's thread counts
        await asyncio.sleep(0.01)
    assert "held" not in ann.texts
    await asyncio.sleep(0.5)
    assert not eve.ends
    await eve.end()
    await all_is_well(eve, ann, tokens, ["held"])


async def test_a_cut_in_the_middle_stores_nothing_twice(eve: Tapped, ann: Person) -> None:
    if eve.transport == "udp":
        pytest.skip("datagrams have no connection to break")
    texts = [f"m{number}" for number in range(20)]
    tokens = [eve.session.say(text) for text in texts]
    await ann.hears("m0")
    await eve.begin("cut")
    assert eve.fired
    await all_is_well(eve, ann, tokens, texts)


async def test_a_server_that_refuses_for_a_while_gets_what_waited(eve: Tapped, ann: Person) -> None:
    if eve.transport == "udp":
        pytest.skip("nobody refuses a datagram from here")
    await eve.begin("refuse")
    await eve.enters("retrying")
    texts = ["one", "two"]
    tokens = [eve.session.say(text) for text in texts]
    await asyncio.sleep(0.2)
    assert not ann.texts
    await eve.end()
    eve.session.retry_now()
    await all_is_well(eve, ann, tokens, texts)


@pytest.mark.usefixtures("quick_pings")
async def test_a_half_open_line_is_noticed(eve: Tapped, ann: Person) -> None:
    await eve.begin("half-open")
    tokens = [eve.session.say("into the void")]
    async with asyncio.timeout(15):
        await eve.enters("retrying")
    await eve.end()
    eve.session.retry_now()
    await all_is_well(eve, ann, tokens, ["into the void"])


async def test_a_lost_reply_makes_no_second_message(eve: Tapped, ann: Person) -> None:
    await eve.begin("reply-lost")
    eve.session.redial()  # it looks for messages, so it must see the connection from its first byte on
    await eve.enters("up", 2)
    tokens = [eve.session.say("said once")]
    await ann.hears("said once")
    async with asyncio.timeout(PATIENCE):
        await eve.session.settled()
    assert eve.fired == 1
    await eve.end()
    await all_is_well(eve, ann, tokens, ["said once"])


async def test_a_join_whose_answer_is_lost_gives_the_same_seat(
    technique: Technique, server: Serving, settings: dict[str, str], ann: Person
) -> None:
    if technique.server is None:
        pytest.skip("a broker answers no join: a client sees its own in the log")
    eve = Tapped(technique, server.address, settings, fault="reply-lost join")
    try:
        async with asyncio.timeout(PATIENCE):
            await eve.enters("up")
        assert eve.fired == 1
        tokens = [eve.session.say("here I am")]
        await all_is_well(eve, ann, tokens, ["here I am"])
        assert [event.kind for event in ann.seen if event.author == "eve"] == ["joined", "sent"]
    finally:
        await eve.close()
