"""`chat receipt`: one message over each technique, and what it cost, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from chat.client.connect import Place, open_session
from chat.client.session import Session
from chat.client.session_events import Arrived
from chat.domain.errors import ChatError, ConnectionLost
from chat.interfaces.frames import Direction
from chat.interfaces.technique import Technique
from chat.language.translation import decimal, translate
from lab.wire.compare import Sample
from lab.wire.receipt import Receipt, receipt
from lab.wire.totals import RunningCost
from lab.wire.trace import Trace
from lab.wire.wiretap import Wiretap

ROOM = "receipt"
PATIENCE = 10.0
"""Seconds for the seat, and for the message."""
QUIET = 0.3
"""Seconds without a byte after which a message is over: acknowledgements come late."""

Size = tuple[int, int]
"""Bytes up and down."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a technique needs for one message."""

    technique: str
    receipt: Receipt
    setup: Size
    """From the first byte of the connection until the seat was taken and the replay read."""
    idle_per_minute: Size
    """While nobody writes: polls, pings, keepalives."""
    total: Size
    """All bytes of the run, closing included: what an independent count of the sockets gives."""

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "overhead": self.receipt.overhead}


async def measure(
    technique: Technique,
    place: Place,
    text: str,
    idle: float,
    settings: Mapping[str, str],
    alone: asyncio.Lock,
    tap: Wiretap | None = None,
) -> Cost:
    """Send one message, and count.

    Args:
        technique: how.
        place: where.
        text: of the message.
        idle: seconds for which nothing is said, to measure what that costs.
        settings: of the technique, by `Setting.name`.
        alone: held while the message is sent, so that no other one is measured at the same time.
        tap: what to look through; None: one of its own.

    Raises:
        ChatError: it can't be done.
    """
    tap = tap or Wiretap(technique, settings, place.state)
    await tap.start()
    assert tap.trace is not None
    try:
        session = open_session(
            place, technique, ROOM, "receipt", settings=settings, other_nicks=True, give_up=PATIENCE,
            detour=tap.detour,
        )  # fmt: skip
        async with session:
            return await _measure(technique, session, tap, text, idle, alone)
    finally:
        await tap.stop()


async def sample(technique: Technique, place: Place, text: str, settings: Mapping[str, str]) -> Sample:
    """Send one message, and return its frames. Takes and raises what `measure` does."""
    tap = Wiretap(technique, settings, place.state)
    cost = await measure(technique, place, text, 0.0, settings, asyncio.Lock(), tap)
    assert tap.trace is not None
    frames = [frame for frame in tap.trace.frames if frame.number in cost.receipt.numbers]
    return Sample(technique.name, tuple(frames), cost.receipt)


async def _measure(
    technique: Technique, session: Session, tap: Wiretap, text: str, idle: float, alone: asyncio.Lock
) -> Cost:
    trace = tap.trace
    assert trace is not None
    own: asyncio.Future[Arrived] = asyncio.get_running_loop().create_future()
    pump = asyncio.create_task(_pump(session, own))
    try:
        async with asyncio.timeout(PATIENCE):
            while session.state.name != "up":
                if pump.done():
                    raise session.outcome or ConnectionLost("the session has ended")
                await asyncio.sleep(0.01)
        await _quiet(trace)
        setup = _bytes(trace)
        async with alone:
            session.say(text)
            async with asyncio.timeout(PATIENCE):
                arrived = await own
            await _quiet(trace)
        found = receipt(trace, text, arrived.event.seq, arrived.event.n)
        cost = RunningCost(max(idle, 1.0))
        until = asyncio.get_running_loop().time() + idle
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.1)
            cost.add(trace.update())
        await session.close()
        await _quiet(trace)
    except TimeoutError:
        raise ConnectionLost(f"no answer within {PATIENCE:.0f} s") from None
    finally:
        pump.cancel()
        with suppress(asyncio.CancelledError):
            await pump
    if found is None:
        raise ChatError(f"{technique.name}: the message is not in what was captured")
    return Cost(technique.name, found, setup, cost.sizes_per_minute(), _bytes(trace))


async def _pump(session: Session, own: asyncio.Future[Arrived]) -> None:
    async for batch in session.updates():
        for update in batch:
            if isinstance(update, Arrived) and update.draft and not own.done():
                own.set_result(update)


async def _quiet(trace: Trace) -> None:
    """Decode until no message has come for a while; polls may go on."""
    quiet = 0.0
    while quiet < QUIET:
        await asyncio.sleep(0.05)
        busy = any(frame.role != "poll" or frame.seqs for frame in trace.update())
        quiet = 0.0 if busy else quiet + 0.05


def _bytes(trace: Trace) -> Size:
    up, down = (
        sum(size for (_, way), size in trace.sizes.items() if way is direction) for direction in Direction
    )
    return up, down


def table(costs: Sequence[Cost]) -> str:
    """Return the costs as a table for people."""
    head = translate("technique  up  down  frames  extra trips  x text  ms  set-up  idle/min")
    lines = [tuple(head.split("  "))]
    for cost in costs:
        one = cost.receipt
        lines.append(
            (
                cost.technique,
                f"{one.up:.0f} B",
                f"{one.down:.0f} B",
                str(one.frames),
                str(one.extra_round_trips),
                f"{one.overhead:.0f}" if one.overhead else "-",
                decimal(f"{one.seconds * 1000:.1f}") if one.seconds is not None else "-",
                f"{sum(cost.setup):,} B",
                f"{sum(cost.idle_per_minute):,} B",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
