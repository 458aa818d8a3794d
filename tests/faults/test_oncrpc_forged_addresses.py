"""ONC RPC over UDP: an address that is not proven gets hardly more bytes than came from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from backends.oncrpc import proof
from backends.oncrpc.proof import ALL_BURST, BURST, MAX_HOSTS, RATE, Proof, Surplus, bare
from backends.oncrpc.server import OncRpcServer
from chat.domain.model import Limits
from chat.server.hub import Hub
from protos.chat_xdr import (
    CHAT_FETCH,
    CHAT_JOIN,
    CHAT_MEMBERS,
    CHAT_SEND,
    chat_status,
    fetch_res,
    join_args,
    join_ok,
    join_res,
    members_args,
    members_res,
    send_args,
)
from tests.support.oncrpc_peer import SUCCESS, DatagramPeer, StreamPeer, after, header, serving
from tests.support.stage import Clock, Disk, running


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with running(Disk(), limits=Limits(burst=0)) as hub:
        yield hub


@pytest.fixture
async def server(hub: Hub) -> AsyncIterator[OncRpcServer]:
    async with serving(hub) as server:
        yield server


async def key_over_tcp(server: OncRpcServer) -> str:
    """Return the key of a seat in a room with long messages: of somebody who then forges addresses."""
    async with await StreamPeer.open(server.address) as ann:
        await ann.join("ann")
        for _ in range(3):
            await ann.say("x" * 2000)
        return ann.seat_key


async def test_without_the_cookie_of_the_address_no_page_is_sent(server: OncRpcServer) -> None:
    key = await key_over_tcp(server)
    elsewhere = Proof().add(key, "127.0.0.1")
    async with DatagramPeer.open(server.address) as victim:
        for shown in (key, f"{key}.", elsewhere):
            fetch, members = after(shown, 0), members_args(shown, 0)
            got = await victim.reply(await victim.begin(CHAT_FETCH, fetch))
            assert fetch_res.decode(got[len(SUCCESS) :]).status is chat_status.CHAT_CLOSING
            assert len(got) + 4 <= len(header(1, CHAT_FETCH) + fetch.encode())
            got = await victim.reply(await victim.begin(CHAT_MEMBERS, members))
            assert members_res.decode(got[len(SUCCESS) :]).status is chat_status.CHAT_CLOSING


async def test_with_the_key_that_join_told_pages_come(server: OncRpcServer) -> None:
    key = await key_over_tcp(server)
    async with DatagramPeer.open(server.address) as ann:
        result = await ann.call(CHAT_JOIN, join_args("lab", "ann", "", key, None), join_res)
        assert isinstance(result.value, join_ok)
        ann.seat_key = result.value.seat_key
        assert bare(ann.seat_key) == key
        assert len(await ann.texts()) == 3
    async with DatagramPeer.open(server.address) as other_port:
        other_port.seat_key = ann.seat_key
        assert len(await other_port.texts()) == 3
    async with await StreamPeer.open(server.address) as by_stream:
        by_stream.seat_key = ann.seat_key
        assert len(await by_stream.texts()) == 3


async def test_what_one_host_gets_besides_is_bounded_kept_replies_too(
    server: OncRpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "RATE", 0.0)
    call = header(1, CHAT_JOIN) + join_args("lab", "eve", "", "", None).encode()
    sent = 0
    async with DatagramPeer.open(server.address) as victim:
        for _ in range(100):  # the same call: but for the first time it is answered from the cache
            await victim.send(call)
            sent += len(call)
        await victim.still_there()
    assert 1000 < victim.received <= sent + BURST, "some replies came, and not all"


async def test_a_short_reply_needs_no_proof(server: OncRpcServer) -> None:
    key = await key_over_tcp(server)
    async with DatagramPeer.open(server.address) as ann:
        said = send_args(key, 0, "hi")
        for _ in range(50):
            assert len(await ann.reply(await ann.begin(CHAT_SEND, said))) + 4 <= len(said.encode()) + 40


async def test_a_host_gets_more_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    surplus = Surplus(asyncio.get_running_loop().time)
    assert surplus.allows("victim", BURST)
    assert not surplus.allows("victim", 100)
    assert surplus.allows("another", 100)
    await clock.advance(100 / RATE)
    assert surplus.allows("victim", 100)


def test_all_hosts_together_are_bounded_and_so_is_what_is_remembered() -> None:
    surplus = Surplus(lambda: 0.0)
    allowed = sum(surplus.allows(host, 200) for host in range(2 * MAX_HOSTS))
    assert allowed == ALL_BURST // 200
    assert len(surplus._hosts) == MAX_HOSTS
