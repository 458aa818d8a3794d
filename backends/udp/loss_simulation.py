"""Simulates a bad network: loses, duplicates and reorders datagrams at random, with a seed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Generic, TypeVar

from backends.udp import probability

MAX_HOLD = 0.1
"""Seconds after which a held datagram is delivered even if no other one has overtaken it."""

T = TypeVar("T")


class LossSimulation(Generic[T]):
    """Simulates one direction of one process.

    Three random numbers are drawn for each datagram, whatever happens to it. So with the same seed the same
    datagrams are lost, whether or not others are also duplicated.
    """

    def __init__(self, settings: Mapping[str, str], direction: str, deliver: Callable[[T], None]) -> None:
        """Begin.

        Args:
            settings: the probabilities ``loss``, ``dup`` and ``reorder``, and the ``seed``; all optional.
            direction: ``in`` or ``out``; each has its own random numbers.
            deliver: called with every datagram that passes.
        """
        self._loss, self._dup, self._reorder = (
            probability(settings.get(name) or "0") for name in ("loss", "dup", "reorder")
        )
        seed = settings.get("seed") or ""
        self._random = Random(f"{seed} {direction}") if seed else Random()
        self._deliver = deliver
        self._held: list[T] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def enabled(self) -> bool:
        """Whether any probability is above 0."""
        return bool(self._loss or self._dup or self._reorder)

    def send(self, datagram: T) -> None:
        """Deliver a datagram: now, twice, after the next one, or never."""
        draw = self._random.random
        lost, twice, late = draw() < self._loss, draw() < self._dup, draw() < self._reorder
        if lost:
            return
        if late and not self._held:
            self._held += [datagram] * (1 + twice)
            self._timer = asyncio.get_running_loop().call_later(MAX_HOLD, self._release)
            return
        for _ in range(1 + twice):
            self._deliver(datagram)
        self._release()

    def close(self) -> None:
        """Drop a held datagram and stop the timer."""
        self._held.clear()
        self._release()

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, []
        for datagram in held:
            self._deliver(datagram)
