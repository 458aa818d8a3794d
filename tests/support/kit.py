"""What the fixtures in conftest.py hand out: a running server, a client in its seat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from chat.domain.model import Welcome
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.interfaces.server import ChatServer

QUICK = ClientOptions(settings={"poll": "0.05"})
"""No test waits a second for a client that polls; the others have no such setting."""


class Serving(NamedTuple):
    server: ChatServer
    address: Address
    """Where it really listens."""


class Seated(NamedTuple):
    client: ChatClient
    welcome: Welcome


MakeServer = Callable[[Address], ChatServer]
"""Makes a server of the technique under test; where a broker is the server, a door to it."""
MakeClient = Callable[[Address], ChatClient]


class Connect(Protocol):
    async def __call__(self, nick: str, room: str = "lab", **hello: Any) -> Seated:
        """Connect a client of the technique under test; ``hello`` are further fields of `Hello`.

        It is closed, and its seat left, when the test ends.
        """
