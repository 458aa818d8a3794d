"""Somebody else who reads the log of a room, on a connection without a fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from chat.client.connect import Place, check_place, locate
from chat.domain.model import Event, Hello
from chat.interfaces.client import ChatClient, ClientOptions
from chat.interfaces.technique import Technique
from lab.check.recorder import Recorder, read_log


async def direct(place: Place, technique: Technique) -> ChatClient:
    """Return a client that is not connected yet. Raises `ChatError`."""
    target = (await locate(place, technique, check_place(place, technique))).addresses[0]
    return technique.load_client()(target, ClientOptions())


@asynccontextmanager
async def read(place: Place, technique: Technique, room: str) -> AsyncIterator[list[Event]]:
    """Yield the log of a room. The reader stays in it meanwhile, so that nothing is added by its leaving.

    Raises:
        ChatError: the log can't be read.
    """
    client = await direct(place, technique)
    try:
        welcome = await client.connect(Hello(room, "reader", access=place.access))
        yield await read_log(client, welcome.first)
    finally:
        await client.close()


async def end(
    place: Place,
    technique: Technique,
    room: str,
    people: Sequence[Recorder],
    patience: float,
    *,
    well: bool,
) -> list[Event]:
    """End the histories as soon as everything that is in the log has come; return the log.

    Args:
        place: the server.
        technique: to read it over.
        room: whose log.
        people: of the room.
        patience: seconds in which it must have come; the checker names what has not.
        well: all is answered. Otherwise more may be stored while the log is read: the histories end before.

    Raises:
        ChatError: the log can't be read.
    """
    if not well:
        for one in people:
            one.end(whole=False)
    async with read(place, technique, room) as log:
        if not well:
            return log
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await asyncio.gather(*(one.until_got(log) for one in people))
        for one in people:
            one.end(whole=True)
    return log
