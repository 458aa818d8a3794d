"""What docs/protocol.md promises and no `ChatClient` shows: how lines come, and how they are answered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat.domain.model import Limits
from chat.server.hub import Hub
from tests.support.kit import Serving
from tests.support.raw import RawPeer

pytestmark = pytest.mark.parametrize("technique", ["tcp"], indirect=True)


@pytest.fixture
def limits() -> Limits:
    return Limits(burst=0)


@pytest.fixture
async def peer(server: Serving) -> AsyncIterator[RawPeer]:
    async with await RawPeer.open(server.address) as peer:
        yield peer


HELLO = b'{"kind":"hello","nick":"ann"}\n'


async def texts(peer: RawPeer, count: int) -> list[str]:
    return [(await peer.until("sent"))["text"] for _ in range(count)]


# --- framing -------------------------------------------------------------------------------------


async def test_lines_behind_the_hello_are_served_when_the_seat_is_taken(peer: RawPeer) -> None:
    await peer.send(HELLO + b'{"kind":"say","text":"one"}\n{"kind":"say","text":"two"}\n')
    assert await texts(peer, 2) == ["one", "two"]


@pytest.mark.both_loops
async def test_one_write_may_hold_very_many_lines(peer: RawPeer) -> None:
    await peer.send(HELLO + b"".join(b'{"kind":"say","text":"%d"}\n' % i for i in range(3000)))
    assert await texts(peer, 3000) == [str(i) for i in range(3000)]


@pytest.mark.both_loops
async def test_one_line_may_come_in_very_many_writes(peer: RawPeer) -> None:
    for byte in HELLO + b'{"kind":"say","text":"slowly"}\n':
        await peer.send(bytes([byte]))
    assert await texts(peer, 1) == ["slowly"]


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind":"say","text":"x"}\r\n',
        b' \t{ "kind" : "say" , "text" : "x" } \n',
        b'\n\r\n  \n{"kind":"say","text":"x"}\n',
        b'{"text":"x","kind":"say"}\n',
        b'{"text":"not this","kind":"say","text":"x"}\n',
        b'{"kind":"say","text":"x","new":{"in":["version",2]}}\n',
        b'{"kind":"say","text":"\\u0078"}\n',
    ],
)
async def test_the_same_line_may_be_written_in_many_ways(peer: RawPeer, line: bytes) -> None:
    await peer.send(HELLO + line)
    assert await texts(peer, 1) == ["x"]
    assert [line["kind"] for line in peer.lines] == ["welcome", "opened", "joined", "sent"]


async def test_a_pair_of_surrogate_escapes_is_one_character(peer: RawPeer) -> None:
    await peer.send(HELLO + b'{"kind":"say","text":"\\ud83d\\ude00"}\n')
    assert await texts(peer, 1) == ["😀"]


# --- answers -------------------------------------------------------------------------------------


async def test_the_welcome_comes_before_everything_else(peer: RawPeer) -> None:
    await peer.send(HELLO)
    assert (await peer.line())["kind"] == "welcome"


async def test_requests_are_answered_in_their_order(peer: RawPeer) -> None:
    kinds = ("ping", "history", "members", "history", "ping", "members") * 20
    await peer.send(HELLO)
    for ref, kind in enumerate(kinds, 1):
        await peer.say(kind=kind, ref=ref)
    answers: list[int] = []
    while len(answers) < len(kinds):
        line = await peer.line()
        if "ref" in line:
            answers.append(line["ref"])
    assert answers == list(range(1, len(kinds) + 1))


async def test_a_draft_without_a_number_is_counted_by_the_server(peer: RawPeer) -> None:
    await peer.enter("ann")
    for message in ({"text": "one"}, {"text": "two", "n": 10}, {"text": "three", "n": 0}):
        await peer.say(kind="say", **message)
    assert [(await peer.until("sent"))["n"] for _ in range(3)] == [1, 10, 11]


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        ({"kind": "say", "n": 5, "text": 5}, {"n": 5}),
        ({"kind": "history", "ref": 6, "limit": "all"}, {"ref": 6}),
        ({"kind": "say", "n": "five", "text": "x"}, {}),
        ({"kind": "say", "n": 2**53, "text": "x"}, {}),
    ],
)
async def test_a_line_that_is_not_understood_is_answered_by_the_number_it_has(
    peer: RawPeer, message: dict[str, Any], numbers: dict[str, int]
) -> None:
    await peer.enter("ann")
    await peer.say(**message)
    error = await peer.until("error")
    assert {key: error[key] for key in ("n", "ref") if key in error} == numbers


async def test_absent_fields_stand_for_nothing(peer: RawPeer) -> None:
    await peer.enter("ann")
    opened = await peer.until("opened")
    assert set(opened) == {"kind", "seq", "prev", "at", "text"}


# --- going ---------------------------------------------------------------------------------------


@pytest.mark.both_loops
async def test_what_was_said_before_the_leave_is_heard_and_the_own_left_is_the_last_line(
    peer: RawPeer,
) -> None:
    await peer.send(
        HELLO + b'{"kind":"say","text":"bye"}\n{"kind":"leave"}\n{"kind":"say","text":"no more"}\n'
    )
    assert [line["kind"] for line in await peer.end()] == ["welcome", "opened", "joined", "sent", "left"]


@pytest.mark.both_loops
@pytest.mark.both_loops
async def test_what_came_before_a_half_close_is_answered_and_the_seat_is_kept(
    peer: RawPeer, server: Serving, hub: Hub
) -> None:
    lines = b"".join(b'{"kind":"say","text":"%d"}\n' % i for i in range(1000))
    await peer.send(HELLO + lines + b'{"kind":"history","ref":7,"limit":2}\n{"kind":"ping","ref":8}\n')
    peer.writer.write_eof()
    came = await peer.end()
    assert [line["text"] for line in came if line["kind"] == "sent"] == [str(i) for i in range(1000)]
    assert [line["ref"] for line in came if line["kind"] in ("page", "pong")] == [7, 8]
    assert not [line for line in came if line["kind"] in ("error", "left")]
    assert hub.seats == 1


@pytest.mark.both_loops
async def test_a_leave_before_a_half_close_is_answered_by_the_own_left(peer: RawPeer, hub: Hub) -> None:
    await peer.send(HELLO + b'{"kind":"say","text":"bye"}\n{"kind":"leave"}\n')
    peer.writer.write_eof()
    came = await peer.end()
    assert [line["kind"] for line in came] == ["welcome", "opened", "joined", "sent", "left"]
    assert hub.seats == 0


@pytest.mark.both_loops
async def test_a_half_close_of_an_idle_client_hangs_up_and_keeps_the_seat(
    peer: RawPeer, server: Serving, hub: Hub
) -> None:
    welcome = await peer.enter("ann")
    peer.writer.write_eof()
    await peer.end()
    assert hub.seats == 1
    async with await RawPeer.open(server.address) as again:
        assert (await again.enter("ann", seat_key=welcome["seat_key"]))["seat"] == welcome["seat"]


async def test_a_half_close_without_a_hello_is_the_end(peer: RawPeer) -> None:
    peer.writer.write_eof()
    assert await peer.end() == []


async def test_a_takeover_is_told_as_the_last_line(peer: RawPeer, server: Serving) -> None:
    welcome = await peer.enter("ann")
    async with await RawPeer.open(server.address) as again:
        await again.enter("ann", seat_key=welcome["seat_key"])
        last = (await peer.end())[-1]
    assert (last["kind"], last["code"]) == ("error", "seat_taken")
    assert json.dumps(last).count("ref") == 0
