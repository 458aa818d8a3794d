"""A log with a bit of everything in it: two runs of a server, two rooms, an edit, a refused entry."""

from __future__ import annotations

import asyncio
from pathlib import Path

from chat.domain.model import Edit, Event, Opened
from chat.server.logs.sqlite import SqliteLog
from tests.support.stage import come_in, does, running, says

TEXT = "the words in question"
"""It stands once in the file, in entry 3 of room lab."""


async def talk(path: Path, *, more: int = 0) -> None:
    """Write the log; ``more`` lines longer."""
    for run in range(2):
        log = SqliteLog(path)
        async with running(log) as hub:
            ann, _ = await come_in(hub, f"ann-{run}")
            bob, _ = await come_in(hub, "bob", room="den")
            said = await says(ann, TEXT if run == 0 else "again")
            assert isinstance(said, Event)
            log.append("lab", Opened("a second one"), None)  # it is refused
            await does(ann, Edit(said.seq, "changed"))
            await says(bob, "in the other room")
            await asyncio.gather(*(says(ann, f"more {number}") for number in range(more // 2)))
            ann.leave()
            bob.leave()


def flip(path: Path, place: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))


def find(path: Path, words: bytes, *, last: bool = False) -> int:
    """Return where the words stand in a file."""
    data = path.read_bytes()
    return data.rindex(words) if last else data.index(words)
