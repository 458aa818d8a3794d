"""Which calls of a connection may still be answered, where calls have numbers: xids, sequence numbers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from chat.interfaces.frames import Direction

T = TypeVar("T")

MAX_CALLS = 1024
"""Calls of a connection whose answers can be told apart; of more, the oldest is forgotten."""


class OpenCalls(Generic[T]):
    """What an answer needs to know of its call. An answered call stays: datagrams come twice."""

    def __init__(self) -> None:
        self._calls: OrderedDict[tuple[Direction, int], T] = OrderedDict()

    def add(self, direction: Direction, number: int, call: T) -> None:
        """Remember a call that went in this direction; another one with its number is forgotten."""
        self._calls[direction, number] = call
        self._calls.move_to_end((direction, number))
        if len(self._calls) > MAX_CALLS:
            self._calls.popitem(last=False)

    def answered(self, direction: Direction, number: int) -> T | None:
        """Return the call that is answered in this direction; None: it is not known."""
        return self._calls.get((direction.back, number))
