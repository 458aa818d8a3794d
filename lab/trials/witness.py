"""Somebody else on the same server, without any trouble: how long are the messages on the way meanwhile?

It is a process of its own, so that nothing that the people in trouble do in theirs is measured. It reads a
`Task` from its first line of input, talks until the next line, and writes its history and the log.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

import backends
from chat.client.connect import Place, open_session
from chat.client.lines import out, out_json
from chat.client.session import Session
from chat.domain.errors import ChatError
from lab.check.history import Line, read_line, write_line
from lab.check.recorder import Recorder
from lab.child import Child
from lab.trials.reader import end
from lab.trials.subject import Subject

EVERY = 0.12
"""Seconds from one message to the next: less than 10 a second, which is what a seat may send to a broker."""
PATIENCE = 20.0
ROOM = "others"
LINE = 1024 * 1024
"""Bytes of one line of output."""


class Task(msgspec.Struct):
    """Whom to ask, and how."""

    technique: str
    settings: dict[str, str]
    server: str | None
    state: str
    """The state folder."""
    access: str


class Witness:
    """The process, as seen from outside."""

    def __init__(self, child: Child) -> None:
        self.lines: list[Line] = []
        """Its history and the log of its room, when it has ended."""
        self._child = child

    async def enter(self, task: Task) -> None:
        """Let it enter, and talk from then on. Raises `ChatError`."""
        await self._child.write(msgspec.json.encode(task))
        if await self._child.read(2 * PATIENCE) != b"ready":
            said = await self._child.last_words()
            raise ChatError(f"somebody without trouble could not enter: {said or 'no answer'}")

    async def end(self) -> None:
        """Let it end, and take its history."""
        await self._child.write(b"")
        while line := await self._child.read(2 * PATIENCE):
            self.lines.append(read_line(line)[0])


@asynccontextmanager
async def witness(folder: Path) -> AsyncIterator[Witness]:
    """Start the process; it ends with the context.

    Args:
        folder: for what it says on its standard error.
    """
    child = await Child.start("lab.trials.witness", folder / "witness", LINE)
    try:
        yield Witness(child)
    finally:
        await child.stop()


# --- inside ------------------------------------------------------------------------------------


async def _main() -> None:
    first = await asyncio.to_thread(sys.stdin.readline)
    if not first:
        return
    task = msgspec.json.decode(first, type=Task)
    subject = Subject(backends.technique(task.technique), task.settings)
    place = Place(task.server, Path(task.state), spawn=task.server is None, access=task.access)
    session = open_session(place, subject.technique, ROOM, "witness", settings=subject.settings)
    recorder = Recorder("witness", session, subject.promised)
    async with session:
        listening = asyncio.create_task(recorder.listen())
        async with asyncio.timeout(PATIENCE):
            await recorder.entered.wait()
        out("ready")
        well = await _talk(recorder, session)
        log = await end(place, subject.technique, ROOM, [recorder], PATIENCE, well=well)
    await listening
    for line in [*recorder.lines, *log]:
        out_json(write_line(line))


async def _talk(recorder: Recorder, session: Session) -> bool:
    """Talk until there is a line; return whether all is answered then."""
    ends = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    while not ends.done():
        recorder.say(f"not in trouble {len(recorder.lines)}")
        await asyncio.sleep(EVERY)
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await session.settled()
            return True
    return False


if __name__ == "__main__":
    asyncio.run(_main())
