"""The way from some clients to one server, on which things can go wrong on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from chat.interfaces.address import Address
from chat.interfaces.technique import Technique
from chat.interfaces.tls import Trust
from lab.faults.fault import Fault
from lab.faults.plan import FaultPlan
from lab.faults.registry import parse_fault
from lab.wire.capture import Capture
from lab.wire.tap import Tap

KEPT = 64 * 1024
"""Bytes that the tap keeps: nobody looks."""


class FaultyWire:
    """A tap and the faults that are on at it. Everything but `detour` blocks for a moment."""

    def __init__(self, technique: Technique, settings: Mapping[str, str], seed: int) -> None:
        """Open the tap.

        Args:
            technique: of the clients.
            settings: of the clients, by `Setting.name`.
            seed: of everything random.
        """
        self.transport = technique.transport(settings)
        self._plan = FaultPlan(technique.load_decoder(), seed)
        self._tap = Tap(Capture(KEPT, 100), self._plan)

    async def detour(
        self, addresses: list[Address], trust: Trust | None
    ) -> tuple[list[Address], Trust | None]:
        """Lead through the tap; see `chat.client.connect.Detour`."""
        return [await asyncio.to_thread(self._tap.relay, one, self.transport) for one in addresses], trust

    def parse(self, text: str) -> Fault:
        """Return a fault as ``/fault`` takes it. Raises `BadRequest`."""
        return parse_fault(text, self.transport)

    def begin(self, fault: Fault) -> None:
        self._plan.add(fault, self._tap)

    def finish(self) -> None:
        """End all faults; what they hold passes."""
        self._plan.clear(self._tap)

    def cut(self) -> None:
        """Break every connection."""
        self._tap.cut()

    def close(self) -> None:
        self._tap.close()
