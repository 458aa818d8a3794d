"""Judges what a power failure has left of a log: whether what was acknowledged is there, in order.

A recording of `crash_run` is replayed up to each sync; of each moment images are made, opened and judged.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chat.domain.errors import ChatError
from chat.domain.json_codec import encode
from chat.domain.model import Opened
from chat.server.logs.sqlite import SqliteLog
from chat.server.logs.verify import verify
from lab.power_failure import Call, Disk, calls_of, traced
from tests.support.crash_run import STEPS
from tests.support.entries import EPOCH
from tests.support.logbook import LogBook
from tests.support.node import ROOT
from tests.support.processes import PATIENCE

LOG = "state/chat.sqlite3"
UNFINISHED = "unless its server was killed, or the power failed, within that commit"
"""`verify` can't tell a commit that a failure cut off from one that was damaged later, and says so."""


@dataclass(frozen=True)
class Recording:
    """What a run wrote, and what it has said to whom."""

    folder: Path
    notes: Path
    calls: Sequence[Call]

    @classmethod
    def made(cls, place: Path, seed: int = 0) -> Recording:
        """Run every step of `crash_run`, each in a process of its own."""
        folder = place / "recorded"
        folder.mkdir()
        notes = folder / "notes"
        calls: list[Call] = []
        for step in STEPS:
            run = [sys.executable, "-m", "tests.support.crash_run", folder / LOG, notes, seed, step]
            trace = place / f"{step}.trace"
            subprocess.run(traced(run, trace), check=True, timeout=PATIENCE, cwd=ROOT)
            more = calls_of(trace, folder)
            for call in more:
                call.number += len(calls) if call.name == "sync" else 0
            calls += more
        return cls(folder, notes, calls)

    def moments(self, *, honest: bool = True) -> Iterator[Moment]:
        """Yield what is on the disk, and what was acknowledged, at every sync and at the end."""
        disk = Disk(str(self.folder), honest=honest)
        said: defaultdict[str, list[str]] = defaultdict(list)
        acked: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for call in self.calls:
            if call.name == "sync":
                yield Moment(disk, said, acked)
            if call.name == "append" and call.path == str(self.notes):
                note = json.loads(call.data)
                if "said" in note:
                    said[note["said"][0]].append(note["said"][1])
                else:
                    room, seq, body = note["acked"]
                    acked[room].append((seq, body))
            disk.apply(call)
        yield Moment(disk, said, acked)


@dataclass(frozen=True)
class Moment:
    """When the power fails."""

    disk: Disk
    said: dict[str, list[str]]
    acked: dict[str, list[tuple[int, str]]]

    async def judged(self, dice: random.Random, folder: Path) -> list[str]:
        """Make an image in an empty folder, open it, and return what is wrong."""
        log = await asyncio.to_thread(self._placed, dice, folder)
        problems = []
        try:
            if await asyncio.to_thread(log.exists):
                before = await _verified(log)
                problems += [f"before: {one}" for one in before if UNFINISHED not in one]
            problems += await self._opened(log)
            problems += [f"after: {one}" for one in await _verified(log)]
        except ChatError as error:
            problems.append(f"it can't be opened: {error}")
        return problems

    def _placed(self, dice: random.Random, folder: Path) -> Path:
        self.disk.write(dice, folder)
        log = folder / LOG
        if Path(f"{log}-wal").exists() and dice.random() < 0.5:  # it is mapped memory, which nothing syncs
            Path(f"{log}-shm").write_bytes(dice.randbytes(32768))
        return log

    async def _opened(self, log: Path) -> list[str]:
        async with LogBook(SqliteLog(log)) as book:
            problems = [f"opened: {one}" for one in await _verified(log)]
            for room in {*self.acked, *await book.log.rooms()}:
                found = [
                    (entry.seq, encode(entry.body).decode()) for entry in await book.log.tail(room, 100_000)
                ]
                acked, said = self.acked[room], self.said[room]
                if found[: len(acked)] != acked:
                    problems.append(
                        f"{room}: {len(acked)} were acknowledged, and {_same(found, acked)} are there"
                    )
                elif found != list(enumerate(said[: len(found)], 1)):
                    problems.append(f"{room}: there is more than was said, or in another order")
            book.append("after the failure", Opened(EPOCH))  # and it takes more
            await book.settled()
            problems += [str(error) for _, error in book.failed]
        return problems


async def _verified(log: Path) -> list[str]:
    return (await asyncio.to_thread(verify, log)).problems


def _same(one: Sequence[object], other: Sequence[object]) -> int:
    differ = (n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1])
    return next(differ, min(len(one), len(other)))
