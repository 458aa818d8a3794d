"""The commands of docs/wire.md as a test uses them: a tap in one terminal, a client in the other."""

from __future__ import annotations

import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.foreign import Foreign
from tests.support.node import Run

PAGE = Path(__file__).parents[2] / "docs" / "wire.md"
CHAT = (sys.executable, "-m", "chat")
TEXT = "seen on the wire"


@dataclass(frozen=True, slots=True)
class Step:
    """What is typed in a block of the page."""

    tap: list[str]
    """The words of the command in the first terminal."""
    client: list[str]
    """Those in the second one."""
    typed: list[str]
    """The lines that are typed into the client."""

    @property
    def port(self) -> str:
        return self.tap[self.tap.index("--listen") + 1]

    def at(self, port: str) -> list[str]:
        """Return the client's command with another port: that of the page may be taken."""
        return [word.replace(self.port, port) for word in self.client]


def step(client: str) -> Step:
    """Return the block of the page in which this program is the client."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        commands = [shlex.split(line[2:]) for line in block.splitlines() if line.startswith("$ ")]
        typed = [line for line in block.splitlines() if not line.startswith("$ ")]
        if len(commands) == 2 and commands[0][:2] == ["chat", "wire"] and commands[1][0] == client:
            found.append(Step(commands[0], commands[1], typed))
    (one,) = found
    return one


@asynccontextmanager
async def tapped(run: Run, step: Step) -> AsyncIterator[tuple[Foreign, str]]:
    """Run the tap of a step at a free port; yield it, and the port. It is ended by Ctrl+C."""
    words = list(step.tap[1:])
    words[words.index("--listen") + 1] = "0"
    tap = await run(*CHAT, *words)
    said = await tap.complaint()
    listens = re.match(r"\w+: 127\.0\.0\.1:(\d+) goes on to ", said)
    assert listens, said
    yield tap, listens[1]
    tap.process.send_signal(signal.SIGINT)
    code, errors = await tap.over()
    assert code == 0, errors
