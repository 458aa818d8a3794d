"""Proves the checker: it must say *invalid* for every broken twin, and *valid* for the real server.

``python -m lab.check.score FILE`` tries all of them, and writes what the checker said, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import backends
from chat.domain.model import NO_BOUNDS, Limits
from chat.interfaces.address import Address
from chat.interfaces.server import ServerOptions
from chat.interfaces.technique import Technique, load
from chat.server.hub import Hub
from chat.server.logs.memory import MemoryLog
from lab.check.judge import judge
from lab.check.recorder import record
from lab.check.script import script
from lab.check.twins import TWINS, Twin
from lab.check.verdict import Verdict

HERE = Address("127.0.0.1", 0)
PATIENCE = {"tcp": 3.0, "udp": 6.0}
"""Seconds to wait for an answer, by transport. Over udp a draft is unconfirmed after three."""

QUICK = {"disk": "0.3"}
"""What a twin stores late must be stored before the log is read, unless it is lost."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run against one server."""

    name: str
    verdict: Verdict
    twin: Twin | None = None

    @property
    def said(self) -> str:
        """The verdict: valid, unknown, or invalid and which promises were broken."""
        return ": ".join(filter(None, (self.verdict.state, ", ".join(sorted(self.verdict.kinds)))))

    @property
    def passed(self) -> bool:
        """Whether the checker said what it must say."""
        if self.twin is None:
            return self.verdict.state == "valid"
        return self.verdict.state == "invalid" and self.twin.caught_as in self.verdict.kinds


async def try_twin(technique: Technique, twin: Twin, seed: int = 1) -> Trial:
    """Run the script of a seed against a broken twin, and judge what came of it."""
    return Trial(twin.name, await _run(technique, twin.server, seed), twin)


async def try_textbook(technique: Technique, server: str, seed: int = 1) -> Trial:
    """The same with the server that the twins are made from, in which nothing is wrong."""
    return Trial(server, await _run(technique, server, seed))


async def try_real(technique: Technique, seed: int = 1) -> Trial:
    """The same with the real server, on a log in memory."""
    assert technique.server is not None
    hub = Hub(MemoryLog(), limits=Limits(burst=0), bounds=NO_BOUNDS)
    await hub.start()
    try:
        return Trial(technique.name, await _run(technique, technique.server, seed, hub))
    finally:
        await hub.stop()


async def _run(technique: Technique, server: str, seed: int, hub: Hub | None = None) -> Verdict:
    unused = Hub(MemoryLog()) if hub is None else hub  # a twin asks no hub
    running = load(server)(unused, HERE, ServerOptions(settings=QUICK))
    address = await running.start()
    transport = technique.transport({})
    try:
        lines = await record(
            technique, address, script(seed, transport), seed=seed, patience=PATIENCE[transport]
        )
    finally:
        await running.stop()
    return judge((line, "") for line in lines)


async def _trials() -> AsyncIterator[Trial]:
    for twin in TWINS:
        yield await try_twin(backends.technique(twin.technique), twin)
    for name in sorted({twin.technique for twin in TWINS}):
        yield await try_real(backends.technique(name))


async def _main(file: str) -> int:
    kept, failed = {}, 0
    async for trial in _trials():
        kept[trial.name] = trial.said
        failed += not trial.passed
        print(f"{trial.name}: {trial.said}{'' if trial.passed else '  (WRONG)'}", file=sys.stderr)  # noqa: T201 - this is the output
    text = json.dumps(kept, indent=2) + "\n"
    await asyncio.to_thread(Path(file).write_text, text, encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(sys.argv[1])))
