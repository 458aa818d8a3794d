"""ONC RPC where the server asks for an access token: a seat key alone opens nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from backends.oncrpc.client import OncRpcClient
from backends.oncrpc.server import OncRpcServer
from chat.domain.model import Hello
from chat.interfaces.client import ClientOptions
from chat.server.hub import Hub
from protos.chat_xdr import (
    CHAT_DELETE,
    CHAT_EDIT,
    CHAT_FETCH,
    CHAT_JOIN,
    CHAT_LEAVE,
    CHAT_MEMBERS,
    CHAT_SEEN,
    CHAT_SEND,
    chat_status,
    delete_args,
    draft_res,
    edit_args,
    fetch_res,
    join_args,
    join_ok,
    join_res,
    leave_args,
    leave_res,
    members_args,
    members_res,
    seen_args,
    seen_res,
    send_args,
)
from protos.xdr import Message
from tests.support.oncrpc_peer import (
    SUCCESS,
    DatagramPeer,
    RpcPeer,
    StreamPeer,
    after,
    header,
    marked,
    opaque,
    serving,
    words,
)
from tests.support.people import Person
from tests.support.stage import Disk, running

TOKEN = "Sesam, öffne dich"
CALLS: dict[int, tuple[Any, type[Message]]] = {
    CHAT_SEND: (lambda key: send_args(key, 0, "in her name"), draft_res),
    CHAT_EDIT: (lambda key: edit_args(key, 0, 3, "changed"), draft_res),
    CHAT_DELETE: (lambda key: delete_args(key, 0, 3), draft_res),
    CHAT_FETCH: (lambda key: after(key, 0), fetch_res),
    CHAT_MEMBERS: (lambda key: members_args(key, 0), members_res),
    CHAT_SEEN: (lambda key: seen_args(key, 0), seen_res),
    CHAT_LEAVE: (leave_args, leave_res),
}


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    async with running(Disk(), access=TOKEN) as hub:
        yield hub


@pytest.fixture
async def server(hub: Hub) -> AsyncIterator[OncRpcServer]:
    async with serving(hub) as server:
        yield server


async def opened(transport: str, server: OncRpcServer) -> Any:
    return await StreamPeer.open(server.address) if transport == "tcp" else DatagramPeer.open(server.address)


def showing(token: str) -> dict[str, Any]:
    """Return a header's credentials: AUTH_SYS, with the token as the machine name."""
    return {"flavor": 1, "credential": words(0) + opaque(token.encode()) + words(0, 0, 0)}


async def ask(peer: RpcPeer, procedure: int, key: str, **other: Any) -> chat_status:
    argument, result = CALLS[procedure]
    answer = await peer.reply(await peer.begin(procedure, argument(key), **other))
    status: Any = result.decode(answer[len(SUCCESS) :])
    return chat_status(status.status)


async def join(peer: RpcPeer, access: str, nick: str = "ann", **other: Any) -> join_ok:
    argument = join_args("lab", nick, access, "", None)
    answer = await peer.reply(await peer.begin(CHAT_JOIN, argument, **other))
    joined = join_res.decode(answer[len(SUCCESS) :]).value
    assert isinstance(joined, join_ok), joined
    return joined


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("procedure", CALLS)
async def test_a_seat_key_without_the_token_opens_nothing(
    server: OncRpcServer, transport: str, procedure: int
) -> None:
    async with await opened(transport, server) as ann, await opened(transport, server) as eve:
        joined = await join(ann, TOKEN)
        said = await ann.reply(
            await ann.begin(CHAT_SEND, send_args(joined.seat_key, 1, "hers"), **showing(TOKEN))
        )
        assert draft_res.decode(said[len(SUCCESS) :]).value.seq == 3  # type: ignore[union-attr]
        for credentials in ({}, showing("localhost"), showing(TOKEN[:-1])):
            assert await ask(eve, procedure, joined.seat_key, **credentials) is chat_status.CHAT_ACCESS_DENIED
        assert await ask(eve, procedure, joined.seat_key, **showing(TOKEN)) is chat_status.CHAT_OK


