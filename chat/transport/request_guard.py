"""Checks each HTTP request before the technique's application sees it.

A browser puts the host name that a page uses into the Host header, and the page's origin into Origin. A
public host name that is not this server's means DNS rebinding (`chat.transport.host_names`). Another origin
is another site's page that calls on its reader's behalf (cross-site request forgery).
"""

from __future__ import annotations

from chat.domain.errors import BadRequest, ChatError, Full
from chat.transport.asgi import Application, Receive, Scope, Send, WebSite
from chat.transport.host_names import HostNames, without_port

CROWDED = "crowded"
"""In a request's state (ASGI): its connection is one beyond the limit."""


class RequestGuard:
    """An ASGI application around that of a technique."""

    def __init__(self, app: Application, web: WebSite) -> None:
        self._app = app
        self._web = web
        self._names = HostNames(web.address.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (refused := await self._check(scope)) is None:
            await self._app(scope, receive, send)
            return
        status, error = refused
        kind, body = self._web.refusal(status, error)
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        if status in (400, 503):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _check(self, scope: Scope) -> tuple[int, ChatError] | None:
        """Return the status and the error with which to refuse the request; None if it may pass."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 and not (not hosts and scope["http_version"] == "1.0"):
            return 400, BadRequest("a request needs one Host header")
        host = hosts[0].decode("latin-1").lower() if hosts else ""
        if hosts and not await self._names.may_ask(host):
            return 421, BadRequest(
                f"this server is not {without_port(host)}: call it by its address, or start it with --host"
            )
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value.decode("latin-1").lower()
                if origin != self._web.asked_at(scope).lower() and origin not in self._web.origins:
                    return 403, BadRequest(f"web pages of {origin} may not call this server")
        if scope["state"][CROWDED]:
            return 503, Full("too many connections: come back later")
        return None
