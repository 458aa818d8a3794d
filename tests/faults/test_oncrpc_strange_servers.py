"""Servers that are none, or not ours, or broken: the client says so, with an error of the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

import backends.oncrpc.client
from backends.oncrpc.client import OncRpcClient
from chat.domain.errors import BadRequest, ChatError, ConnectionLost
from chat.domain.model import Hello, Member, Say
from chat.interfaces.address import Address
from protos.chat_xdr import (
    CHAT_JOIN,
    CHAT_MEMBERS,
    CHAT_SEEN,
    chat_error,
    chat_limits,
    chat_member,
    chat_status,
    draft_res,
    join_ok,
    join_res,
    members_ok,
    members_res,
)
from tests.support.oncrpc_peer import LAST, SUCCESS, marked, words

Answer = Callable[[bytes, int], bytes]
"""Takes a call's xid and procedure; returns what goes back on the stream."""

LIMITS = chat_limits(4000, 24, 96, 65536, 50, 10.0, 200, 200, 15.0, 1000, 2000)
JOINED = join_res(chat_status.CHAT_OK, join_ok("lab", "ann", "s", "key", "epoch", 1, 2, 0, 0, LIMITS))
NOBODY = members_res(chat_status.CHAT_OK, members_ok([], False))


class Strange:
    """A server that answers every call as it is told, and hangs up where that is nothing."""

    def __init__(self) -> None:
        self.answer: Answer = lambda xid, procedure: b""
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = Address(*self._server.sockets[0].getsockname())

    async def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big") & ~LAST
                call = await reader.readexactly(size)
                answer = self.answer(call[:4], int.from_bytes(call[20:24], "big"))
                if not answer:
                    writer.close()
                    return
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest.fixture
async def strange() -> AsyncIterator[Strange]:
    strange = Strange()
    await strange.start()
    yield strange
    await strange.stop()


@pytest.fixture
async def client(strange: Strange) -> AsyncIterator[OncRpcClient]:
    client = OncRpcClient(strange.address)
    yield client
    await client.close()


def always(behind_the_xid: bytes) -> Answer:
    return lambda xid, procedure: marked(xid + behind_the_xid)


STRANGE: dict[str, tuple[Answer, type[ChatError], str]] = {
    "hangs up": (lambda xid, procedure: b"", ConnectionLost, "closed the connection"),
    "speaks HTTP": (lambda xid, procedure: b"HTTP/1.1 400\r\n\r\n", ConnectionLost, "does not speak oncrpc"),
    "sends calls": (always(words(0, 2, 1, 1, 1)), ConnectionLost, "does not speak oncrpc"),
    "sends an empty record": (lambda xid, procedure: marked(b""), ConnectionLost, "does not speak oncrpc"),
    "announces 2 MB": (lambda xid, procedure: words(LAST | 2**21), ConnectionLost, "1048576 bytes"),
    "has no header": (always(words(1)), ConnectionLost, "does not speak oncrpc"),
    "has another program": (always(words(1, 0, 0, 0, 1)), ConnectionLost, "PROG_UNAVAIL"),
    "has another version": (always(words(1, 0, 0, 0, 2, 2, 3)), ConnectionLost, "has versions 2 to 3"),
    "has another RPC": (always(words(1, 1, 0, 3, 4)), ConnectionLost, "speaks RPC 3 to 4"),
    "wants credentials": (always(words(1, 1, 1, 5)), ConnectionLost, "auth_stat 5"),
    "has no such procedure": (always(words(1, 0, 0, 0, 3)), BadRequest, "no procedure CHAT_JOIN"),
    "has another contract": (always(words(1, 0, 0, 0, 4)), BadRequest, "it has another chat.x"),
    "fails": (always(words(1, 0, 0, 0, 5)), ChatError, "CHAT_JOIN failed in the server"),
    "answers with nothing": (always(SUCCESS), ConnectionLost, "cut off"),
    "answers with too much": (always(SUCCESS + JOINED.encode() + bytes(4)), ConnectionLost, "left over"),
    "has an unknown status": (always(SUCCESS + words(99)), ConnectionLost, "no value 99"),
}


@pytest.mark.parametrize("name", STRANGE)
async def test_what_is_no_chat_server_is_said_to_be_none(
    strange: Strange, client: OncRpcClient, name: str
) -> None:
    strange.answer, kind, reason = STRANGE[name]
    with pytest.raises(ChatError, match=reason) as refused:
        await client.connect(Hello("lab", "ann"))
    assert type(refused.value) is kind


async def test_who_takes_the_connection_and_says_nothing_is_not_waited_for_for_ever(
    client: OncRpcClient, strange: Strange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends.oncrpc.client, "WELCOME_TIMEOUT", 0.05)
    strange.answer = lambda xid, procedure: marked(b"\0\0\0\0" + SUCCESS)  # somebody else's
    with pytest.raises(ConnectionLost, match="does not answer"):
        await client.connect(Hello("lab", "ann"))


async def test_an_older_server_is_asked_once_how_far_members_have_read_and_then_for_the_members(
    strange: Strange, client: OncRpcClient
) -> None:
    asked: list[int] = []
    there = members_res(chat_status.CHAT_OK, members_ok([chat_member("s", "ann", "oncrpc")], False))
    results = {CHAT_JOIN: JOINED, CHAT_MEMBERS: there}

    def answer(xid: bytes, procedure: int) -> bytes:
        asked.append(procedure)
        known = procedure in results
        return marked(xid + (SUCCESS + results[procedure].encode() if known else words(1, 0, 0, 0, 3)))

    strange.answer = answer
    await client.connect(Hello("lab", "ann"))
    for _ in range(2):
        assert await client.members() == [Member("s", "ann", "oncrpc")]
    assert asked == [CHAT_JOIN, CHAT_MEMBERS, CHAT_SEEN, CHAT_MEMBERS, CHAT_MEMBERS]


async def test_what_the_server_breaks_off_may_have_happened(strange: Strange, client: OncRpcClient) -> None:
    results = {CHAT_JOIN: JOINED, CHAT_MEMBERS: NOBODY}
    strange.answer = lambda xid, procedure: (
        marked(xid + SUCCESS + results[procedure].encode()) if procedure in results else b""
    )
    assert (await client.connect(Hello("lab", "ann"))).limits.page == 200
    with pytest.raises(ConnectionLost, match="the server closed the connection"):
        await client.send(Say("hello?", 1))
    with pytest.raises(ConnectionLost):
        await anext(client.events())


async def test_a_refusal_that_can_draw_is_made_harmless(strange: Strange, client: OncRpcClient) -> None:
    refusal = draft_res(chat_status.CHAT_FULL, chat_error("\x1b[2J", 0, 0))  # of any union the same bytes
    strange.answer = always(SUCCESS + refusal.encode())
    with pytest.raises(ChatError, match=r"\\u001b\[2J"):
        await client.connect(Hello("lab", "ann"))