async def test_over_tcp_a_connection_has_shown_the_token_once_it_has_joined(server: OncRpcServer) -> None:
    async with await StreamPeer.open(server.address) as ann:
        key = (await join(ann, TOKEN)).seat_key
        assert await ask(ann, CHAT_SEND, key) is chat_status.CHAT_OK
        assert await ask(ann, CHAT_SEND, key, **showing("her machine")) is chat_status.CHAT_OK


async def test_what_comes_together_is_told_apart_by_key_program_and_credentials(server: OncRpcServer) -> None:
    async with await StreamPeer.open(server.address) as ann, await StreamPeer.open(server.address) as eve:
        joined = await join(ann, TOKEN)
        other = await join(eve, TOKEN, nick="eve")

        def send(xid: int, key: str, text: str = "hi", **head: Any) -> bytes:
            return marked(header(xid, CHAT_SEND, **head) + send_args(key, 0, text).encode())

        shown = showing(TOKEN)
        calls = [
            send(1, joined.seat_key, **shown),
            send(2, joined.seat_key, "hers", **shown),
            send(3, other.seat_key, "his", **shown),
            send(4, other.seat_key, "his, too", **shown),
            send(5, "nobody", **shown),
            send(6, "nobody", **shown),
            send(7, joined.seat_key, program=5),
            send(8, joined.seat_key, program=5),
            send(9, joined.seat_key, flavor=3),
            send(10, joined.seat_key, flavor=3),
            send(11, joined.seat_key, "", **shown),
            send(12, joined.seat_key, "last", **shown),
        ]
        await eve.raw(b"".join(calls))
        answers = [await eve.reply(xid) for xid in range(1, 13)]
        said = [draft_res.decode(answers[place][len(SUCCESS) :]).status.name for place in (4, 5, 10)]
        assert said == ["CHAT_SEAT_GONE", "CHAT_SEAT_GONE", "CHAT_BAD_TEXT"]
        assert answers[6] == answers[7] == words(1, 0, 0, 0, 1)  # PROG_UNAVAIL
        assert answers[8] == answers[9] == words(1, 1, 1, 2)  # AUTH_ERROR, AUTH_REJECTEDCRED
        eve.seat_key = other.seat_key
        events = [event for event in await eve.fetch(0) if event.kind.name == "CHAT_SENT"]
        assert [(event.author, event.text) for event in events] == [
            ("ann", "hi"),
            ("ann", "hers"),
            ("eve", "his"),
            ("eve", "his, too"),
            ("ann", "last"),
        ]


async def test_over_udp_every_call_shows_it(server: OncRpcServer) -> None:
    async with DatagramPeer.open(server.address) as ann:
        key = (await join(ann, TOKEN)).seat_key
        assert await ask(ann, CHAT_SEND, key) is chat_status.CHAT_ACCESS_DENIED
        assert await ask(ann, CHAT_SEND, key, **showing(TOKEN)) is chat_status.CHAT_OK


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_the_credentials_let_one_join_too(server: OncRpcServer, transport: str) -> None:
    async with await opened(transport, server) as ann:
        assert (await join(ann, "", **showing(TOKEN))).nick == "ann"


async def test_a_reply_that_is_kept_is_not_for_a_call_without_the_token(server: OncRpcServer) -> None:
    async with DatagramPeer.open(server.address) as ann:
        key = (await join(ann, TOKEN)).seat_key
        arguments = send_args(key, 0, "hi").encode()
        statuses = []
        for credentials in (showing(TOKEN), {}):
            await ann.send(header(99, CHAT_SEND, **credentials) + arguments)
            statuses.append(draft_res.decode((await ann.reply(99))[len(SUCCESS) :]).status)
        assert statuses == [chat_status.CHAT_OK, chat_status.CHAT_ACCESS_DENIED]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_our_client_shows_it_with_every_call(server: OncRpcServer, transport: str) -> None:
    client = OncRpcClient(server.address, ClientOptions(settings={"transport": transport}))
    person = Person(client, await client.connect(Hello("lab", "ann", access=TOKEN)))
    person.listen()
    await person.say("hello")
    await person.sees("sent", "ann")
    await client.close()
    await person.stop()
