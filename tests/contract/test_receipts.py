"""The receipt of every technique equals a count of the bytes on the sockets, which is not the tap's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from chat.client.connect import Place
from chat.interfaces.frames import Direction
from chat.interfaces.technique import Technique
from lab.wire.send_one import measure
from lab.wire.totals import carries_nothing
from lab.wire.wiretap import Wiretap
from tests.support.kit import QUICK, Serving
from tests.support.node import Run
from tests.support.processes import CHAT
from tests.support.relay import DatagramRelay, Relay, relay_to

TEXT = "täglich hello"
SIZE = 14
"""UTF-8 bytes of the text."""
Counted = Relay | DatagramRelay


@pytest.fixture
async def counted(technique: Technique, server: Serving) -> AsyncIterator[Counted]:
    """A relay before the server: what it notes has passed, whatever a tap says."""
    if find_spec(technique.decoder.partition(":")[0]) is None:
        pytest.skip(f"{technique.name} has no decoder yet")
    relay = relay_to(server.address, technique)
    await relay.start()
    yield relay
    await relay.stop()


def where(counted: Counted) -> str:
    return counted.address.url or str(counted.address)


@pytest.fixture
def settings(technique: Technique) -> dict[str, str]:
    """No test waits a second for a client that polls."""
    known = {setting.name for setting in technique.settings}
    return {name: value for name, value in QUICK.settings.items() if name in known}


async def test_the_total_is_what_was_on_the_sockets(
    technique: Technique, counted: Counted, settings: dict[str, str], run: Run
) -> None:
    options = [word for name, value in settings.items() for word in (f"--{name}", value)]
    command = ("receipt", "--json", "--idle", "0", "-b", technique.name, "--server", where(counted))
    process = await run(*CHAT, *command, *options, TEXT)
    code, complaints = await process.over()
    assert (code, complaints) == (0, [])
    (line,) = process.lines
    cost = json.loads(line)
    assert cost["total"] == [len(counted.up), len(counted.down)]
    assert cost["receipt"]["text"] == SIZE


class Moment(asyncio.Lock):
    """Held while the message is sent: notes how many bytes the relay had counted before and after."""

    def __init__(self, counted: Counted) -> None:
        super().__init__()
        self.counted = counted
        self.places: list[tuple[int, int]] = []

    async def __aenter__(self) -> None:
        await super().__aenter__()
        self.places.append((len(self.counted.up), len(self.counted.down)))

    async def __aexit__(self, *exc_info: object) -> None:
        self.places.append((len(self.counted.up), len(self.counted.down)))
        await super().__aexit__(None, None, None)


async def test_the_message_is_what_was_on_the_sockets_while_it_was_sent(
    technique: Technique, counted: Counted, settings: dict[str, str], state_dir: Path
) -> None:
    moment = Moment(counted)
    place = Place(where(counted), state_dir, spawn=False)
    tap = Wiretap(technique, settings, state_dir)
    cost = await measure(technique, place, TEXT, 0.0, settings, moment, tap)
    assert tap.trace is not None
    before, after = moment.places
    for direction, counted_bytes in ((Direction.UP, counted.up), (Direction.DOWN, counted.down)):
        frames = [frame for frame in tap.trace.frames if frame.direction is direction]
        numbers = cost.receipt.numbers
        mine = [frame.data for frame in frames if frame.number in numbers]
        figure = cost.receipt.up if direction is Direction.UP else cost.receipt.down
        assert figure == sum(map(len, mine)) > SIZE
        idle = b"".join(one.data for one in frames if carries_nothing(one) and one.number not in numbers)
        rest = without(counted_bytes, mine, before[direction], after[direction])
        assert rest in idle, "the rest is polls, acknowledgements, pings"


def without(stream: bytes, parts: list[bytes], start: int, end: int) -> bytes:
    """Return the bytes from ``start`` to ``end`` that are in none of the parts, which follow one another.

    A part may begin before: a poll that was under way already when the message was sent.
    """
    rest = b""
    place = start
    for part in parts:
        found = stream.index(part, max(0, place - len(part)) if place == start else place)
        rest += stream[place:found]
        place = found + len(part)
    assert place <= end, "it was complete then"
    return rest + stream[place:end]
