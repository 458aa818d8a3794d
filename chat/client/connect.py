"""Makes a `Session` from what the user asked for. The session finds, or starts, its server by itself."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from chat.background.sightings import Sightings
from chat.client.seat_keys import SeatKeyFile
from chat.client.session import Session
from chat.domain.errors import BadName, ChatError, ConnectionLost
from chat.domain.model import Cursor, Hello
from chat.domain.validation import LIMITS, clean_nick
from chat.interfaces.address import TLS_PORTS, Address, parse_servers
from chat.interfaces.client import ChatClient, ClientOptions
from chat.interfaces.technique import Technique
from chat.interfaces.tls import Fingerprint, Trust
from chat.language import N_
from chat.transport.pinning import trust_in

if TYPE_CHECKING:
    from chat.background.server import Found


@dataclass(frozen=True, slots=True)
class Place:
    """Which server, and what is needed to connect."""

    server: str | None
    """``HOST[:PORT]``, or several; None: the background server of this user."""
    state: Path
    spawn: bool = True
    """Start the background server when it does not run."""
    access: str = ""
    trust: Trust | Fingerprint | None = None
    """Connect with TLS; None: without, except to the user's own server if that speaks TLS."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where the servers are, and what a client needs there."""

    addresses: list[Address]
    """One, or, if the technique takes `Technique.several`, more."""
    access: str
    trust: Trust | None


Detour = Callable[[list[Address], Trust | None], Awaitable[tuple[list[Address], Trust | None]]]
"""Returns where to connect to instead, and whom to trust there."""


def open_session(
    place: Place,
    technique: Technique,
    room: str,
    nick: str,
    *,
    settings: Mapping[str, str] | None = None,
    other_nicks: bool = False,
    cursor: Cursor | None = None,
    give_up: float | None = None,
    detour: Detour | None = None,
    keep_seat: bool = True,
) -> Session:
    """Return a session that is not started yet.

    Args:
        place: the server.
        technique: the technique to connect by.
        room: the room's name.
        nick: the user's name.
        settings: of the technique, by `Setting.name`.
        other_nicks: if the nick is taken, try nick-2, nick-3 ...
        cursor: replay the events after it; None: the newest ones.
        give_up: seconds without a connection after which the session ends; None: never.
        detour: asked at each connection where to connect to instead; None: nowhere else.
        keep_seat: keep the seat key in the state folder, for the next process of this user.

    Raises:
        ChatError: the technique can't do what was asked, or something is not installed.
    """
    given = check_place(place, technique)
    options = ClientOptions((), None, settings or {}, found=not given)

    had_one = False

    async def dial() -> ChatClient:
        nonlocal had_one
        found = await locate(place, technique, given, again=had_one)
        had_one = not given
        session.way.access = found.access
        targets, trust = found.addresses, found.trust
        if detour is not None:
            targets, trust = await detour(targets, trust)
            session.way.server = str(found.addresses[0]) if targets != found.addresses else ""
        # In a thread as well: some techniques' libraries take half a second to import.
        kind = await asyncio.to_thread(technique.load_client)
        return kind(targets[0], replace(options, also=tuple(targets[1:]), trust=trust))

    session = Session(
        dial,
        Hello(room, nick, cursor, place.access),
        resend=technique.traits.resend,
        keys=SeatKeyFile(place.state, place.server or "local", room) if keep_seat else None,
        seen=Sightings(place.state, [one.host for one in given] or ["localhost"]),
        other_nicks=other_nicks,
        give_up=give_up,
    )
    session.way.checked = technique.transport(options.settings) != "udp"
    return session


def check_place(place: Place, technique: Technique) -> list[Address]:
    """Return the servers that the user named, none: this user's own.

    Raises:
        ChatError: the technique can't do what was asked, or something is not installed.
    """
    if missing := technique.missing():
        wanted = ", ".join(N_(f"{need.what} (install it: {need.install})") for need in missing)
        raise ChatError(f"{technique.name} cannot run here: missing {wanted}")
    if place.trust and not technique.tls:
        raise ChatError(
            f"{technique.name} cannot be encrypted here: leave out --ca and --fingerprint, "
            "or take another technique"
        )
    if place.server is None:
        return []
    try:
        given = list(
            parse_servers(
                place.server, technique.port_for(encrypted=place.trust is not None), technique.schemes
            )
        )
    except ValueError as error:
        raise ChatError(str(error)) from None
    if len(given) > 1 and not technique.several:
        raise ChatError(f"{technique.name} takes one server, and {len(given)} are given: choose one")
    return given


async def locate(place: Place, technique: Technique, given: list[Address], *, again: bool = False) -> Located:
    """Find the server, or start it.

    Args:
        place: which server.
        technique: the technique to connect by.
        given: what `check_place` returned.
        again: the client was connected to it before.

    Raises:
        ChatError: there is no server, or it does not fit.
    """
    access, pinned, addresses = place.access, place.trust, given
    if not given and technique.broker is not None:
        addresses = [await asyncio.to_thread(_find_broker, place, technique)]
    elif not given:
        found = await asyncio.to_thread(_find, place, technique, again)
        addresses, access, pinned = [found.address], found.access, pinned or found.trust
    return Located(addresses, access, await trust_in(pinned, addresses))


def _find(place: Place, technique: Technique, again: bool) -> Found:
    from chat.background import server

    return server.find(place.state, technique.name, place.spawn, again, encrypted=place.trust is not None)


def _find_broker(place: Place, technique: Technique) -> Address:
    find = technique.load_broker()
    if place.trust is None:
        return find(place.state, spawn=place.spawn).address
    try:
        return find(place.state, spawn=False).address  # one that is started here has no TLS
    except ConnectionLost:
        urls = " or ".join(f"{scheme}://..." for scheme in technique.schemes if scheme in TLS_PORTS)
        raise ChatError(
            f"no broker with TLS is known here: name one with --server {urls}, "
            "or leave out --ca and --fingerprint"
        ) from None


def login_name() -> str:
    """Return the login name as a nick; ``guest`` where it can't be one."""
    try:
        return clean_nick(getpass.getuser()[: LIMITS.nick_chars - 4])
    except (BadName, OSError, KeyError):
        return "guest"
