"""C programs as a test uses them: built with make, what they print, what is typed to them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from chat.server.hub import Hub
from tests.support.people import Person
from tests.support.processes import running

SOURCES = Path(__file__).parents[2] / "backends" / "oncrpc" / "clients" / "c"
INSTALL = "apt install rpcsvc-proto libtirpc-dev gcc"

SPOKEN = (
    "hello",
    "grüße, größer als ASCII",
    "😀 👩‍👩‍👧‍👦 𝔘",
    "日本語 עברית",
    "  blanks around  ",
    '%s %n "\\"',
)


def make(folder: Path, *variables: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-j2", "-C", str(SOURCES), f"BUILD={folder}", *variables],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C", **environment},
        check=False,
    )


class Foreign:
    """A C program that runs: what it prints, and what is typed to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self.process = process
        self.lines: list[str] = []
        """All that it has printed so far."""
        self._in, self._out, self._err = process.stdin, process.stdout, process.stderr

    def type(self, *lines: str) -> None:
        self.write("".join(f"{line}\n" for line in lines).encode())

    def write(self, data: bytes) -> None:
        self._in.write(data)

    async def line(self) -> str:
        data = await self._out.readline()
        assert data, f"it ended: {self.lines} {await self._err.read()!r}"
        self.lines.append(data.decode().removesuffix("\n"))
        return self.lines[-1]

    async def until(self, end: str) -> str:
        """Return the next line that ends so."""
        while not (await self.line()).endswith(end):
            pass
        return self.lines[-1]

    async def complaint(self) -> str:
        """Return its next line on stderr."""
        return (await self._err.readline()).decode().removesuffix("\n")

    async def over(self) -> tuple[int, list[str]]:
        """End its input, and wait for its end; return the exit code and what is left of stderr."""
        self._in.close()
        rest, complaints = await asyncio.gather(self._out.read(), self._err.read())
        self.lines += rest.decode().splitlines()
        return await self.process.wait(), complaints.decode().splitlines()


def id_of(line: str) -> int:
    """Return the number in brackets at its beginning."""
    return int(line[1 : line.index("]")])


class Launch(Protocol):
    async def __call__(self, program: str, *arguments: object, **environment: str) -> Foreign: ...


# --- who else is there -------------------------------------------------------------------------


class Enter(Protocol):
    async def __call__(self, client: ChatClient, nick: str, **hello: Any) -> Person: ...


async def end_seat(hub: Hub, nick: str) -> None:
    """Let a seat of room lab end, as if its owner had been away for too long."""
    room = (await hub.look("lab", "")).room
    (seat,) = [seat for seat in room.seats.values() if seat.nick == nick]
    seat.leave()


@contextmanager
def served(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Address]]]:
    """Run ``chat serve``; yield the process, and where each technique listens."""
    with running("serve", *arguments, "--json") as process:
        assert process.stdout is not None
        found: dict[str, Address] = {}
        for _ in [word for word in arguments if word in ("oncrpc", "tcp")]:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            offer = json.loads(line)
            found[offer["technique"]] = Address(offer["host"], offer["port"])
        yield process, found
