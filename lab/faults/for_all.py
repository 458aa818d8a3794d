"""Faults for everybody (`chat serve --faults`): the server's listeners stand behind taps.

The owner of the server controls them through two files in the state folder, which only the owner can reach.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from chat.domain.errors import BadRequest
from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from chat.language import N_
from lab.faults.fault import Fault, seconds
from lab.faults.plan import FaultPlan
from lab.faults.registry import faults, parse_fault
from lab.wire.capture import Capture, Transport
from lab.wire.tap import Tap

REQUEST, ANSWER = "faults.request", "faults.answer"
EVERY = 0.1
"""Seconds between two looks for a request."""
AGAIN = 1.5
"""Seconds after which a request that was taken and not answered is made again; twice it is the same fault."""
PATIENCE = 10.0
"""Seconds for which the owner waits for the answer."""
MAY = "may "
"""Before a fault: only ask whether it could begin."""
LASTS = 10.0
"""Seconds that a fault lasts if nothing else is said."""
LONGEST = 60.0
"""Seconds that a fault for everybody may last."""

Faulty = tuple[str, Transport, Tap, FaultPlan]
"""A technique's name, and what stands before its listener."""


class FaultsForAll:
    """A `chat.server.front.Front` that lets the wire fail for everybody, for a while."""

    def __init__(self, folder: Path, *, encrypted: bool = False) -> None:
        """Begin without a fault.

        Args:
            folder: the state folder.
            encrypted: the server speaks TLS: no fault can look for messages.
        """
        faults()  # it reads files now, and not on the event loop
        self._folder, self._encrypted = folder, encrypted
        self._taps: list[Faulty] = []
        self._ends: asyncio.TimerHandle | None = None
        self._work: set[asyncio.Task[None]] = set()

    async def open(self, technique: Technique, behind: Address, here: Address) -> Address:
        opened: list[Faulty] = []  # the technique may be served at other addresses, too
        for transport in technique.transports:
            plan = FaultPlan(await asyncio.to_thread(technique.load_decoder))
            # Nobody decodes: nothing is kept.
            tap = await asyncio.to_thread(Tap, Capture(max_bytes=0, max_chunks=0), plan)
            try:
                here = await asyncio.to_thread(tap.relay, behind, transport, here.port, host=here.host)
            except OSError:
                await asyncio.to_thread(tap.close)
                await self._close(opened)
                raise
            opened.append((technique.name, transport, tap, plan))
            self._taps.append(opened[-1])
        return here

    async def run(self) -> None:
        await asyncio.to_thread(_forget, self._folder)
        while True:
            asked = await asyncio.to_thread(_take, self._folder)
            if asked is not None:
                number, text = asked
                try:
                    answer, failed = await self.do(text), False
                except BadRequest as error:
                    answer, failed = str(error), True
                await asyncio.to_thread(_put, self._folder / ANSWER, id=number, text=answer, failed=failed)
            await asyncio.sleep(EVERY)

    async def do(self, text: str) -> str:
        """Begin a fault for everybody, e.g. ``stall 5s`` or ``latency 200ms 30s``; ``off`` ends it.

        Behind `MAY` nothing begins, and what would be done is returned.

        Returns:
            What was done, for people.

        Raises:
            BadRequest: there is no such fault, or nobody can suffer it.
        """
        if text.strip() == "off":
            return await self._end()
        fault, lasts = split(text.removeprefix(MAY))
        found, left_out = [], {}
        for name, transport, tap, plan in self._taps:
            try:
                found.append((name, plan, self._parse(fault, transport), tap))
            except BadRequest as error:
                left_out[f"{name} ({transport})"] = str(error)
        if not found:
            raise BadRequest("; ".join(dict.fromkeys(left_out.values())))
        if not text.startswith(MAY):
            for _, plan, one, tap in found:
                await asyncio.to_thread(plan.add, one, tap)
            if self._ends is not None:
                self._ends.cancel()
            self._ends = asyncio.get_running_loop().call_later(lasts, self._over)
        who = ", ".join(dict.fromkeys(name for name, *_ in found))
        names, why = ", ".join(left_out), "; ".join(dict.fromkeys(left_out.values()))
        not_on = N_(f"; not on {names}: {why}") if left_out else ""
        return N_(f"{fault} for {lasts:g} s on {who}{not_on}")

    def _parse(self, text: str, transport: Transport) -> Fault:
        fault = parse_fault(text, transport)
        if fault.reads and self._encrypted:
            raise BadRequest(f"{fault.name} must read the messages, and with TLS nobody between can")
        return fault

    def _over(self) -> None:
        task = asyncio.get_running_loop().create_task(self._end_quietly())
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _end_quietly(self) -> None:
        await self._end()

    async def _end(self) -> str:
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None
        told = [f"{name}: {plan}" for name, _, _, plan in self._taps if plan.on]
        for _, _, tap, plan in self._taps:
            await asyncio.to_thread(plan.clear, tap)
        return N_(f"no fault any more ({'; '.join(told)})") if told else N_("there was no fault")

    async def close(self) -> None:
        await self._end()
        if self._work:
            await asyncio.wait(self._work)
        await self._close(self._taps)
        await asyncio.to_thread(_forget, self._folder)

    async def _close(self, taps: list[Faulty]) -> None:
        self._taps = [one for one in self._taps if one not in taps]
        for _, _, tap, _ in taps:
            await asyncio.to_thread(tap.close)


