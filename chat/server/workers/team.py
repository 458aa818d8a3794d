"""The workers as processes: started, started again when they are killed, told of new secrets, and ended."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from dataclasses import replace
from typing import Any

from chat.domain.errors import ChatError
from chat.server.records import Records
from chat.server.renewal import Renewable
from chat.server.serve import STOP_TIMEOUT, Offer, Plan
from chat.server.service_manager import NOTIFY_SOCKET
from chat.server.workers.link import Failed, Ready, Secrets, Start
from chat.server.workers.relay import Line, Relay

MODULE = "chat.server.workers.worker"
PAUSES = (0.0, 0.1, 1.0, 5.0)
"""Seconds before a worker is started again: more, the more often it ended within `SETTLED`."""
SETTLED = 10.0


class Worker:
    """One process."""

    def __init__(self, number: int, line: Line, process: Process) -> None:
        self.number = number
        self.line = line
        self._process = process

    def terminate(self) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()

    async def ended(self) -> str:
        """Wait until the process has ended, or was given up and is killed; return why it ended."""
        await self.line.gone.wait()
        self.line.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                code = await self._process.wait()
        except TimeoutError:
            self.kill()
            code = await self._process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()


class Team:
    """All workers of a server."""

    def __init__(self, plan: Plan, relay: Relay, records: Records) -> None:
        """Prepare; the relay is started before `start`."""
        self._plan = plan
        self._relay = relay
        self._records = records
        self._names = [f"worker-{number}" for number in range(1, plan.workers + 1)]
        self._workers: dict[int, Worker] = {}  # by number; their names in the log stay
        self._serials = 0
        self._keepers: list[asyncio.Task[None]] = []
        proof = plan.identity
        self._secrets = Secrets(plan.access, proof.certificate if proof else b"", proof.key if proof else b"")

    async def start(self) -> list[Offer]:
        """Start all workers.

        The first one takes the ports, and serves everything; the others serve only what spreads.

        Returns:
            What the first one serves.

        Raises:
            ChatError: one of them can't serve; the text says why.
        """
        _, offers = await self._ready(1, replace(self._plan, sharing="first"))
        taken = {offer.technique: offer.address.port for offer in offers if offer.address is not None}
        served = [label for label in self._plan.techniques if label.name in taken]
        plan = replace(self._plan, techniques=served, ports=taken, kept={}, any_port=False, sharing="later")
        spreading = [label for label in served if label.spreads]
        if not spreading:
            raise ChatError("; ".join(f"{one.technique}: {one.reason}" for one in offers if one.reason))
        others = replace(plan, techniques=spreading)
        await asyncio.gather(*(self._ready(number, others) for number in range(2, self._plan.workers + 1)))
        self._keepers = [
            asyncio.create_task(self._keep_running(worker, plan if worker.number == 1 else others))
            for worker in self._workers.values()
        ]
        return offers

    async def stop(self) -> None:
        """End all workers; what they have appended is in the log by then."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        workers = list(self._workers.values())
        for worker in workers:
            worker.terminate()
        ends = [asyncio.create_task(worker.ended()) for worker in workers]
        if ends:
            await asyncio.wait(ends, timeout=2 * STOP_TIMEOUT)
        for worker in workers:
            worker.kill()
        await asyncio.gather(*ends)

    def renew(self, secrets: Secrets) -> None:
        """Let every worker take another token and certificate."""
        self._secrets = secrets
        for worker in self._workers.values():
            worker.line.send(secrets)

    async def _keep_running(self, worker: Worker, plan: Plan) -> None:
        """Put another process in the place of one that has ended."""
        early = 0
        while True:
            began = asyncio.get_running_loop().time()
            why = await worker.ended()
            self._records.report("worker_ended", worker=self._names[worker.number - 1], why=why)
            early = 0 if asyncio.get_running_loop().time() - began > SETTLED else early + 1
            await asyncio.sleep(PAUSES[min(early, len(PAUSES) - 1)])
            worker, _ = await self._start(worker.number, plan)

    async def _ready(self, number: int, plan: Plan) -> tuple[Worker, list[Offer]]:
        """Start a worker, and wait until it serves. Raises `ChatError`."""
        worker, told = await self._start(number, plan)
        gone = asyncio.create_task(worker.line.gone.wait())
        either: list[asyncio.Future[Any]] = [gone, told]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not told.done():
            raise ChatError(f"a worker has ended when it started: {await worker.ended()}")
        found = told.result()
        if isinstance(found, Failed):
            raise ChatError(found.why)
        offers: list[Offer] = pickle.loads(found.offers)
        return worker, offers

    async def _start(self, number: int, plan: Plan) -> tuple[Worker, asyncio.Future[Ready | Failed]]:
        told: asyncio.Future[Ready | Failed] = asyncio.get_running_loop().create_future()
        self._serials += 1

        def hear(message: Ready | Failed) -> None:
            if not told.done():
                told.set_result(message)

        line = Line(self._relay, self._serials, hear)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", MODULE, str(theirs.fileno())),
                    pass_fds=(theirs.fileno(),),
                    stdin=DEVNULL,
                    stdout=DEVNULL,
                    env=os.environ | {NOTIFY_SOCKET: ""},  # a service manager hears of the server alone
                    start_new_session=True,  # Ctrl+C is for the server, which ends its workers in order
                )
            await line.open(ours)
        except BaseException:
            ours.close()  # the process ends when it reads that
            raise
        name = self._names[number - 1]
        bare = replace(plan, access="", identity=None, renewable=Renewable(plan.renewable.names), trust=None)
        line.begin(
            Start(
                pickle.dumps(bare),
                self._secrets,
                node=name,
                others=frozenset(self._names) - {name},
                first=number == 1,
                serial=line.serial,
                generation=self._relay.log.generation,
            )
        )
        worker = self._workers[number] = Worker(number, line, process)
        return worker, told
