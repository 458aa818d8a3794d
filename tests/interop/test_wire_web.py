"""The decoders of rest and soap, with clients that others wrote: curl, axios and node-soap."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator

import pytest

import backends
from chat.interfaces.frames import Direction, Frame
from lab.wire.tap import Tap
from tests.support.captures import check_frames, decode, pieces
from tests.support.decoding import everything_shown
from tests.support.node import Start, serving
from tests.support.processes import PATIENCE

TOKEN = "the key of the house"
TEXT = "täglich & mehr"
CI = os.environ.get("CI") == "true"


@pytest.fixture
def tap() -> Iterator[Tap]:
    with Tap() as tap:
        yield tap


def frames_of(name: str, tap: Tap) -> list[Frame]:
    """Return what was said through the tap; fails if anything could not be decoded, or shows the token."""
    tap.cut()
    technique, capture = backends.technique(name), pieces(tap.capture.take())
    frames = decode(technique, capture)
    check_frames(frames, capture)
    # A client that quits may break off an answer to its poll.
    assert {frame.problem for frame in frames} <= {"", "cut off by the end of the connection"}
    assert not any(TOKEN in everything_shown(frame) for frame in frames)
    return frames


@pytest.mark.parametrize("name", ["rest", "soap"])
async def test_a_node_client_is_seen_as_ours_is(name: str, tap: Tap, start: Start) -> None:
    with serving({name: 0}, "--log", "memory", CHAT_TOKEN=TOKEN) as (_, addresses):
        node = await start(
            name, await asyncio.to_thread(tap.relay, addresses[name]), "node", CHAT_TOKEN=TOKEN
        )
        node.type(TEXT)
        await node.until(TEXT)
        assert await node.over() == (0, [])
        frames = await asyncio.to_thread(frames_of, name, tap)
    (up,) = [one for one in frames if one.direction is Direction.UP and TEXT in one.texts]
    assert (up.role, up.drafts) == ("message", {1})
    assert up.seqs
    assert any(one.direction is Direction.DOWN and one.seqs >= up.seqs for one in frames)
    assert {"setup", "poll"} <= {one.role for one in frames}


async def test_curl_is_seen_as_our_client_is(tap: Tap) -> None:
    curl = shutil.which("curl")
    if curl is None:
        if CI:
            pytest.fail("curl is missing: apt install curl", pytrace=False)
        pytest.skip("curl is missing: apt install curl")
    with serving({"rest": 0}, "--log", "memory", CHAT_TOKEN=TOKEN) as (_, addresses):
        here = await asyncio.to_thread(tap.relay, addresses["rest"])

        async def call(path: str, *options: str) -> str:
            process = await asyncio.create_subprocess_exec(
                *(curl, "-sS", "--noproxy", "*", "-H", f"Authorization: Bearer {TOKEN}", *options),
                f"http://{here}/rooms/lab{path}",
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
            return out.decode()

        typed = ("-H", "Content-Type: application/json")
        seat = await call("/seats", *typed, "-d", '{"nick": "curl"}')
        key = seat.partition('"seat_key":"')[2].partition('"')[0]
        chunked = ("-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue")
        text = f'{{"text": "{TEXT}"}}'
        assert '"seq"' in await call("/messages", *typed, *chunked, "-H", f"Seat-Key: {key}", "-d", text)
        assert TEXT in await call("/events?after=0", "--http2", "--compressed")
        frames = await asyncio.to_thread(frames_of, "rest", tap)
    assert not any(key in everything_shown(frame) for frame in frames)
    kinds = [(one.kind, one.role) for one in sorted(frames, key=lambda one: (one.connection, one.answer))]
    assert kinds == [
        *(("POST", "setup"), ("201", "setup")),
        *(("POST", "message"), ("100", "control"), ("201", "message")),
        *(("GET", "poll"), ("200", "message")),
    ]
