"""As people run it: ``chat serve`` in a process of its own, on uvloop, and clients on asyncio's loop.

The rest of the contract suite has both in one process and on one loop, to look at either side.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psutil
import pytest

import backends
from chat.domain.errors import BadText, NotYours
from chat.domain.model import Cursor, Hello
from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from tests.support.broker import address
from tests.support.kit import QUICK
from tests.support.node import serving
from tests.support.people import Enter, Person, one_chain

BURST = 40
"""Messages of each person at once: fewer than the rate limit lets through."""
ROOMS = itertools.count()
Served = tuple[subprocess.Popen[str], dict[str, Address]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server of every technique that has one, with the log on disk that it has by default."""
    ports = {label.name: 0 for label in backends.techniques() if label.server and not label.missing()}
    folder = tmp_path_factory.mktemp("as-it-runs") / "state"
    with serving(ports, CHAT_STATE_DIR=str(folder)) as running:
        yield running


@pytest.fixture
def where(technique: Technique, request: pytest.FixtureRequest) -> Iterator[Address]:
    """The technique's address; where a broker is the server, a server of ours keeps its log there as well."""
    if technique.server is not None:
        _, addresses = request.getfixturevalue("served")
        yield addresses[technique.name]
        return
    url = request.getfixturevalue("vhost")
    with serving({"tcp": 0}, CHAT_SERVE_LOG=url):
        yield address(url)


@pytest.fixture
async def enter(technique: Technique, where: Address) -> AsyncIterator[Enter]:
    """Lets people into a room of this test alone: the server is shared."""
    ours = f"{technique.name}-{next(ROOMS)}"
    people: list[Person] = []

    async def enter(nick: str, room: str = "", *, listen: bool = True, **hello: Any) -> Person:
        client = technique.load_client()(where, QUICK)
        people.append(Person(client, await client.connect(Hello(room or ours, nick, **hello))))
        if listen:
            people[-1].listen()
        return people[-1]

    yield enter
    for person in people:
        await person.client.close()
        await person.stop()


async def test_people_talk_correct_and_delete_and_read_back(ann: Person, bob: Person) -> None:
    said = await ann.say("tpyo 😀")
    oops = await ann.say("oops")
    await bob.knows(oops.seq)
    with pytest.raises(NotYours):
        await bob.edit(said.seq, "mine")
    with pytest.raises(BadText):
        await ann.say("bell \a")
    await ann.edit(said.seq, "typo 😀")
    last = await ann.delete(oops.seq)
    seen = sorted(await bob.knows(last.seq), key=lambda event: event.seq)
    told = [("sent", "tpyo 😀"), ("sent", "oops"), ("edited", "typo 😀"), ("deleted", "")]
    assert [(event.kind, event.text) for event in seen[-4:]] == told
    page = await bob.client.history(after=0, limit=50)
    assert one_chain(page)
    assert page[-4:] == seen[-4:]
    assert [member.nick for member in await bob.client.members()] == ["ann", "bob"]


async def test_what_many_say_at_once_reaches_everybody(
    ann: Person, bob: Person, technique: Technique
) -> None:
    acks = await asyncio.gather(
        *(person.say(f"{person.nick} {number}") for number in range(BURST) for person in (ann, bob))
    )
    last = max(ack.seq for ack in acks)
    for person in (ann, bob):
        seqs = [event.seq for event in await person.knows(last) if event.kind == "sent"]
        assert len(seqs) == len(set(seqs)), "nothing comes twice"
        if technique.traits.lossless:
            assert set(seqs) == {ack.seq for ack in acks}
        if technique.traits.ordered:
            assert seqs == sorted(seqs)


async def test_a_lost_connection_is_resumed_and_a_leave_is_seen(
    ann: Person, bob: Person, enter: Enter
) -> None:
    await bob.client.close(leave=False)
    said = await ann.say("meanwhile")
    cursor = Cursor(bob.welcome.head, bob.welcome.epoch)
    back = await enter("bob", seat_key=bob.welcome.seat_key, cursor=cursor)
    assert back.welcome.seat == bob.welcome.seat
    assert [event.seq for event in await back.knows(said.seq)] == [said.seq]
    await ann.client.close()
    await back.sees("left", "ann")


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what the process has loaded")
def test_the_server_has_loaded_uvloop(served: Served) -> None:
    """Only the code that runs on it imports it (tests/guards/test_cold_start.py)."""
    process, _ = served
    assert any("uvloop" in one.path for one in psutil.Process(process.pid).memory_maps())
