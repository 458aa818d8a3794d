"""A slow line: so many bytes a second, each way."""

from __future__ import annotations

import random
from typing import Self

from chat.domain.errors import BadRequest
from lab.faults.fault import Fault
from lab.faults.registry import register
from lab.wire.passing import Passing

STEPS = 20
"""Pieces a second in which a stream trickles."""


@register
class Rate(Fault):
    """Lets bytes pass one after the other, at a rate."""

    name = "rate"
    usage = "BYTES"
    summary = "so many bytes a second, each way"

    def __init__(self, rate: float) -> None:
        super().__init__()
        self._rate = rate

    @classmethod
    def parse(cls, argument: str) -> Self:
        number = argument.removesuffix("/s").removesuffix("B").strip()
        factor = 1000 if number.endswith("k") else 1
        try:
            rate = float(number.rstrip("k ")) * factor
        except ValueError:
            rate = 0.0
        if rate < 1:
            raise BadRequest("write it like rate 2000 or rate 2kB/s")
        return cls(rate)

    def touch(self, passing: Passing, chance: random.Random) -> None:
        busy = max(passing.state.get(self, 0.0), passing.at) + len(passing.data) / self._rate
        passing.state[self] = busy
        passing.delay = max(passing.delay, busy - passing.at)
        passing.pieces = max(1, round(self._rate / STEPS))
        passing.notes.append(f"at {self._rate:.0f} B/s")
        self.fired += 1

    def __str__(self) -> str:
        return f"rate {self._rate:.0f}B/s"
