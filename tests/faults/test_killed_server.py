"""``kill -9`` of the server while people talk: a client starts it again, and nobody loses a line."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat.background import server
from chat.client.connect import Place, open_session
from chat.interfaces.technique import Technique
from tests.support.talker import Talker

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="kills with a POSIX signal; on Windows nobody has tried it"
)

LINES = 40  # each; below the burst, so that nobody is paced
KILLS = 3
TIMEOUT = 100
"""Seconds: most of them are for the starts of servers."""


@pytest.fixture
async def people(technique: Technique, state_dir: Path) -> AsyncIterator[list[Talker]]:
    if technique.server is None:
        pytest.skip(f"{technique.name} has no server of ours; test_rabbitmq_broker.py kills the broker")
    if not technique.traits.resend:
        pytest.skip(f"{technique.name} sends nothing twice: what a killed server did not get is lost")
    place = Place(None, state_dir)
    everybody = [Talker(open_session(place, technique, "lab", nick)) for nick in ("alice", "bob", "carol")]
    yield everybody
    await asyncio.gather(*(one.close() for one in everybody))
    await asyncio.to_thread(server.stop, state_dir)


async def kill(folder: Path) -> None:
    record = await asyncio.to_thread(server.running, folder)
    if record is not None:
        os.kill(record.pid, signal.SIGKILL)


async def test_no_line_is_lost_doubled_or_out_of_order_and_nobody_loses_name_or_seat(
    people: list[Talker], state_dir: Path
) -> None:
    alice, bob, carol = people
    async with asyncio.timeout(TIMEOUT):
        for one in people:  # a seat whose key got lost on its way is taken back by nobody
            await one.inside()
        for number in range(LINES):
            alice.session.say(f"alice {number}")
            bob.session.say(f"bob {number}")
            if number % (LINES // KILLS) == 5:
                await carol.until(number)  # so that each kill finds lines committed, and some under way
                await kill(state_dir)
        for one in people:
            await one.until(2 * LINES)
        carol.session.say("back")
        for one in people:
            await one.until(2 * LINES + 1)
    assert alice.messages == bob.messages == carol.messages
    ids = [id for id, _ in carol.messages]
    assert ids == sorted(set(ids))
    for nick in ("alice", "bob"):
        said = [text for _, text in carol.messages if text.startswith(nick)]
        assert said == [f"{nick} {number}" for number in range(LINES)]
    assert [one.session.nick for one in people] == ["alice", "bob", "carol"]
    assert [len(one.seats) for one in people] == [1, 1, 1]
    kinds = [event.kind for event in alice.seen]
    assert kinds.count("joined") == 3
    assert "left" not in kinds
