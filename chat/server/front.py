"""What may stand between the clients and the listeners of a server."""

from __future__ import annotations

from typing import Protocol

from chat.interfaces.address import Address
from chat.interfaces.technique import Technique


class Front(Protocol):
    """Relays to each listener. The server listens on 127.0.0.1 behind it, and the clients meet the front."""

    async def open(self, technique: Technique, behind: Address, here: Address) -> Address:
        """Relay to a listener; return where the clients reach it.

        Args:
            technique: of the listener.
            behind: where it listens.
            here: where the clients shall reach it; port 0: any free one.

        Raises:
            OSError: it is not possible to listen there.
        """

    async def run(self) -> None:
        """Work until it is cancelled."""

    async def close(self) -> None:
        """Break all connections."""
