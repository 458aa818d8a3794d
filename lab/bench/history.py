"""A room with a long history: how long its server takes to be ready, and its clients to read."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import Any

import msgspec

from chat.domain.errors import ChatError
from chat.domain.model import Body, Joined, Left, Opened, Sent
from chat.domain.room_replica import RoomReplica
from chat.domain.validation import nick_key, seat_name
from chat.interfaces.log import Committed
from chat.server.logs.sqlite import SqliteLog
from lab.bench.dialects import DIALECTS, ROOM, text
from lab.bench.machine import pinned
from lab.bench.servers import HOST, LOG, environment

PAGE = 200
"""Events of a page."""
PAGES = 40
"""That are read at each start, evenly spread over the history."""
BATCH = 1000
"""Entries that are appended at once when a history is made."""
TIMEOUT = 30.0
"""Seconds until the server must be ready, or must have answered."""


class Found(msgspec.Struct):
    """What was found of one start, in milliseconds."""

    ready: float
    """From the start of the process until it says that it is ready."""
    join: float
    """From connecting until the newest events have come."""
    page: float
    """The median of the pages."""


# --- making one ----------------------------------------------------------------------------------


def make(path: Path, entries: int) -> None:
    """Write a log with one room of so many entries, as its server would have; nobody is in it at the end.

    Raises:
        ChatError: it can't be written.
    """
    asyncio.run(_make(path, entries))


async def _make(path: Path, entries: int) -> None:
    log, replica = SqliteLog(path), RoomReplica()
    stored, failures = asyncio.Event(), list[ChatError]()
    appended = 0

    def committed(batch: list[Committed]) -> None:
        for item in batch:
            replica.apply(item.entry)
        if replica.state.applied == appended:
            stored.set()

    def failed(_: object, error: ChatError) -> None:
        failures.append(error)
        stored.set()

    await log.start(committed, failed)
    try:
        bodies = _bodies(log.node, entries)
        while batch := list(islice(bodies, BATCH)):
            if (checkpoint := replica.take_checkpoint(own=True)) and len(batch) == BATCH:
                batch[0] = checkpoint
            stored.clear()
            appended += len(batch)
            for body in batch:
                log.append(ROOM, body, None)
            await stored.wait()
            if failures:
                raise failures[0]
    finally:
        await log.stop()


def _bodies(node: str, entries: int) -> Iterator[Body]:
    seat = seat_name(token_hex(16))
    yield Opened(str(uuid.uuid4()))
    yield Joined(seat, "author", nick_key("author"), "tcp", node)
    for number in range(1, entries - 2):
        yield Sent(seat, "author", "tcp", number, text(number).decode())
    yield Left(seat, "author", "tcp", node)


# --- reading it ----------------------------------------------------------------------------------


@contextmanager
def _serving(folder: Path, cores: list[int], tree: Path | None) -> Iterator[tuple[float, int]]:
    """Run our server on the log in a folder; yield the milliseconds until it was ready, and its port."""
    command = [sys.executable, "-m", "chat", "serve", "tcp", "--port", "0", "--json", "--rate", "off"]
    command += ["--log", f"sqlite:{folder / LOG}"]
    start = time.perf_counter()
    with pinned(cores):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(folder, tree),
            cwd=tree,
        )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        took = 1000 * (time.perf_counter() - start)
        if not line:
            raise ChatError(f"the server did not start: {process.stderr.read().decode().strip()}")
        yield took, int(json.loads(line)["port"])
    finally:
        process.terminate()
        process.communicate()


def measure(folder: Path, cores: list[int], tree: Path | None = None, pages: int = PAGES) -> Found:
    """Start a server on the log in a folder, join, read pages, and end it.

    Args:
        folder: where `LOG` is.
        cores: of the server.
        tree: the checkout that it runs in; None: this one.
        pages: how many.

    Raises:
        ChatError: the server did not start or answer, or an answer was wrong.
    """
    with _serving(folder, cores, tree) as (ready, port):
        start = time.perf_counter()
        with closing(_Reader(port)) as reader:
            head = reader.join()
            join = 1000 * (time.perf_counter() - start)
            # Not the beginning: a whole page must stand before it. Not the end: the newest are in memory.
            places = [PAGE + 1 + (head - PAGE) * number // (pages + 1) for number in range(1, pages + 1)]
            page = statistics.median(map(reader.page, places))
            reader.leave()
            return Found(ready, join, page)


class _Reader:
    """A client that joins and reads pages of the history."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")
        self.close = self._socket.close

    def join(self) -> int:
        """Join, and read the newest events; return the seq of the newest."""
        self._socket.sendall(DIALECTS["chat"].join(0))
        head = self._answer("welcome")["head"]
        while self._answer()["seq"] < head:
            pass
        return int(head)

    def page(self, before: int) -> float:
        """Read the page before a seq; return the milliseconds. Raises `ChatError` if it is not whole."""
        start = time.perf_counter()
        self._socket.sendall(b'{"kind":"history","ref":%d,"before":%d}\n' % (before, before))
        line = self._lines.readline()
        took = 1000 * (time.perf_counter() - start)
        page = json.loads(line)
        seqs = [event["seq"] for event in page.get("events", ())]
        if page.get("ref") != before or len(seqs) != PAGE or seqs[-1] >= before:
            raise ChatError(f"the page before {before} is not right: {line[:200]!r}")
        return took

    def leave(self) -> None:
        """Give the seat back, so that nobody is in the room at the next start."""
        self._socket.sendall(b'{"kind":"leave"}\n')
        while self._lines.readline():
            pass

    def _answer(self, kind: str = "") -> dict[str, Any]:
        line = self._lines.readline()
        found: dict[str, Any] = json.loads(line or b"{}")
        if not found or (kind and found["kind"] != kind):
            raise ChatError(f"the server answered with {line[:200]!r}")
        return found
