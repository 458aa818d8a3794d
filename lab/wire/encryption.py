"""TLS through a tap: it ends the client's, and makes its own to the server. Nothing is left unverified."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from chat.interfaces.tls import Trust

FOLDER = "wire"
"""In the state folder: the tap has an authority of its own, so that nobody takes it for a server."""
PROTOCOLS = ["h2", "http/1.1"]
"""What a client may ask for (ALPN, RFC 7301); the tap then asks the server for the same."""


@dataclass(frozen=True, slots=True)
class Encryption:
    """The two ends of TLS at a tap."""

    identity: ssl.SSLContext
    """Towards the clients."""
    trust: Trust
    """What the clients trust."""
    server: Trust
    """What the tap trusts, as the client did."""

    @classmethod
    def between(cls, state: Path, trust: Trust) -> Encryption:
        """Return the ends for a client that trusts ``trust``. It reads and writes files.

        Raises:
            ChatError: the tap's certificate can't be kept.
        """
        from chat.server.local_authority import local_identity  # late: every screen has a tap, few have TLS

        folder = state / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        local = local_identity(folder, "127.0.0.1")
        local.identity.context.set_alpn_protocols(PROTOCOLS)
        return cls(local.identity.context, Trust.of(local.authority, "the tap"), trust)

    def towards(self, protocol: str | None) -> ssl.SSLContext:
        """Return the context for a connection to the server, with the protocol that the client chose."""
        # Without one it asks for none: the context is the one of the connection before.
        self.server.context.set_alpn_protocols([protocol] if protocol is not None else [])
        return self.server.context
