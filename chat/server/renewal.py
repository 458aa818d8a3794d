"""Another access token and another certificate for a server that runs on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from chat.domain.errors import ChatError
from chat.interfaces.server import ChatServer
from chat.interfaces.tls import Identity
from chat.server.hub import Hub
from chat.server.service_manager import READY, notify, reloading
from chat.server.signals import Signals

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a server shares with its clients, and proves itself with."""

    access: str
    """The access token; "": none."""
    identity: Identity | None
    """None: without TLS."""


@dataclass(frozen=True, slots=True)
class Renewable:
    """Where the secrets come from. The functions block, and are called in a thread."""

    names: tuple[str, ...] = ()
    """What can be read again: the token, the certificate."""
    read: Callable[[], Secrets] | None = None
    """Returns what the files hold now. Raises `ChatError` if they can't be used."""
    taken: Callable[[Secrets], None] | None = None
    """Called when the server has taken them: clients of this user must learn the new token."""


async def whenever_asked(signals: Signals, renew: Callable[[], Awaitable[None]]) -> None:
    """Let ``renew`` read the files again, each time that a signal asks for it; tell the service manager."""
    while True:
        await signals.reload.wait()
        signals.reload.clear()
        notify(reloading())
        try:
            await renew()
        except Exception:
            log.exception("the files could not be read again")  # a bug; the server goes on
        notify(READY)


async def renew(source: Renewable, hub: Hub, servers: Mapping[str, ChatServer]) -> None:
    """Read the files, and take what they hold; or keep everything, and say why.

    Existing seats go on. Whoever joins from now on, or comes back over a new connection, needs the new token.
    """
    if source.read is None:
        hub.records.report("reloaded", what="nothing, because it was given no file")
        return
    try:
        secrets = await asyncio.to_thread(source.read)
        _take(secrets, hub, servers)
        if source.taken is not None:
            await asyncio.to_thread(source.taken, secrets)
    except ChatError as error:
        hub.records.report("not_reloaded", reason=str(error))
    else:
        hub.records.report("reloaded", what=", ".join(source.names))


def _take(secrets: Secrets, hub: Hub, servers: Mapping[str, ChatServer]) -> None:
    for server in servers.values():
        options = server.options
        identity = options.identity
        if identity is not None and secrets.identity is not None:
            identity = identity.replaced_by(secrets.identity)
        server.renew(replace(options, access=secrets.access, identity=identity))
    hub.renew(secrets.access)
