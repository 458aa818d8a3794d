"""Latency: everything takes longer, on streams and for datagrams."""

from __future__ import annotations

import random
import re
from typing import Self

from chat.domain.errors import BadRequest
from chat.language import N_
from lab.faults.fault import Fault, seconds
from lab.faults.registry import register
from lab.wire.passing import Passing


@register
class Latency(Fault):
    """Holds what passes for a while, in each direction; a stream keeps its order, datagrams do not."""

    name = "latency"
    usage = "MS[±MS]"
    summary = "everything takes longer, each way"

    def __init__(self, delay: float, jitter: float = 0.0) -> None:
        super().__init__()
        self._delay, self._jitter = delay, jitter

    @classmethod
    def parse(cls, argument: str) -> Self:
        delay, _, jitter = re.sub(r"\+/?-", "±", argument).partition("±")
        try:
            found = seconds(delay), seconds(jitter) if jitter else 0.0
        except BadRequest:
            raise BadRequest("write it like latency 200ms or latency 200ms±50ms") from None
        return cls(*found)

    def touch(self, passing: Passing, chance: random.Random) -> None:
        extra = max(0.0, self._delay + chance.uniform(-self._jitter, self._jitter))
        passing.delay += extra
        passing.notes.append(N_(f"held {extra * 1000:.0f} ms"))
        self.fired += 1

    def __str__(self) -> str:
        jitter = f"±{self._jitter * 1000:.0f}ms" if self._jitter else ""
        return f"latency {self._delay * 1000:.0f}ms{jitter}"
