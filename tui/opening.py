"""What one chat screen is opened with: a technique, a room and a name become a session and its wiretap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chat.client.session import Session
from chat.domain.model import Cursor

if TYPE_CHECKING:
    from chat.client.connect import Detour
    from lab.wire.wiretap import Wiretap


CONNECTING = 5
"""How many times longer than for an acknowledgement the end waits if there is no connection yet."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The technique, room and name that the user has chosen."""

    technique: str
    room: str = "lab"
    nick: str | None = None
    """None: any name."""
    cursor: Cursor | None = None
    """Where the last session ended: the next one begins there, so that no event is missing."""


OpenSession = Callable[["Choice", "Detour | None"], Session]
"""Returns a session that is not started yet, and asks the detour at each connection. Raises `ChatError`."""
MakeWiretap = Callable[[Choice], "Wiretap"]
"""Returns what the wire of a session is looked at with."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that is not started yet, and what its wire is looked at with."""

    choice: Choice
    session: Session
    wiretap: Wiretap | None
    """None: the wire can't be shown."""


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens sessions for what the user chooses; the command line says how."""

    open_session: OpenSession
    make_wiretap: MakeWiretap | None = None

    def open(self, choice: Choice, wiretap: Wiretap | None = None) -> Opened:
        """Prepare a session.

        Args:
            choice: technique, room and name.
            wiretap: one that is there already; None: make a new one.

        Raises:
            ChatError: the session cannot be opened.
        """
        if wiretap is None and self.make_wiretap is not None:
            wiretap = self.make_wiretap(choice)
        session = self.open_session(choice, wiretap.detour if wiretap is not None else None)
        session.way.technique = choice.technique
        return Opened(choice, session, wiretap)


async def settle(session: Session, wiretap: Wiretap | None, linger: float) -> None:
    """Give the lines that are on their way a moment, in seconds, to be acknowledged."""
    if wiretap is not None:
        await wiretap.let_pass()
    if times := {"up": 1, "connecting": CONNECTING}.get(session.state.name):
        with suppress(TimeoutError):
            await asyncio.wait_for(session.settled(), linger * times)


async def finish(session: Session, wiretap: Wiretap | None, linger: float) -> None:
    """Leave the room, and its wire. Lines that are on their way get a moment before."""
    await settle(session, wiretap, linger)
    with suppress(TimeoutError):
        async with asyncio.timeout(2):
            await session.close()
    if wiretap is not None:
        await wiretap.stop()
