"""Encoding once what is sent to several: those who come at the same time get the same list of members."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

KEPT = 500
"""Encodings of the newest events that a technique keeps, where one is dear: more than a replay has."""
T = TypeVar("T")
R = TypeVar("R")


def keep_last(encode: Callable[[T], R]) -> Callable[[T], R]:
    """Return a function that returns what ``encode`` does, and keeps that of the value it got last.

    It knows the value by its identity, because to compare a list costs as much as to encode it.

    Args:
        encode: its values never change.
    """
    last: tuple[T, R] | None = None

    def kept(value: T) -> R:
        nonlocal last
        if last is None or last[0] is not value:
            last = value, encode(value)
        return last[1]

    return kept
