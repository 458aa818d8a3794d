"""Opens sessions: from what the user asked for to a `Session` that finds its server by itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from chat.keyring import SeatKeyFile
from chat.model import ChatError, Cursor, Hello
from chat.ports import Address, ChatClient, Technique, parse_address
from chat.session import Session


@dataclass(frozen=True, slots=True)
class Place:
    """Which server, and how to get in."""

    server: str | None
    """``HOST[:PORT]``; None: this user's server on this machine."""
    state: Path
    spawn: bool = True
    """Start the background server when it does not run."""
    access: str = ""


def open_session(
    place: Place,
    technique: Technique,
    room: str,
    nick: str,
    *,
    other_nicks: bool = False,
    cursor: Cursor | None = None,
    give_up: float | None = None,
) -> Session:
    """Return a session that is not started yet. Raises `ChatError` for an address that is none."""
    if missing := technique.missing():
        wanted = ", ".join(f"{need.what} (install it: {need.install})" for need in missing)
        raise ChatError(f"{technique.name} cannot run here: missing {wanted}")
    address: Address | None = None
    if place.server is not None:
        try:
            address = parse_address(place.server, technique.port)
        except ValueError as error:
            raise ChatError(str(error)) from None

    had_one = False

    async def dial() -> ChatClient:
        nonlocal had_one
        if address is None:
            target, session.access = await asyncio.to_thread(_find, place, technique, had_one)
            had_one = True
        else:
            target = address
        # In a thread as well: some techniques' libraries take half a second to import.
        kind = await asyncio.to_thread(technique.load_client)
        return kind(target)

    session = Session(
        dial,
        Hello(room, nick, cursor, place.access),
        resend=technique.traits.resend,
        keys=SeatKeyFile(place.state, place.server or "local", room),
        other_nicks=other_nicks,
        give_up=give_up,
    )
    return session


def _find(place: Place, technique: Technique, again: bool) -> tuple[Address, str]:
    from chat import server  # only where there is no address: it needs subprocess and locks

    return server.find(place.state, technique.name, place.spawn, again)
