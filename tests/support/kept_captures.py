"""The kept captures in docs/captures: one `hello` over each technique, from real traffic.

``python -m tests.support.kept_captures [NAME ...]`` records them anew. A real client talks to a real server
through a tap; only the clock and the random numbers stand still, so that what is random in one run is the
same in the next. The pages and the pictures show what today's decoders make of them.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import backends
from chat.client.connect import Place, open_session
from chat.client.session import Session
from chat.domain.model import Limits
from chat.interfaces.address import Address
from chat.interfaces.frames import Direction, Frame
from chat.interfaces.server import ServerOptions
from chat.interfaces.technique import Technique
from chat.interfaces.tls import Trust
from chat.server.hub import Hub
from chat.server.logs.memory import MemoryLog
from lab.wire.capture import Capture, Chunk, Transport
from lab.wire.receipt import Receipt, receipt
from lab.wire.send_one import Cost, measure
from lab.wire.tap import Tap
from lab.wire.trace import Trace
from lab.wire.wiretap import Wiretap

FOLDER = Path(__file__).parents[2] / "docs" / "captures"
ROOM, NICK, TEXT = "lab", "alice", "hello"
NOW = 1_795_393_822.791
"""The seconds since the epoch of everything that was captured."""
IDLE = 30.0
"""Seconds for which nothing is said, to measure what that costs."""


@dataclass(frozen=True, slots=True)
class Read:
    """What one read of the tap has brought."""

    at: float
    """Seconds after the first one."""
    connection: int
    direction: Direction
    data: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """A message over one technique."""

    technique: str
    transport: Transport
    setup: int
    """How many of the reads came before the message was sent."""
    idle: tuple[int, int]
    """Bytes up and down a minute while nobody writes."""
    reads: tuple[Read, ...]

    @classmethod
    def load(cls, name: str) -> Kept:
        """Return the kept capture of a technique. Raises `FileNotFoundError`."""
        data = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        reads = tuple(
            Read(at, connection, Direction[way.upper()], bytes.fromhex(bytes_))
            for at, connection, way, bytes_ in data["reads"]
        )
        up, down = data["idle"]
        return cls(data["technique"], data["transport"], data["setup"], (up, down), reads)

    def save(self) -> Path:
        """Write it where `load` finds it."""
        head = {"technique": self.technique, "transport": self.transport, "setup": self.setup}
        lines = [
            json.dumps([round(read.at, 5), read.connection, read.direction.name.lower(), read.data.hex()])
            for read in self.reads
        ]
        begin = json.dumps({**head, "idle": self.idle})[:-1]
        text = begin + ', "reads": [\n' + ",\n".join(lines) + "\n]}\n"
        path = FOLDER / f"{self.technique}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        return path

    def size(self, reads: Sequence[Read]) -> tuple[int, int]:
        """Return the bytes up and down of reads."""
        up, down = (sum(len(read.data) for read in reads if read.direction is way) for way in Direction)
        return up, down

    @property
    def set_up(self) -> tuple[int, int]:
        """Bytes up and down before the message was sent."""
        return self.size(self.reads[: self.setup])


@dataclass(frozen=True, slots=True)
class Seen:
    """What the decoder of today makes of a kept capture."""

    kept: Kept
    trace: Trace
    receipt: Receipt
    message: tuple[Frame, ...]
    """The frames of the receipt."""
    since: tuple[Frame, ...]
    """All frames after the connection was set up."""


@cache
def seen(name: str) -> Seen:
    """Decode the kept capture of a technique."""
    kept = Kept.load(name)
    return decode(kept, play(kept))


def play(kept: Kept) -> Trace:
    """Return the trace of a kept capture."""
    technique = backends.technique(kept.technique)
    now = 0.0
    capture = Capture(clock=lambda: now)
    connections = {}
    for read in kept.reads:
        now = read.at
        if read.connection not in connections:
            client = f"127.0.0.1:{50_000 + read.connection}"
            server = f"127.0.0.1:{technique.port}"
            connections[read.connection] = capture.connection(kept.transport, client, server)
        capture.add(connections[read.connection], read.direction, read.data)
    trace = Trace(capture, technique.load_decoder())
    trace.update(seconds=60)
    return trace


def decode(kept: Kept, trace: Trace) -> Seen:
    """Find the message in a trace."""
    (draft,) = [one for one in trace.frames if TEXT in one.texts and one.direction is Direction.UP]
    events = [one for one in trace.frames if TEXT in one.texts and one.direction is Direction.DOWN]
    (seq,) = set.intersection(*(frame.seqs for frame in events))
    (n,) = draft.drafts
    found = receipt(trace, TEXT, seq, n)
    assert found is not None
    message = tuple(frame for frame in trace.frames if frame.number in found.numbers)
    begins = kept.reads[kept.setup].at
    return Seen(kept, trace, found, message, tuple(one for one in trace.frames if one.began >= begins))


# --- recording ---------------------------------------------------------------------------------


class Recording(Capture):
    """A capture that keeps what was taken."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Chunk] = []

    def take(self) -> list[Chunk]:
        new = super().take()
        self.taken += new
        return new


