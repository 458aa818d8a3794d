"""The ONC RPC client over UDP: lost datagrams are sent again, and long answers come in several replies."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest

import backends.oncrpc.calls
from backends.oncrpc.client import OncRpcClient
from backends.oncrpc.datagrams import MAX_REPLY
from backends.oncrpc.server import OncRpcServer
from chat.domain.errors import ConnectionLost
from chat.domain.model import Hello, Limits
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.server.hub import Hub
from protos.chat_xdr import CHAT_NULL
from tests.support.oncrpc_peer import SUCCESS, DatagramRelay, header, serving, words
from tests.support.people import Person, one_chain
from tests.support.stage import enter

pytestmark = pytest.mark.both_loops

UDP = ClientOptions(settings={"transport": "udp"})


@pytest.fixture
async def server(hub: Hub) -> AsyncIterator[OncRpcServer]:
    async with serving(hub) as server:
        yield server


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def relay(server: OncRpcServer) -> AsyncIterator[DatagramRelay]:
    relay = DatagramRelay(server.address)
    server.address = await relay.start()
    yield relay
    relay.stop()


@pytest.fixture
async def ann(relay: DatagramRelay, server: OncRpcServer) -> AsyncIterator[Person]:
    client = OncRpcClient(server.address, UDP)
    person = Person(client, await client.connect(Hello("lab", "ann")))
    yield person
    await client.close()
    await person.stop()


async def test_a_client_talks_over_it(ann: Person, hub: Hub) -> None:
    ann.listen()
    said = await ann.say("tpyo")
    await ann.edit(said.seq, "typo")
    await ann.hears("typo")
    assert 0 < await ann.client.ping() < 60
    assert [member.nick for member in await ann.client.members()] == ["ann"]
    await ann.client.close()
    assert await ann.over is None
    assert ann.client.activity().startswith("over UDP, polls ")


async def test_a_long_history_comes_in_short_replies(ann: Person, relay: DatagramRelay) -> None:
    texts = [f"{number} " + 3900 * "x" for number in range(60)]
    for text in texts:
        await ann.say(text)
    last = (await ann.client.history(limit=200))[-1]
    for where in ({"after": 0}, {"before": last.seq + 1}, {}):
        events = await ann.client.history(limit=200, **where)
        assert one_chain(events)
        assert [event.text for event in events if event.kind == "sent"] == texts
    assert len(await ann.client.history(limit=7)) == 7
    ann.listen()
    await ann.hears(texts[-1])
    assert one_chain(ann.seen)
    assert max(map(len, relay.replies)) <= MAX_REPLY


async def test_many_members_come_in_short_replies(ann: Person, relay: DatagramRelay, hub: Hub) -> None:
    for number in range(300):
        await enter(hub, f"{number} {'🦜' * 20}".replace(" ", "-"))
    members = await ann.client.members()
    assert len({member.seat for member in members}) == 301
    assert max(map(len, relay.replies)) <= MAX_REPLY


async def test_who_leaves_while_members_are_asked_for_hides_nobody(
    ann: Person, relay: DatagramRelay, hub: Hub
) -> None:
    early = await enter(hub, "early")
    for number in range(200):
        await enter(hub, f"{number}{'🦜' * 20}")
    asked: list[int] = []

    def leave_after_the_first_page(number: int) -> bool:
        if not asked:
            early.leave()
        asked.append(number)
        return False

    relay.lose_reply = leave_after_the_first_page
    members = await ann.client.members()
    assert len(members) == len({member.seat for member in members})
    assert {member.nick for member in members} >= {f"{number}{'🦜' * 20}" for number in range(200)}


# --- what is lost ----------------------------------------------------------------------------------


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost is sent again at once."""
    monkeypatch.setattr(backends.oncrpc.calls, "RETRY", 0.01)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("what", ["calls", "replies"])
async def test_what_is_lost_is_sent_again_and_said_once(ann: Person, relay: DatagramRelay, what: str) -> None:
    if what == "calls":
        relay.lose_call = lambda number: number % 2 == 0
    else:
        relay.lose_reply = lambda number: number % 2 == 0
    for number in range(10):
        await ann.say(f"m{number}")
    events = await ann.client.history(limit=200)
    assert [event.text for event in events if event.kind == "sent"] == [f"m{n}" for n in range(10)]
    assert len(set(relay.calls)) < len(relay.calls), "the same bytes, xid and all"


@pytest.mark.usefixtures("soon")
async def test_who_is_never_answered_gives_up(ann: Person, relay: DatagramRelay) -> None:
    relay.lose_call = lambda number: True
    relay.calls.clear()
    with pytest.raises(ConnectionLost, match="asked 5 times"):
        await ann.say("hello?")
    assert len(relay.calls) == 5
    assert len(set(relay.calls)) == 1
    with pytest.raises(ConnectionLost):
        await ann.say("hello??")
    assert len(relay.calls) == 5


async def test_where_nobody_listens_that_is_said_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = Address(*taken.getsockname())
    client = OncRpcClient(address, UDP)
    with pytest.raises(ConnectionLost, match=f"nothing listens on {address}"):
        await client.connect(Hello("lab", "ann"))
    await client.close()


@pytest.mark.usefixtures("soon")
async def test_what_answers_no_call_is_passed_by(ann: Person, relay: DatagramRelay) -> None:
    relay.noise = [b"noise", header(1, CHAT_NULL), words(1) + SUCCESS]
    assert await ann.say("all the same") == await ann.say("all the same", n=1)
