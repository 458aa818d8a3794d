"""The log of a worker with the relay that it needs, in one process."""

from __future__ import annotations

import socket

from chat.interfaces.log import Log, OnCommitted, OnFailed
from chat.server.workers.link import Secrets, Start
from chat.server.workers.log import WorkerLog
from chat.server.workers.relay import Line, Relay


class RelayedLog(WorkerLog):
    """It is started and stopped with the log that it reaches."""

    def __init__(self, log: Log) -> None:
        ours, theirs = socket.socketpair()
        secrets = Secrets("", b"", b"")
        self._first_message = Start(
            b"", secrets, "worker-1", frozenset(), first=True, serial=1, generation=""
        )
        super().__init__(theirs, self._first_message)
        self._relay, self._ours = Relay(log), ours

    async def start(self, committed: OnCommitted, failed: OnFailed) -> None:
        await self._relay.start()
        self.line = Line(self._relay, 1, lambda _: None)
        await self.line.open(self._ours)
        self._relay.lines[1] = self.line
        await super().start(committed, failed)

    async def stop(self) -> None:
        await super().stop()
        await self.line.gone.wait()
        self.line.close()
        await self._relay.stop()
