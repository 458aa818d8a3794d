"""What polls over REST cost, how many can wait, and what a client does when its server is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from backends.rest.client import RestClient
from chat.domain.errors import ChatError, ConnectionLost, NotStored
from chat.domain.model import Ack, Cursor, Edit, Hello, Limits, Say
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.server.hub import Hub
from tests.support.http_peer import HttpPeer
from tests.support.kit import Connect, Serving
from tests.support.people import Person
from tests.support.relay import Relay

pytestmark = pytest.mark.parametrize("technique", ["rest"], indirect=True)

EMPTY_POLL = 350
"""Bytes that a poll with nothing new costs at most, both ways together, with all its credentials."""
CROWD = 1000


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def relay(server: Serving) -> AsyncIterator[Relay]:
    relay = Relay(server.address)
    await relay.start()
    yield relay
    await relay.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what nobody tells of."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)


def polling(interval: str) -> ClientOptions:
    return ClientOptions(settings={"poll": interval})


# --- what a poll costs ---------------------------------------------------------------------------


@pytest.mark.parametrize("access", ["correct horse battery"])
@pytest.mark.parametrize("interval", ["0.05", "long"])
async def test_a_poll_with_nothing_new_is_small(
    relay: Relay, access: str, interval: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.transport.polling_client.WAIT", 1.0)  # a long poll ends after a second
    client = RestClient(relay.address, polling(interval))
    person = Person(client, await client.connect(Hello("lab", "ann", access=access)))
    person.listen()
    await person.sees("joined", "ann")
    await until(lambda: client._polls.empty >= 1)
    relay.up = relay.down = b""
    await until(lambda: relay.down.endswith(b"\r\n\r\n"))
    up, down = relay.up.split(b"\r\n\r\n"), relay.down.split(b"\r\n\r\n")
    assert up[0].startswith(b"GET /rooms/lab/events?after=")
    for credential in (b"\r\nAuthorization: Bearer ", b"\r\nSeat-Key: ", b"\r\nIf-None-Match: "):
        assert credential in up[0]
    assert down[0].startswith(b"HTTP/1.1 304 ")
    assert len(up[0]) + 4 + len(down[0]) + 4 <= EMPTY_POLL
    await client.close()
    await person.stop()


async def test_the_status_bar_counts_polls_and_those_in_vain(connect: Connect) -> None:
    client, _ = await connect("ann")
    assert client.activity() == "polls 0, empty 0"
    person = Person(client, _)
    person.listen()
    await until(lambda: client.activity() == "polls 3, empty 2")
    client.earlier = Counter(polls=21, empty=14)  # of the connections before
    assert (
        client.activity() == f"polls {21 + client.counted()['polls']}, empty {14 + client.counted()['empty']}"
    )
    await client.close()
    await person.stop()


async def test_a_client_closes_in_the_middle_of_a_long_poll(server: Serving) -> None:
    client = RestClient(server.address, polling("long"))
    person = Person(client, await client.connect(Hello("lab", "ann")))
    person.listen()
    await person.sees("joined", "ann")
    await client.close()
    assert await person.over is None


async def test_a_replay_of_long_texts_is_not_slowed_by_the_interval(
    server: Serving, connect: Connect
) -> None:
    writer, _ = await connect("writer")
    for n in range(1, 101):
        last = await writer.send(Say(f"{n}" + '"' * 3900, n))
    client = RestClient(server.address, polling("30"))
    person = Person(client, await client.connect(Hello("lab", "ann", cursor=Cursor(0))))
    person.listen()
    assert last is not None
    assert len(await person.knows(last.seq)) > 100
    assert len(await client.history(after=0, limit=80)) == len(await client.history(limit=80)) == 80
    await client.close()
    await person.stop()


# --- how many can wait ---------------------------------------------------------------------------


async def test_a_thousand_long_polls_wait_and_are_all_woken(server: Serving, hub: Hub) -> None:
    resource = pytest.importorskip("resource", reason="this system has no limits for open files")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * CROWD + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} open files, this system allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    async with contextlib.AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(await HttpPeer.open(server.address)) for _ in range(CROWD)]
        took = await peers[0].ask("POST", "/rooms/lab/seats", {"nick": "ann"})
        key, head = took.json["seat_key"], took.json["head"]
        for peer in peers[1:]:
            await peer.send(peer.request("GET", f"/rooms/lab/events?after={head}&wait=20"))
        await until(lambda: len(hub._rooms["lab"].long_polls) == CROWD - 1)
        await peers[0].ask("POST", "/rooms/lab/messages", {"text": "news"}, headers={"Seat-Key": key})
        for answer in await asyncio.gather(*(peer.answer() for peer in peers[1:])):
            assert [event["text"] for event in answer.json["events"]] == ["news"]
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- when the server is gone ---------------------------------------------------------------------


async def test_after_a_lost_answer_nothing_more_is_sent(relay: Relay, connect: Connect, hub: Hub) -> None:
    """What the session sends again must not come behind what followed it."""
    watcher = Person(*await connect("watcher"))
    watcher.listen()
    client = RestClient(relay.address, polling("30"))
    person = Person(client, await client.connect(Hello("lab", "ann")))
    person.listen()
    await person.sees("joined", "ann")
    append = hub.log.append

    def cut(room: str, body: Any, pending: Any) -> None:
        append(room, body, pending)
        hub.log.append = append  # type: ignore[method-assign]
        cutting.append(asyncio.ensure_future(relay.cut()))

    cutting: list[asyncio.Future[None]] = []
    hub.log.append = cut  # type: ignore[method-assign]
    drafts = [client.send(Say(f"m{n}", n)) for n in range(1, 5)]
    outcomes = await asyncio.gather(*drafts, return_exceptions=True)
    assert all(isinstance(outcome, ConnectionLost) for outcome in outcomes), outcomes
    assert isinstance(await person.over, ConnectionLost)
    await watcher.hears("m1")
    last = await watcher.say("last")
    assert [event.text for event in await watcher.knows(last.seq) if event.kind == "sent"] == ["m1", "last"]
    await asyncio.gather(*cutting)
    await client.close(leave=False)
    await person.stop()
    await watcher.stop()


async def test_a_refusal_does_not_end_the_connection(connect: Connect) -> None:
    client, _ = await connect("ann")
    outcomes = await asyncio.gather(
        *(client.send(draft) for draft in (Say("a", 1), Say("\a", 2), Edit(99, "x", 3), Say("b", 4))),
        return_exceptions=True,
    )
    assert [isinstance(outcome, Ack) for outcome in outcomes] == [True, False, False, True]
    assert [error.n for error in outcomes if isinstance(error, ChatError)] == [2, 3]


async def test_what_waits_behind_a_draft_does_not_overtake_it_when_it_is_refused_for_the_moment(
    connect: Connect, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = await connect("ann")
    append = hub.log.append

    def full(room: str, body: Any, pending: Any) -> None:
        monkeypatch.setattr(hub.log, "append", append)  # there is room again
        pending.failed(NotStored("the disk is full"))

    monkeypatch.setattr(hub.log, "append", full)
    drafts = [Say(f"m{n}", n) for n in (1, 2, 3)]
    outcomes = await asyncio.gather(*map(client.send, drafts), return_exceptions=True)
    assert [(type(one), getattr(one, "n", 0)) for one in outcomes] == [(NotStored, n) for n in (1, 2, 3)]
    acks = await asyncio.gather(*map(client.send, drafts))
    assert [ack.n for ack in acks if ack] == [1, 2, 3]
    said = await client.history(before=None, limit=3)
    assert [event.text for event in said] == ["m1", "m2", "m3"]


async def test_an_access_token_that_fits_in_no_header_is_refused(server: Serving) -> None:
    client = RestClient(server.address)
    for token in ("a\nb", " a", "a\ud800"):
        with pytest.raises(ChatError, match="header"):
            await client.connect(Hello("lab", "ann", access=token))
    await client.close()


# --- servers that are none -----------------------------------------------------------------------

HELLO = Hello("lab", "ann")
STRANGE = {
    "the line protocol": (b'{"kind":"error","code":"bad_request"}\n', "another technique may listen there"),
    "no HTTP": (b"what do you want?\r\n\r\n", "does not speak rest"),
    "HTML": (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
        "does not speak rest",
    ),
    "another 404": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP 404"),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "HTTP 302"),
    "another API's JSON": (
        b'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"id": 17}',
        "does not speak rest",
    ),
    "a problem that is none": (
        b"HTTP/1.1 409 x\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP 409",
    ),
    "nothing": (b"", "closed the connection"),
    "half an answer": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "closed the connection"),
}


@pytest.mark.parametrize("what", STRANGE)
async def test_a_strange_server_is_said_to_be_strange(what: str, technique: object) -> None:
    said, words = STRANGE[what]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        with contextlib.suppress(ConnectionError):
            writer.write(said)
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = Address(*server.sockets[0].getsockname())
    client = RestClient(address)
    with pytest.raises(ConnectionLost) as lost:
        await client.connect(HELLO)
    assert words in str(lost.value)
    assert str(address) in str(lost.value)
    await client.close()
    server.close()
    await server.wait_closed()


async def test_an_answer_that_is_a_byte_too_long_is_not_read(
    monkeypatch: pytest.MonkeyPatch, technique: object
) -> None:
    monkeypatch.setattr("chat.transport.http_client.MAX_ANSWER", 1000)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + bytes(1001))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = RestClient(Address(*server.sockets[0].getsockname()))
    with pytest.raises(ConnectionLost, match="an answer without an end"):
        await client.connect(HELLO)
    await client.close()
    server.close()
    await server.wait_closed()


async def test_a_server_that_says_nothing_is_said_to_be_silent(
    monkeypatch: pytest.MonkeyPatch, technique: object
) -> None:
    monkeypatch.setattr("chat.transport.http_client.ANSWER_TIMEOUT", 0.05)
    done, closed = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = RestClient(Address(*server.sockets[0].getsockname()))
    with pytest.raises(ConnectionLost, match="does not answer"):
        await client.connect(HELLO)
    await client.close()
    done.set()
    await closed.wait()
    server.close()
    await server.wait_closed()


async def test_a_host_that_cannot_be_found_is_named(technique: object) -> None:
    for host in ("nowhere.invalid", "a_b.invalid", "x" * 64 + ".invalid"):
        client = RestClient(Address(host, 1))
        with pytest.raises(ConnectionLost, match="cannot reach"):
            await client.connect(HELLO)
        await client.close()
