"""Every trait that a technique claims, measured. What a technique does not claim is not asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chat.client.session import Session
from chat.client.session_events import Arrived, DraftMoved
from chat.domain.model import Cursor, Hello, Limits
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from chat.server.seat import HubSeat
from tests.support.kit import QUICK, Serving
from tests.support.people import Enter, Person, one_chain
from tests.support.relay import DatagramRelay, Relay, relay_to

ROOT = Path(__file__).parents[2]
WORDS = "the text is täglich on the wire"


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def relay(server: Serving, technique: Technique) -> AsyncIterator[Relay | DatagramRelay]:
    relay = relay_to(server.address, technique)
    await relay.start()
    yield relay
    await relay.stop()


# --- what is claimed about the connection --------------------------------------------------------


async def test_push_or_poll(
    technique: Technique, monkeypatch: pytest.MonkeyPatch, enter: Enter, hub: Hub
) -> None:
    if technique.server is None:
        pytest.skip(f"{technique.name} has no server of ours whose calls could be watched")
    calls: list[str] = []
    for name in ("attach", "read"):
        method = getattr(HubSeat, name)

        def spy(self: HubSeat, *args: Any, _name: str = name, _method: Any = method, **more: Any) -> Any:
            calls.append(_name)
            return _method(self, *args, **more)

        monkeypatch.setattr(HubSeat, name, spy)
    ann = await enter("ann")
    await ann.hears((await say_all(ann, 3))[-1])
    assert set(calls) == ({"attach"} if technique.traits.push else {"read"})


async def test_order(technique: Technique, ann: Person, bob: Person) -> None:
    texts = await say_all(ann, 500)
    if technique.traits.ordered:
        await bob.hears(texts[-1])
        assert bob.texts == texts
    else:
        await bob.until(lambda seen: len(seen) > 400)
        assert all(event.prev < event.seq for event in bob.seen), "what is out of order can be put in order"


@pytest.mark.both_loops
async def test_loss(technique: Technique, ann: Person, bob: Person) -> None:
    texts = await say_all(ann, 500)
    last = await bob.hears(texts[-1])
    if not technique.traits.lossless:
        missing = {event.prev for event in bob.seen} - {event.seq for event in bob.seen} - {0}
        page = [event for seq in missing for event in await bob.client.history(after=seq - 1, limit=1)]
        bob.seen += page
    seen = sorted({event.seq: event for event in bob.seen}.values(), key=lambda event: event.seq)
    assert one_chain([event for event in seen if event.seq <= last.seq])


async def say_all(person: Person, count: int) -> list[str]:
    texts = [f"m{i}" for i in range(count)]
    await asyncio.gather(*map(person.say, texts))
    return texts


# --- what is claimed about a break ---------------------------------------------------------------


@pytest.mark.both_loops
async def test_resending(technique: Technique, relay: Relay | DatagramRelay, enter: Enter) -> None:
    """Break the connection again and again while a session talks: every text arrives once, or is reported."""
    watcher = await enter("watcher", cursor=Cursor(0))

    async def dial() -> Any:
        return technique.load_client()(relay.address, QUICK)

    arrived: list[str] = []
    came = asyncio.Event()
    unconfirmed: set[int] = set()
    answered: set[int] = set()
    said: dict[int, str] = {}

    async def consume() -> None:
        async for batch in session.updates():
            for update in batch:
                if isinstance(update, Arrived) and update.event.kind == "sent":
                    arrived.append(update.event.text)
                if isinstance(update, Arrived) and update.draft:
                    answered.add(update.draft)
                if isinstance(update, DraftMoved) and update.phase in ("sent", "unconfirmed"):
                    answered.add(update.draft)
                    if update.phase == "unconfirmed":
                        unconfirmed.add(update.draft)
                came.set()

    session = Session(dial, Hello("lab", "ann"), resend=technique.traits.resend, jitter=lambda: -0.5)
    async with asyncio.TaskGroup() as group:
        group.create_task(consume())
        async with session:
            for i in range(60):
                said[session.say(f"m{i}")] = f"m{i}"
                if i % 20 == 10:
                    await session.settled(at_most=3)
                    await relay.cut()
            await session.settled()
            while answered < said.keys():
                came.clear()
                await came.wait()
            texts = [text for token, text in said.items() if token not in unconfirmed]
            await watcher.hears(texts[-1])
            while technique.traits.lossless and texts[-1] not in arrived:
                came.clear()  # a draft may be answered before a poll brings its event
                await came.wait()
    assert not (technique.traits.resend and unconfirmed)
    assert len(watcher.texts) == len(set(watcher.texts)), "nothing is said twice"
    assert [text for text in watcher.texts if text in texts] == texts, "nothing is lost or out of order"
    if technique.traits.ordered and technique.traits.lossless:
        assert arrived == watcher.texts


# --- what is claimed about the bytes -------------------------------------------------------------


async def test_text_or_binary_and_encrypted_or_not(
    technique: Technique, relay: Relay | DatagramRelay
) -> None:
    client = technique.load_client()(relay.address, QUICK)
    person = Person(client, await client.connect(Hello("lab", "ann")))
    person.listen()
    await person.say(WORDS)
    await person.hears(WORDS)
    await client.close()
    await person.stop()
    readable = all(
        part.decode(errors="replace").replace("\n", "").replace("\r", "").isprintable()
        for part in (relay.up, relay.down)
    )
    visible = WORDS.encode() in relay.up + relay.down
    seen = f"up begins with {relay.up[:60]!r}, down with {relay.down[:60]!r}"
    assert readable == (technique.traits.encoding == "text" and not technique.traits.encrypted), seen
    assert visible != technique.traits.encrypted, seen


async def test_the_contract_is_there_to_be_read(technique: Technique) -> None:
    assert (ROOT / technique.traits.contract).is_file()


async def test_who_stores(technique: Technique) -> None:
    assert (technique.server is None) == (technique.traits.stores == "broker")
