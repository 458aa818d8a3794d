"""``kill -9`` of a UDP server: a client starts it again, and continues where it was."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

import backends
from chat.background import server
from chat.client.connect import Place, open_session
from tests.faults.test_killed_server import kill
from tests.support.talker import Talker

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="kills with a POSIX signal; on Windows nobody has tried it"
)


async def test_clients_get_their_seats_back_and_see_every_line_once(state_dir: Path) -> None:
    place, udp = Place(None, state_dir), backends.technique("udp")
    people = [Talker(open_session(place, udp, "lab", nick)) for nick in ("alice", "bob")]
    alice, bob = people
    async with asyncio.timeout(50):
        for round_ in range(3):
            alice.session.say(f"alice {round_}")
            bob.session.say(f"bob {round_}")
            for one in people:
                await one.until(2 * round_ + 2)
            await kill(state_dir)
            for one in people:  # a message before that would be lost
                await one.inside(round_ + 2)
        alice.session.say("last")
        for one in people:
            await one.until(7)
    assert sorted(alice.messages) == sorted(bob.messages)
    assert len({id for id, _ in bob.messages}) == 7
    assert [len(one.seats) for one in people] == [1, 1]
    for one in people:
        await one.close()
    await asyncio.to_thread(server.stop, state_dir)
