"""``chat serve --workers N``: a process that has the log, and N that serve."""

from __future__ import annotations

import asyncio

from chat.domain.errors import ChatError
from chat.server.logs import open_log
from chat.server.records import Records
from chat.server.renewal import Renewable, whenever_asked
from chat.server.serve import Plan, Ready, on_loop
from chat.server.service_manager import READY, STOPPING, notify
from chat.server.signals import Signals
from chat.server.workers.link import Secrets
from chat.server.workers.relay import Relay
from chat.server.workers.team import Team


def run(plan: Plan, ready: Ready) -> int:
    """Do what `chat.server.serve.run` does, with `Plan.workers` processes that serve."""
    return on_loop(plan, lambda had_terminal: _serve(plan, ready, had_terminal=had_terminal))


async def _serve(plan: Plan, ready: Ready, *, had_terminal: bool) -> int:
    if not any(label.spreads for label in plan.techniques):
        names = ", ".join(label.name for label in plan.techniques)
        raise ChatError(
            f"{names}: several workers can't serve it, because what a client sends may come to another "
            "worker than before: leave out --workers"
        )
    log = open_log(plan.log, plan.brokers, trust=plan.trust)
    if log.shared:
        raise ChatError("several servers share a log in a broker: start them one by one, without --workers")
    signals = Signals(has_files=bool(plan.renewable.names), had_terminal=had_terminal)
    relay, records = Relay(log), Records()
    team = Team(plan, relay, records)
    await relay.start()
    try:
        offers = await team.start()
        ready(offers, None)
        notify(READY)
        waits = [
            asyncio.create_task(signals.stop.wait()),
            asyncio.create_task(whenever_asked(signals, lambda: _renew(plan.renewable, team, records))),
        ]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return signals.ended_by
    finally:
        notify(STOPPING)
        records.report("stopping")
        await team.stop()
        await relay.stop()


async def _renew(source: Renewable, team: Team, records: Records) -> None:
    """Read the files, and let every worker take what they hold; or keep everything, and say why."""
    if source.read is None:
        records.report("reloaded", what="nothing, because it was given no file")
        return
    try:
        found = await asyncio.to_thread(source.read)
        proof = found.identity
        certificate, key = (proof.certificate, proof.key) if proof else (b"", b"")
        team.renew(Secrets(found.access, certificate, key))  # each reports that it has taken them
        if source.taken is not None:
            await asyncio.to_thread(source.taken, found)
    except ChatError as error:
        records.report("not_reloaded", reason=str(error))
