"""Calls with a whole header: each is answered with what is wrong, by the protocol or by the chat."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from chat.domain.model import Member
from chat.server.seat import HubSeat
from protos.chat_xdr import (
    CHAT_DELETE,
    CHAT_EDIT,
    CHAT_FETCH,
    CHAT_JOIN,
    CHAT_LEAVE,
    CHAT_MEMBERS,
    CHAT_NULL,
    CHAT_SEND,
    PROCEDURES,
    chat_cursor,
    chat_error,
    chat_status,
    delete_args,
    edit_args,
    join_args,
    leave_args,
    members_args,
    members_res,
    send_args,
)
from protos.xdr import Message
from tests.support.oncrpc_peer import SUCCESS, StreamPeer, after, opaque, words

pytestmark = pytest.mark.both_loops

# --- calls that are answered with what is wrong ----------------------------------------------------

PROG_UNAVAIL = words(1, 0, 0, 0, 1)
PROG_MISMATCH = words(1, 0, 0, 0, 2, 1, 1)
PROC_UNAVAIL = words(1, 0, 0, 0, 3)
GARBAGE_ARGS = words(1, 0, 0, 0, 4)
SYSTEM_ERR = words(1, 0, 0, 0, 5)
RPC_MISMATCH = words(1, 1, 0, 2, 2)
BADCRED = words(1, 1, 1, 1)
REJECTEDCRED = words(1, 1, 1, 2)

KEY = opaque(b"key")
AUTH_SYS = words(1) + opaque(b"host") + words(1000, 1000, 2, 4, 24)


def sys(credential: bytes) -> dict[str, Any]:
    return {"flavor": 1, "credential": credential}


ANSWERED: dict[str, tuple[int, bytes, dict[str, Any], bytes]] = {
    "an unknown program": (CHAT_NULL, b"", {"program": 100003}, PROG_UNAVAIL),
    "version 0": (CHAT_NULL, b"", {"version": 0}, PROG_MISMATCH),
    "version 9": (CHAT_NULL, b"", {"version": 9}, PROG_MISMATCH),
    "an unknown procedure": (99, b"", {}, PROC_UNAVAIL),
    "an unknown procedure with garbage": (99, b"garbage", {}, PROC_UNAVAIL),
    "a length of -1": (CHAT_LEAVE, words(0xFFFFFFFF), {}, GARBAGE_ARGS),
    "a text over its bound": (CHAT_SEND, KEY + words(0, 1) + opaque(4001 * b"x"), {}, GARBAGE_ARGS),
    "a list over its bound": (CHAT_LEAVE, words(65) + 68 * b"k", {}, GARBAGE_ARGS),
    "arguments that are cut off": (CHAT_SEND, KEY + words(0), {}, GARBAGE_ARGS),
    "no arguments": (CHAT_SEND, b"", {}, GARBAGE_ARGS),
    "no padding": (CHAT_LEAVE, words(3) + b"key", {}, GARBAGE_ARGS),
    "padding that is not zero": (CHAT_LEAVE, words(3) + b"key!", {}, GARBAGE_ARGS),
    "something left over": (CHAT_LEAVE, KEY + words(0), {}, GARBAGE_ARGS),
    "arguments where none belong": (CHAT_NULL, words(0), {}, GARBAGE_ARGS),
    "not UTF-8": (CHAT_SEND, KEY + words(0, 1) + opaque(b"\xc3("), {}, GARBAGE_ARGS),
    "a surrogate": (CHAT_SEND, KEY + words(0, 1) + opaque(b"\xed\xa0\x80"), {}, GARBAGE_ARGS),
    "an enum without that value": (CHAT_FETCH, KEY + words(9, 0, 0, 1, 0), {}, GARBAGE_ARGS),
    "a bool that is 2": (CHAT_JOIN, 4 * opaque(b"") + words(2, 0, 0, 0), {}, GARBAGE_ARGS),
    "RPC version 3": (CHAT_NULL, b"", {"rpc_version": 3}, RPC_MISMATCH),
    "AUTH_SYS": (CHAT_NULL, b"", sys(AUTH_SYS), SUCCESS),
    "AUTH_SYS that is garbled": (CHAT_NULL, b"", sys(AUTH_SYS[:-2]), BADCRED),
    "AUTH_SYS with something left over": (CHAT_NULL, b"", sys(AUTH_SYS + words(0)), BADCRED),
    "AUTH_SYS with 17 groups": (CHAT_NULL, b"", sys(AUTH_SYS[:-12] + words(17) + 17 * words(5)), BADCRED),
    "an unknown flavor": (CHAT_NULL, b"", {"flavor": 5}, REJECTEDCRED),
    "RPCSEC_GSS": (CHAT_NULL, b"", {"flavor": 6, "credential": bytes(20)}, REJECTEDCRED),
}


@pytest.mark.parametrize("name", ANSWERED)
async def test_a_call_with_a_whole_header_is_answered_with_what_is_wrong(peer: StreamPeer, name: str) -> None:
    procedure, arguments, other, answer = ANSWERED[name]
    assert await peer.reply(await peer.begin(procedure, arguments, **other)) == answer
    await peer.still_there()


def fails(*_: object, **__: object) -> None:
    raise RuntimeError("a mistake of ours")


async def fails_later(*_: object, **__: object) -> None:
    fails()


def too_long(seat: HubSeat) -> list[Any]:
    return [Member("s" * 65, "nick", "oncrpc")]


FAILURES: dict[str, tuple[str, Any, int, Any]] = {
    "at once": ("send", fails, CHAT_SEND, lambda key: send_args(key, 1, "hi")),
    "after a while": ("read", fails_later, CHAT_FETCH, lambda key: after(key, 0)),
    "with what has no bytes": ("members", too_long, CHAT_MEMBERS, lambda key: members_args(key, 0)),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_of_ours_is_one_calls_and_is_logged(
    peer: StreamPeer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    method, broken, procedure, argument = FAILURES[name]
    await peer.join("eve")
    with monkeypatch.context() as patch:
        patch.setattr(HubSeat, method, broken)
        assert await peer.reply(await peer.begin(procedure, argument(peer.seat_key))) == SYSTEM_ERR
    complaints = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.levelname for record in complaints] == ["ERROR"]
    assert complaints[0].exc_info is not None
    caplog.clear()
    await peer.still_there()


# --- calls that the chat refuses -------------------------------------------------------------------

BIG = 2**53


def entering(nick: str, room: str = "lab", cursor: int = 0) -> join_args:
    return join_args(room, nick, "", "", chat_cursor(cursor, ""))


REFUSED: dict[str, tuple[int, Callable[[str], Message], chat_status, int]] = {
    "a strange key": (CHAT_SEND, lambda _: send_args("guessed", 5, "hi"), chat_status.CHAT_SEAT_GONE, 5),
    "no key": (CHAT_LEAVE, lambda _: leave_args(""), chat_status.CHAT_SEAT_GONE, 0),
    "a draft over 2^53": (
        CHAT_SEND,
        lambda key: send_args(key, BIG, "hi"),
        chat_status.CHAT_BAD_REQUEST,
        BIG,
    ),
    "an id over 2^53": (CHAT_DELETE, lambda key: delete_args(key, 1, BIG), chat_status.CHAT_BAD_REQUEST, 1),
    "a seq over 2^53": (CHAT_FETCH, lambda key: after(key, 2**64 - 1), chat_status.CHAT_BAD_REQUEST, 0),
    "a cursor over 2^53": (CHAT_JOIN, lambda _: entering("x", cursor=BIG), chat_status.CHAT_BAD_REQUEST, 0),
    "NUL": (CHAT_SEND, lambda key: send_args(key, 3, "a\0b"), chat_status.CHAT_BAD_TEXT, 3),
    "no text": (CHAT_EDIT, lambda key: edit_args(key, 3, 2, ""), chat_status.CHAT_BAD_TEXT, 3),
    "a name that is taken": (CHAT_JOIN, lambda _: entering("BYSTANDER"), chat_status.CHAT_NICK_TAKEN, 0),
    "a name that is none": (CHAT_JOIN, lambda _: entering("a b"), chat_status.CHAT_BAD_NAME, 0),
    "a room that is none": (CHAT_JOIN, lambda _: entering("x", "../x"), chat_status.CHAT_BAD_NAME, 0),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_the_chat_refuses_is_a_result(peer: StreamPeer, name: str) -> None:
    procedure, argument, status, n = REFUSED[name]
    await peer.join("eve")
    kind = PROCEDURES[procedure].result
    assert kind is not None
    result: Any = await peer.call(procedure, argument(peer.seat_key), kind)
    assert result.status is status
    assert isinstance(result.value, chat_error)
    assert result.value.n == n
    assert result.value.text.isprintable()
    await peer.still_there()


async def test_members_beyond_the_last_are_none(peer: StreamPeer) -> None:
    await peer.join("eve")
    result = await peer.call(CHAT_MEMBERS, members_args(peer.seat_key, 2**32 - 1), members_res)
    assert result.encode() == words(0, 0, 0)