def split(text: str) -> tuple[str, float]:
    """Return the fault and its argument, and how many seconds it lasts. Raises `BadRequest`."""
    words = text.split()
    kind = faults().get(words[0]) if words else None
    size = 1 + bool(kind is not None and kind.usage)
    if kind is not None and kind.usage.startswith("[") and len(words) == 2 and _is_duration(words[1]):
        size = 1  # its argument is left out
    if len(words) > size + 1:
        raise BadRequest("write it like stall 5s or latency 200ms 30s")
    lasts = seconds(words[size]) if len(words) > size else LASTS
    if not 0 < lasts <= LONGEST:
        raise BadRequest(f"a fault for everybody lasts at most {LONGEST:.0f} s")
    return " ".join(words[:size]), lasts


def _is_duration(text: str) -> bool:
    try:
        seconds(text)
    except BadRequest:
        return False
    return True


def ask(folder: Path, text: str) -> str:
    """Ask the own server for a fault; return what was done. Blocks until it has answered.

    Args:
        folder: the state folder.
        text: see `FaultsForAll.do`.

    Raises:
        BadRequest: it was refused, or no server with ``--faults`` runs.
    """
    number = secrets.token_hex(8)
    _put(folder / REQUEST, id=number, text=text)
    until = time.monotonic() + PATIENCE
    again = time.monotonic() + AGAIN
    while time.monotonic() < until:
        if time.monotonic() > again and not (folder / REQUEST).exists():
            _put(folder / REQUEST, id=number, text=text)  # a server that was just starting threw it away
            again = time.monotonic() + AGAIN
        answer = _read(folder / ANSWER)
        if answer is not None and answer.get("id") == number:
            (folder / ANSWER).unlink(missing_ok=True)
            if answer.get("failed"):
                raise BadRequest(str(answer["text"]))
            return str(answer["text"])
        time.sleep(EVERY / 2)
    (folder / REQUEST).unlink(missing_ok=True)
    raise BadRequest("no server of yours takes faults: end it with chat stop, and run: chat serve --faults")


def _take(folder: Path) -> tuple[str, str] | None:
    asked = _read(folder / REQUEST)
    if asked is None:
        return None
    (folder / REQUEST).unlink(missing_ok=True)
    return str(asked.get("id")), str(asked.get("text"))


def _read(path: Path) -> dict[str, object] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _put(path: Path, **fields: object) -> None:
    """Write a file in one piece, readable by its owner only."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(fields, file)
    new.replace(path)


def _forget(folder: Path) -> None:
    for name in (REQUEST, ANSWER):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
