"""Measures a connection: a ping now and then tells its round-trip time, and whether anybody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from chat.client.session_events import Measured
from chat.domain.errors import ConnectionLost
from chat.interfaces.client import ChatClient

FIRST_PING = 0.5
"""Seconds until the first ping: later than the first paint of the screen, which would be measured too."""
PING_EVERY = 5.0
"""Seconds between an answer and the next ping."""
PING_TIMEOUT = 9.0
"""Seconds without an answer after which the connection counts as lost. With the pause before the ping it is
less than 15: so long it may take until a server that is frozen is noticed."""


async def measure(client: ChatClient, tell: Callable[[Measured], Awaitable[None]]) -> None:
    """Tell the round-trip time again and again. Raises `ConnectionLost` when no answer comes."""
    await asyncio.sleep(FIRST_PING)
    while True:
        try:
            async with asyncio.timeout(PING_TIMEOUT):
                rtt = await client.ping()
        except TimeoutError:
            raise ConnectionLost(f"{client.address} has not answered for {PING_TIMEOUT:.0f} s") from None
        await tell(Measured(rtt, client.activity()))
        await asyncio.sleep(PING_EVERY)
