"""The types of ASGI (asgi.readthedocs.io, specification 2.3), and what a web server shows to its parts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from chat.domain.errors import ChatError
from chat.interfaces.address import Address

if TYPE_CHECKING:  # it loads asyncio, which a cold start does not need
    from chat.transport.deadlines import Deadlines

Scope: TypeAlias = Any
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""


class WebSite(Protocol):
    """A web server, as its connections and its request guard see it."""

    address: Address
    stopping: bool
    origins: frozenset[str]
    resting: Deadlines[Any]
    """The connections that wait for their next request."""

    @property
    def crowded(self) -> bool: ...

    def asked_at(self, scope: Scope) -> str: ...

    def refusal(self, status: int, error: ChatError) -> tuple[str, bytes]: ...
