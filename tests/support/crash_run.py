"""Writes a log as a server does, so that what it writes and syncs can be recorded: see `lab.power_failure`.

Run as ``python -m tests.support.crash_run LOG NOTES SEED STEP``. NOTES gets a JSON line before each append
(``said``) and one after each acknowledgement (``acked``): the trace has them between the writes of the log.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import NoReturn

from chat.domain.errors import ChatError
from chat.domain.json_codec import encode
from chat.domain.model import Body, Event, Opened
from chat.domain.room import Room
from chat.interfaces.log import Committed, Pending
from chat.server.logs import sqlite
from chat.server.logs.compact import compact
from tests.support.entries import EPOCH, deleted, edited, joined, sent

STEPS = ("first", "killed", "after", "compact", "last")
"""One process each: a new log, one that is killed, one that finds its -wal, one that packs it, one more."""
ROOMS = ("lab", "hall", "zoë")
BATCHES = 12
CHECKPOINT_PAGES = 40
"""So that checkpoints happen within a short run; 1,000 as it is."""


class Writer:
    """Appends entries to every room, decides about them as the hub does, and notes both."""

    def __init__(self, path: Path, notes: Path, dice: random.Random) -> None:
        self.log = sqlite.SqliteLog(path)
        self._notes = os.open(notes, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._dice = dice
        self._rooms: defaultdict[str, Room] = defaultdict(Room)
        self._number: defaultdict[str, int] = defaultdict(int)
        self._mine: dict[str, int] = {}
        """Per seat: the id of its last message."""
        self._open = 0
        self._back = asyncio.Event()

    async def run(self) -> None:
        await self.log.start(self._committed, self._failed)
        for name in await self.log.rooms():
            for entry in await self.log.tail(name, 1_000_000):
                self._rooms[name].apply(entry)
        for name in ROOMS:
            if not self._rooms[name].epoch:
                self._append(name, Opened(EPOCH))
            self._append(name, joined(seat=(seat := self._dice.randbytes(4).hex()), nick=seat))
            await self._all_back()
            for _ in range(BATCHES):
                self._batch(name, seat)
                if self._dice.random() < 0.7:
                    await self._all_back()
        await self._all_back()

    def _batch(self, name: str, seat: str) -> None:
        for _ in range(self._dice.choice([1, 1, 2, 5, 12])):
            self._number[seat] += 1
            n, id = self._number[seat], self._mine.get(seat)
            text = self._dice.randbytes(self._dice.choice([4, 30, 900])).hex()
            body: Body = sent(n, text, seat, seat)
            match self._dice.randrange(8):
                case 0 if id:
                    body = edited(n, id, text, seat, seat)
                case 1 if id:
                    body = deleted(n, id, seat, seat)
                case 2:
                    body = sent(max(1, n - 1), text, seat, seat)  # again, so the room refuses it
            self._append(name, body)

    def _append(self, name: str, body: Body) -> None:
        self._note(said=[name, encode(body).decode()])
        self._open += 1
        self._back.clear()
        self.log.append(name, body, None)

    async def _all_back(self) -> None:
        if self._open:
            await self._back.wait()

    def _committed(self, batch: list[Committed]) -> None:
        for item in batch:
            self._note(acked=[item.room, item.entry.seq, encode(item.entry.body).decode()])
            event = self._rooms[item.room].apply(item.entry)
            if not isinstance(event, Event):
                self.log.refuse(item.room, item.entry.seq)
            elif event.kind == "sent":
                self._mine[event.seat] = event.seq
        self._open -= len(batch)
        if not self._open:
            self._back.set()

    def _failed(self, pending: list[Pending], error: ChatError) -> NoReturn:
        raise error

    def _note(self, **note: object) -> None:
        os.write(self._notes, json.dumps(note).encode() + b"\n")


async def main(path: Path, notes: Path, seed: int, step: str) -> None:
    writer = Writer(path, notes, random.Random(f"{seed} {step}"))
    await writer.run()
    if step == "killed":
        os._exit(0)
    await writer.log.stop()


if __name__ == "__main__":
    place, notes, seed, step = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    sqlite._CHECKPOINT_PAGES = CHECKPOINT_PAGES
    if step == "compact":
        compact(place)
    else:
        asyncio.run(main(place, notes, seed, step))
