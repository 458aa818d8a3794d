"""The pace of reading: who reads in turn is slowed down, and only who asks for much at once is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from chat.domain.errors import TooFast

LONGEST = 1.0
"""Seconds that a request waits for its turn; it is refused if it would wait longer."""


async def take_turn(take: Callable[[], float]) -> None:
    """Wait until a token can be taken.

    A client that sends a request when the one before it is answered waits for one token at most, so it is
    never refused.

    Args:
        take: takes a token; returns 0, or the seconds to wait before asking again.

    Raises:
        TooFast: others that were here before take the tokens for longer than `LONGEST`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LONGEST
    while wait := take():
        if loop.time() + wait > deadline:
            raise TooFast(
                f"too many pages at once: ask for one after the other, or again in {wait:.2g} s",
                retry_after=wait,
            )
        await asyncio.sleep(wait)
