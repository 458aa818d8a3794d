"""Checks each HTTP request before the technique's application sees it, and dates each response.

A browser puts the host name that a page uses into the Host header, and the page's origin into Origin. A
public host name that is not this server's comes from a page whose domain name was made to resolve to this
machine (DNS rebinding). Another origin is another site's page that calls on its reader's behalf (cross-site
request forgery).
"""

from __future__ import annotations

import asyncio
import socket
from email.utils import formatdate
from functools import lru_cache
from ipaddress import ip_address
from time import time
from typing import Any

from chat.domain.errors import BadRequest, ChatError, Full
from chat.transport.asgi import Application, Receive, Scope, Send, WebSite

LOOKUP_TIMEOUT = 3.0
"""Seconds that a request waits until it is known how the domain name system calls this machine."""
CROWDED = "crowded"
"""In a request's state (ASGI): its connection is one beyond the limit."""


class RequestGuard:
    """An ASGI application around that of a technique."""

    def __init__(self, app: Application, web: WebSite) -> None:
        self._app = app
        self._web = web
        self._names = {web.address.host.lower().rstrip("."), socket.gethostname().lower()}
        self._domain_names: asyncio.Future[set[str]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"date", http_date(int(time())))]
            await send(message)

        if (refused := await self._check(scope)) is None:
            try:
                await self._app(scope, receive, send_dated)
            except asyncio.CancelledError:
                if not self._web.stopping:
                    raise  # while the server stops, uvicorn would log it as a failure
            return
        status, error = refused
        kind, body = self._web.refusal(status, error)
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        if status in (400, 503):
            headers.append((b"connection", b"close"))
        await send_dated({"type": "http.response.start", "status": status, "headers": headers})
        await send_dated({"type": "http.response.body", "body": body})

    async def _check(self, scope: Scope) -> tuple[int, ChatError] | None:
        """Return the status and the error with which to refuse the request; None if it may pass."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 and not (not hosts and scope["http_version"] == "1.0"):
            return 400, BadRequest("a request needs one Host header")
        host = hosts[0].decode("latin-1").lower() if hosts else ""
        if hosts and not _is_local(host) and not await self._is_own(_without_port(host).rstrip(".")):
            return 421, BadRequest(
                f"this server is not {_without_port(host)}: call it by its address, or start it with --host"
            )
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value.decode("latin-1").lower()
                if origin != self._web.asked_at(scope).lower() and origin not in self._web.origins:
                    return 403, BadRequest(f"web pages of {origin} may not call this server")
        if scope["state"][CROWDED]:
            return 503, Full("too many connections: come back later")
        return None

    async def _is_own(self, name: str) -> bool:
        """Return whether it is a name of this server: of ``--host``, or the machine's own in the domain name
        system.

        The latter is looked up when the first request needs it, because that may take seconds.
        """
        if name in self._names:
            return True
        if self._domain_names is None:
            loop = asyncio.get_running_loop()
            self._domain_names = loop.run_in_executor(None, _domain_names, self._web.address.host)
        await asyncio.wait([self._domain_names], timeout=LOOKUP_TIMEOUT)
        return self._domain_names.done() and name in self._domain_names.result()


def _domain_names(host: str) -> set[str]:
    """Return the machine's names in the domain name system. Blocks."""
    names = {socket.getfqdn(), socket.getfqdn(host)}
    return {name.lower().rstrip(".") for name in names}


@lru_cache(1)
def http_date(second: int) -> bytes:
    """Return a time as the Date header has it (RFC 9110, 6.6.1); made once a second."""
    return formatdate(second, usegmt=True).encode()


def _without_port(host: str) -> str:
    return host if host.endswith("]") else host.rpartition(":")[0] if ":" in host else host


@lru_cache(256)
def _is_local(host: str) -> bool:
    """Whether it is an address, or a name that nobody can register: without a dot, or in ``.local``."""
    name = _without_port(host).rstrip(".")
    if "." not in name or name.endswith(".local"):
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
