"""Decides who may use the pages of `chat web`, and who may not. Its only I/O looks up this machine's name.

Any page in a browser may send requests to this machine, and may open a WebSocket: browsers apply the same
origin policy to neither (RFC 6455, 10.2). So each request must name a host that is ours, and what acts must
come from a page of ours.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from chat.domain.access_token import is_token
from chat.domain.errors import AccessDenied
from chat.domain.guesses import Guesses
from chat.transport.asgi import Scope
from chat.transport.host_names import HostNames, without_port
from chat.transport.public_url import public_url

VISITORS = 1000
"""Browsers that are remembered because they have shown the access token; then the oldest is forgotten."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused."""

    status: int
    text: str
    """For the reader, in English: what happened, and what to do."""


class Guard:
    """The rules, and the browsers that have shown the access token.

    Args:
        host: the address or the name at which the server listens.
        own_url: the server's own URL, e.g. ``http://127.0.0.1:8010``.
        access: the access token; "": everybody may come in.
        clock: returns seconds.
    """

    def __init__(self, host: str, own_url: str, access: str, clock: Callable[[], float]) -> None:
        self._names = HostNames(host)
        self._own_url = own_url
        self._access = access
        self._guesses = Guesses(clock)
        self._visitors: OrderedDict[str, None] = OrderedDict()

    async def check(self, scope: Scope, *, acts: bool) -> Refusal | None:
        """Return why a request is refused; None: it may pass.

        Args:
            scope: the request's headers, scheme and peer, as ASGI has them.
            acts: it does more than to read a page, so it must say that a page of ours sends it.
        """
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1:
            return Refusal(400, "A request needs one Host header.")
        host = hosts[0].decode("latin-1").lower()
        if not await self._names.may_ask(host):
            return Refusal(
                421,
                f"This server is not {without_port(host)}. Open it by its address, or start it with --host "
                "and that name.",
            )
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        ours = public_url(scope, self._own_url).lower()
        for origin in origins:
            if origin.lower() != ours:
                return Refusal(403, f"A page of {origin} may not use this server: open {ours} itself.")
        if acts and not origins:
            return Refusal(403, f"Only a page of this server may do that: open {ours} in a browser.")
        return None

    # --- the access token ----------------------------------------------------------------------

    def enter(self, token: str, peer: str) -> str:
        """Return a secret by which a browser is known from now on, in return for the access token.

        Args:
            token: what the visitor has shown.
            peer: the visitor's address.

        Raises:
            AccessDenied: it is the wrong one, or the address must wait, because it has guessed too often.
        """
        wait = self._guesses.wait(peer)
        if wait and not self._guesses.is_known(peer):
            raise AccessDenied(
                f"Too many wrong access tokens came from your address: try again in {wait:.0f} s.",
                retry_after=wait,
            )
        if not self._access or not is_token(token, self._access):
            if not wait:
                self._guesses.wrong(peer)
            raise AccessDenied("The access token is wrong: ask the person who runs the server.")
        self._guesses.right(peer)
        visitor = secrets.token_urlsafe(24)
        self._visitors[visitor] = None
        if len(self._visitors) > VISITORS:
            self._visitors.popitem(last=False)
        return visitor

    def knows(self, visitor: str) -> bool:
        """Return whether a browser may come in: it has shown the token, or none is needed."""
        return not self._access or visitor in self._visitors
