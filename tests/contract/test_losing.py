"""What gets lost is named, exactly; and with ``--repair`` nothing is missing. For techniques that lose."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

import backends
from chat.client.session import Session
from chat.client.session_events import Arrived, DraftMoved
from chat.domain.errors import Unconfirmed
from chat.domain.model import Cursor, Event, Hello, Limits
from chat.interfaces.client import ChatClient, ClientOptions
from chat.interfaces.technique import Technique
from tests.support.kit import Serving
from tests.support.people import Enter, Person, one_chain
from tests.support.relay import DatagramRelay


@pytest.fixture(params=[label.name for label in backends.techniques() if not label.traits.lossless])
def technique(request: pytest.FixtureRequest) -> Technique:
    return backends.technique(request.param)


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def relay(server: Serving) -> AsyncIterator[DatagramRelay]:
    relay = DatagramRelay(server.address)
    await relay.start()
    yield relay
    await relay.stop()


@pytest.fixture
def settings() -> dict[str, str]:
    return {}


@pytest.fixture
async def eve(technique: Technique, relay: DatagramRelay, settings: dict[str, str]) -> AsyncIterator[Person]:
    """Somebody behind the relay, with everything read so far."""
    client = technique.load_client()(relay.address, ClientOptions(settings=settings))
    eve = Person(client, await client.connect(Hello("lab", "eve")))
    eve.listen()
    await eve.knows(eve.welcome.head)
    yield eve
    relay.lose_up = relay.lose_down = lambda datagram: False
    await client.close()
    await eve.stop()


def events_in(datagram: bytes) -> list[dict[str, Any]]:
    """Return what is pushed in a datagram; what was asked for is none of that."""
    message = json.loads(datagram)
    if message["kind"] == "events":
        return list(message["events"])
    return [message] if "prev" in message else []


class Loss:
    """Loses the datagrams that hold one of these texts, so many times each."""

    def __init__(self, relay: DatagramRelay, *texts: str) -> None:
        self.texts = set(texts)
        self.lost: dict[int, dict[str, Any]] = {}
        relay.lose_down = self._lose

    def _lose(self, datagram: bytes) -> bool:
        events = events_in(datagram)
        lose = any(event.get("text") in self.texts for event in events)
        if lose:
            self.lost |= {event["seq"]: event for event in events}
        return lose


# --- as it is ------------------------------------------------------------------------------------


@pytest.mark.both_loops
async def test_exactly_what_got_lost_is_named(ann: Person, eve: Person, relay: DatagramRelay) -> None:
    loss = Loss(relay, *(f"m{i}" for i in (3, 4, 11)))
    for i in range(20):
        await ann.say(f"m{i}")
    await eve.until(lambda seen: {*eve.seqs, *eve.missing} >= {*ann.seqs} - {1, 2})
    assert sorted(eve.missing) == sorted(loss.lost)
    assert not {*eve.missing} & {*eve.seqs}
    assert {one.kind for missing in eve.missing_events for one in missing.events} == {"sent"}


async def test_a_lost_tail_is_named_too(ann: Person, eve: Person, relay: DatagramRelay) -> None:
    Loss(relay, "the last word")
    said = await ann.say("the last word")
    await eve.until(lambda _: eve.missing)
    assert eve.missing == [said.seq]


async def test_of_what_is_no_message_the_kind_is_told(
    ann: Person, eve: Person, relay: DatagramRelay, enter: Enter
) -> None:
    relay.lose_down = lambda datagram: any(event.get("author") == "bob" for event in events_in(datagram))
    await enter("bob")
    await eve.until(lambda _: eve.missing)
    assert [one.kind for missing in eve.missing_events for one in missing.events] == ["joined"]


async def test_what_is_late_is_not_missing(ann: Person, eve: Person, relay: DatagramRelay) -> None:
    """An event that is overtaken by less than the client waits is shown, and not called missing."""
    late: list[bytes] = []

    def hold(datagram: bytes) -> bool:
        if any(event.get("text") == "late" for event in events_in(datagram)) and not late:
            late.append(datagram)
            return True
        return False

    relay.lose_down = hold
    await ann.say("late")
    said = await ann.say("after it")
    await eve.knows(said.seq)
    for client in relay.clients:
        relay.to_client(late[0], client)
    await eve.hears("late")
    assert eve.missing_events == []


async def test_an_event_that_comes_twice_is_seen_once(ann: Person, eve: Person, relay: DatagramRelay) -> None:
    copies: list[bytes] = []

    def copy(datagram: bytes) -> bool:
        copies.extend([datagram] * bool(events_in(datagram)))
        return False

    relay.lose_down = copy
    await ann.say("once")
    await eve.hears("once")
    for client in relay.clients:
        relay.to_client(copies[0], client)
    await ann.say("last")
    await eve.hears("last")
    assert eve.texts == ["once", "last"]


async def test_a_draft_without_an_answer_is_unconfirmed(
    ann: Person, eve: Person, relay: DatagramRelay
) -> None:
    relay.lose_up = lambda datagram: b'"say"' in datagram
    with pytest.raises(Unconfirmed, match="no answer in 3 s") as unconfirmed:
        await eve.say("is anybody there?")
    assert unconfirmed.value.n == 1
    relay.lose_up = lambda datagram: False
    said = await ann.say("we did not hear that")
    await ann.knows(said.seq)
    assert "is anybody there?" not in ann.texts


async def test_a_session_tells_which_of_its_lines_nobody_confirmed(
    technique: Technique, relay: DatagramRelay, ann: Person
) -> None:
    async def dial() -> ChatClient:
        return technique.load_client()(relay.address)

    relay.lose_up = lambda datagram: b"never arrives" in datagram
    session = Session(dial, Hello("lab", "eve"), resend=technique.traits.resend)
    ends: dict[int, str] = {}

    async def consume() -> None:
        async for batch in session.updates():
            for update in batch:
                if isinstance(update, Arrived) and update.draft:
                    ends[update.draft] = "arrived"
                elif isinstance(update, DraftMoved) and update.phase == "unconfirmed":
                    ends[update.draft] = update.phase

    async with asyncio.TaskGroup() as group:
        group.create_task(consume())
        async with session:
            tokens = [session.say(text) for text in ("one", "never arrives", "three")]
            await session.settled()
    assert [ends[token] for token in tokens] == ["arrived", "unconfirmed", "arrived"]
    await ann.hears("three")
    assert ann.texts == ["one", "three"]


# --- repaired ------------------------------------------------------------------------------------

REPAIR = {"repair": "on"}


@pytest.mark.parametrize("settings", [REPAIR], ids=["repair"])
async def test_what_got_lost_is_asked_for_and_comes_in_its_place(
    ann: Person, eve: Person, relay: DatagramRelay
) -> None:
    Loss(relay, *(f"m{i}" for i in (3, 4, 11, 19)))
    for i in range(20):
        await ann.say(f"m{i}")
    await eve.hears("m19")
    assert eve.texts == [f"m{i}" for i in range(20)]
    assert eve.missing_events == []
    assert one_chain(eve.seen)


@pytest.mark.parametrize("settings", [REPAIR], ids=["repair"])
async def test_it_is_asked_for_again_when_the_answer_gets_lost(
    ann: Person, eve: Person, relay: DatagramRelay
) -> None:
    pages = 0

    def lose(datagram: bytes) -> bool:
        nonlocal pages
        page = b'"page"' in datagram
        pages += page
        return b"once more" in datagram and not (page and pages > 2)

    relay.lose_down = lose
    await ann.say("once more")
    await eve.hears("once more")
    assert pages == 3


@pytest.mark.parametrize("settings", [REPAIR], ids=["repair"])
async def test_a_draft_is_sent_again_until_it_is_answered_and_said_once(
    ann: Person, eve: Person, relay: DatagramRelay
) -> None:
    tries = 0

    def lose_up(datagram: bytes) -> bool:
        nonlocal tries
        tries += b"insisting" in datagram
        return tries == 1 and b"insisting" in datagram

    relay.lose_up = lose_up
    relay.lose_down = lambda datagram: tries == 2 and b"insisting" in datagram
    ack = await eve.say("insisting")
    last = await ann.say("last")
    await ann.knows(last.seq)
    assert tries >= 3
    assert ack.n == 1
    assert ann.texts == ["insisting", "last"]


@pytest.mark.parametrize("faults", [{"loss": "0.3"}, {"dup": "0.5", "reorder": "0.5"}], ids=["loss", "chaos"])
@pytest.mark.both_loops
async def test_through_a_bad_network_everything_comes_in_order(
    technique: Technique, server: Serving, ann: Person, faults: dict[str, str]
) -> None:
    client = technique.load_client()(
        server.address, ClientOptions(settings={**REPAIR, **faults, "seed": "7"})
    )
    eve = Person(client, await client.connect(Hello("lab", "eve", Cursor(0))))
    eve.listen()
    for i in range(15):
        await asyncio.gather(ann.say(f"ann {i}"), eve.say(f"eve {i}"))
    last = await ann.say("last")
    await ann.knows(last.seq)
    seen = await eve.knows(last.seq)
    assert eve.missing_events == []
    assert one_chain(seen)
    whole: list[Event] = sorted(ann.seen, key=lambda event: event.seq)
    assert [event for event in seen if event.seq >= whole[0].seq] == whole
    assert [text for text in eve.texts if text.startswith("eve")] == [f"eve {i}" for i in range(15)]
    await client.close()
    await eve.stop()