class FixedTap(Wiretap):
    """A wiretap at a port of our choice: the port is in what clients say."""

    def __init__(self, technique: Technique, settings: Mapping[str, str], state: Path, port: int) -> None:
        super().__init__(technique, settings, state)
        self.recording = Recording()
        self._port = port

    async def start(self) -> None:
        self._tap = await asyncio.to_thread(Tap, self.recording)
        self.trace = Trace(self.recording, await asyncio.to_thread(self.technique.load_decoder))

    async def detour(
        self, addresses: list[Address], trust: Trust | None
    ) -> tuple[list[Address], Trust | None]:
        assert self._tap is not None
        return [await asyncio.to_thread(self._tap.relay, addresses[0], self._transport, self._port)], None


class Moment(asyncio.Lock):
    """Held while the message is sent: notes how many chunks were there before and after."""

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self._recording = recording
        self.places: list[int] = []

    async def __aenter__(self) -> None:
        await super().__aenter__()
        self.places.append(self._reads())

    async def __aexit__(self, *exc_info: object) -> None:
        self.places.append(self._reads())
        await super().__aexit__(None, None, None)

    def _reads(self) -> int:
        return sum(chunk.what == "data" for chunk in self._recording.taken)


def _as_alice(place: Place, technique: Technique, room: str, nick: str, **options: Any) -> Session:
    """Open a session as a person has one: the pages and pictures tell of a chat."""
    return open_session(place, technique, ROOM, NICK, **options)


async def record(
    technique: Technique, server: Address, state: Path, *, port: int, idle: float, settings: Mapping[str, str]
) -> tuple[Kept, Cost]:
    """Send one message through a tap, and return what passed.

    Args:
        technique: how.
        server: where it is served.
        state: the client's state folder.
        port: where the tap listens; 0: anywhere.
        idle: seconds for which nothing is said.
        settings: of the technique.

    Raises:
        ChatError: it can't be done.
    """
    tap = FixedTap(technique, settings, state, port)
    moment = Moment(tap.recording)
    place = Place(server.url or str(server), state, spawn=False)
    with mock.patch("lab.wire.send_one.open_session", _as_alice):
        cost = await measure(technique, place, TEXT, idle, settings, moment, tap)
    chunks = [chunk for chunk in tap.recording.taken if chunk.what == "data"]
    before, after = moment.places
    start = chunks[0].at
    reads = tuple(
        Read(one.at - start, one.connection.number, one.direction, one.data) for one in chunks[:after]
    )
    transport = technique.transport(settings)
    return Kept(technique.name, transport, before, cost.idle_per_minute, reads), cost


@contextmanager
def nothing_random() -> Iterator[None]:
    """The clock stands still, and what is random comes in a fixed order. No key is a secret then."""
    numbers, rng = itertools.count(1), random.Random(0)
    with ExitStack() as patches:
        for where, what, fake in (
            ("time", "time", lambda: NOW),
            ("secrets", "token_urlsafe", lambda size=16: f"not-a-secret-{next(numbers):09}"),
            ("secrets", "token_hex", lambda size=16: rng.randbytes(size).hex()),
            ("os", "urandom", rng.randbytes),
            ("uuid", "uuid4", lambda: uuid.UUID(bytes=rng.randbytes(16), version=4)),
        ):
            patches.enter_context(mock.patch(f"{where}.{what}", fake))
        random.seed(0)
        yield


async def _record(technique: Technique, state: Path) -> Kept:
    with ExitStack() as stack:
        if technique.server is None:
            from tests.support.broker import address, broker

            one = stack.enter_context(broker(state / "rabbitmq"))
            stack.enter_context(nothing_random())
            target = address(one.url)
            kept, _ = await record(technique, target, state, port=technique.port, idle=IDLE, settings={})
            return kept
        stack.enter_context(nothing_random())
        hub = Hub(MemoryLog(clock=lambda: NOW), limits=Limits())
        await hub.start()
        server = technique.load_server()(hub, Address("127.0.0.1", 0), ServerOptions())
        try:
            target = await server.start()
            kept, _ = await record(technique, target, state, port=technique.port, idle=IDLE, settings={})
        finally:
            await server.stop()
            await hub.stop()
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description="Record docs/captures anew.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a technique; without one, all")
    names: list[str] = parser.parse_args().names or list(backends.KNOWN)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            kept = asyncio.run(_record(backends.technique(name), Path(folder)))
        sys.stdout.write(f"{kept.save().name}: {len(kept.reads)} reads, {decode(kept, play(kept)).receipt}\n")


if __name__ == "__main__":
    main()
