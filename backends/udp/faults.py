"""Faults on purpose: what a network does to datagrams, done by dice, to be seen on one machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Generic, TypeVar

from backends.udp import probability

HOLD = 0.1
"""Seconds after which a datagram that was held back goes on, if none comes that could overtake it."""

T = TypeVar("T")


class Faults(Generic[T]):
    """One direction of one process: loses, doubles and swaps what passes.

    Three dice are thrown for each datagram, whatever comes of them: the same seed and the same datagrams have
    the same fate.
    """

    def __init__(self, settings: Mapping[str, str], direction: str, deliver: Callable[[T], None]) -> None:
        self._loss, self._dup, self._reorder = (
            probability(settings.get(name) or "0") for name in ("loss", "dup", "reorder")
        )
        seed = settings.get("seed") or ""
        self._dice = Random(f"{seed} {direction}") if seed else Random()
        self._deliver = deliver
        self._held: list[T] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def any(self) -> bool:
        """Whether anything can happen here."""
        return bool(self._loss or self._dup or self._reorder)

    def send(self, datagram: T) -> None:
        """Let a datagram pass, or not."""
        throw = self._dice.random
        lost, twice, late = throw() < self._loss, throw() < self._dup, throw() < self._reorder
        if lost:
            return
        if late and not self._held:
            self._held += [datagram] * (1 + twice)
            self._timer = asyncio.get_running_loop().call_later(HOLD, self._go_on)
            return
        for _ in range(1 + twice):
            self._deliver(datagram)
        self._go_on()

    def close(self) -> None:
        """What is held back is lost."""
        self._held.clear()
        self._go_on()

    def _go_on(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, []
        for datagram in held:
            self._deliver(datagram)
