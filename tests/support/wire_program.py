"""``chat wire --json`` as a program before a server: what it prints about a client, and its end."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chat.interfaces.address import Address
from tests.support.node import Run
from tests.support.processes import CHAT


class Watched:
    """What passed. It is complete when `watching` is over."""

    def __init__(self, address: Address) -> None:
        self.address = address
        """Where the client connects to."""
        self.frames: list[dict[str, Any]] = []

    @property
    def protocols(self) -> set[str]:
        return {frame["protocol"] for frame in self.frames}

    def texts(self, direction: str) -> list[str]:
        return [text for one in self.frames if one["direction"] == direction for text in one["texts"]]


@asynccontextmanager
async def watching(run: Run, technique: str, server: Address, *options: str) -> AsyncIterator[Watched]:
    """Run the program, and end it by Ctrl+C.

    Fails unless it ends with exit code 0, every frame could be decoded, and the totals that it prints are
    those of the frames.
    """
    wire = await run(*CHAT, "wire", "-b", technique, "--server", server, "--json", *options)
    said = await wire.complaint()
    listens = re.match(r"\w+: (\S+):(\d+) goes on to ", said)
    assert listens, said
    watched = Watched(Address(listens[1], int(listens[2])))
    yield watched
    wire.process.send_signal(signal.SIGINT)
    code, (totals, *more) = await wire.over()
    assert (code, more) == (0, []), (totals, more)
    watched.frames += [json.loads(line) for line in wire.lines]
    last = {(frame["connection"], frame["direction"]): frame for frame in watched.frames}
    for frame in watched.frames:  # a client that leaves may break its last poll in the middle
        ended = frame is last[frame["connection"], frame["direction"]]
        assert ended or not frame["problem"], frame["problem"]
    up, down = (
        sum(one["sizes"]["all"] for one in watched.frames if one["direction"] == direction)
        for direction in ("up", "down")
    )
    assert totals.startswith(f"{len(watched.frames)} frames; {up} B up; {down} B down; of these "), totals
