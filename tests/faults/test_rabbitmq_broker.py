"""``kill -9`` of the broker while people talk: it is started again, and nobody loses a line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import backends
from backends.rabbitmq import base_client
from backends.rabbitmq.private import PrivateBroker
from chat.client.connect import Place, open_session
from chat.domain.errors import ConnectionLost
from chat.domain.model import Limits
from tests.support.broker import QUEUE_SETTLES
from tests.support.talker import Talker

LINES = 1000


@pytest.fixture
async def people(
    own_broker: PrivateBroker, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[Talker]]:
    # A thousand lines, and not at 10/s; and a slow machine restarts the broker within the grace time.
    monkeypatch.setattr(base_client, "Limits", lambda: Limits(burst=0, grace=60.0))
    place, label = Place(own_broker.url, state_dir), backends.technique("rabbitmq")
    everybody = [Talker(open_session(place, label, "lab", nick)) for nick in ("alice", "bob", "carol")]
    for one in everybody:
        await one.inside()
    await asyncio.sleep(QUEUE_SETTLES)
    yield everybody
    await asyncio.gather(*(one.close() for one in everybody))


@pytest.mark.timeout(120)
async def test_a_thousand_lines_across_a_kill_and_a_restart_are_everybodys_each_once_and_in_order(
    people: list[Talker], own_broker: PrivateBroker
) -> None:
    said: dict[str, list[str]] = {one.session.nick: [] for one in people}
    restarting: asyncio.Future[None] | None = None
    for number in range(LINES):
        speaker = people[number % 3].session
        said[speaker.nick].append(f"{speaker.nick} {number}")
        speaker.say(f"{speaker.nick} {number}")
        if number == 400:
            await people[0].until(300)  # so that some are stored, and some under way
            await asyncio.to_thread(own_broker.kill)
            restarting = asyncio.ensure_future(asyncio.to_thread(own_broker.start))
    assert restarting is not None
    await restarting
    for one in people:
        await one.until(LINES)
    alice, bob, carol = people
    assert alice.messages == bob.messages == carol.messages
    ids = [id for id, _ in carol.messages]
    assert ids == sorted(set(ids))
    for nick, lines in said.items():
        assert [text for _, text in carol.messages if text.startswith(nick)] == lines
    assert [len(one.seats) for one in people] == [1, 1, 1], "nobody had to come in anew"


async def test_where_no_broker_is_that_is_said_and_what_to_do(state_dir: Path) -> None:
    label = backends.technique("rabbitmq")
    session = open_session(Place("amqp://127.0.0.1:9", state_dir), label, "lab", "ann", give_up=0.1)
    async with session:
        async for _ in session.updates():
            pass
    assert isinstance(session.outcome, ConnectionLost)
    assert "no broker listens on 127.0.0.1:9: start one (docker compose up -d rabbitmq)" in str(
        session.outcome
    )
