"""Fingerprints: ask a server for its certificates, and trust the one that the user named.

That is one handshake in which nothing is sent. The connection that follows is any technique's own: it
verifies the server against the certificate that was found. So nobody in between gains by answering the first.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from chat.domain.errors import ChatError, ConnectionLost
from chat.interfaces.address import Address
from chat.interfaces.tls import Fingerprint, Trust, handshake_context
from chat.transport.errors import connection_refused, needs_no_trust, needs_trust, no_tls, other_fingerprint

HANDSHAKE_TIMEOUT = 5.0
"""Seconds for the connection and the TLS handshake."""


async def trust_in(pinned: Trust | Fingerprint | None, servers: Sequence[Address]) -> Trust | None:
    """Return what a client of these servers trusts; for anything but a fingerprint, that is known already.

    Args:
        pinned: what the user trusts.
        servers: of the same rooms. The first that answers shows its certificates for all.

    Raises:
        ChatError: the URL of one means TLS and nobody is trusted, or the other way round.
        ConnectionLost: none of them answers, or one has another certificate; the text is for the user.
    """
    for server in servers:
        if server.encrypted is not None and server.encrypted != (pinned is not None):
            scheme = server.url.partition("://")[0]
            raise ChatError(needs_trust(server, scheme) if pinned is None else needs_no_trust(server, scheme))
    if not isinstance(pinned, Fingerprint):
        return pinned
    lost: ConnectionLost | None = None
    for server in servers:
        try:
            chain = await certificates(server)
        except ConnectionLost as error:
            lost = lost or error
            continue
        trust = await asyncio.to_thread(pinned.trust, chain)
        if trust is None:
            found = str(Fingerprint.of(chain[-1])) if chain else "none"
            raise ConnectionLost(other_fingerprint(str(server), found, str(pinned)))
        return trust
    raise lost or ConnectionLost("no server is named")


async def certificates(server: Address) -> list[bytes]:
    """Return the certificates that a server shows, in DER, its own first. They prove nothing yet.

    Raises:
        ConnectionLost: nothing answers there, or it speaks no TLS.
    """
    context = await asyncio.to_thread(handshake_context)
    try:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT):
            _, writer = await asyncio.open_connection(server.host, server.port, ssl=context)
    except (ssl.SSLError, ConnectionResetError):  # the second by a server that takes TLS for nonsense
        raise ConnectionLost(no_tls(str(server))) from None
    except OSError as error:  # a TimeoutError is one
        raise ConnectionLost(connection_refused(server, error)) from None
    try:
        return _chain(writer.get_extra_info("ssl_object"))
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


def _chain(connection: Any) -> list[bytes]:
    if sys.version_info >= (3, 13):
        return list(connection.get_unverified_chain())
    found = connection._sslobj.get_unverified_chain()  # public from Python 3.13 on
    return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in found or ()]
