"""Responses that have their headers and no others, and are written in one step."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from starlette.responses import Response

from backends.rest.conversion import Headers, problem
from backends.rest.headers import JSON, draft_number
from chat.domain.errors import BadRequest, ChatError
from chat.domain.model import Event
from chat.transport.asgi import Receive, Scope, Send
from chat.transport.http_response import respond, respond_later
from chat.transport.http_server import ClientDisconnected, News, WebServer, Whole

log = logging.getLogger(__name__)


class Answer(Response):
    """A response with these headers and no others."""

    def __init__(self, status: int, headers: Headers, body: bytes = b"") -> None:
        self.status_code, self.raw_headers, self.body = status, headers, body
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, self.status_code, self.raw_headers, bytes(self.body))


class Later(Response):
    """The response to a long poll, which comes with the news."""

    def __init__(
        self, web: WebServer, news: News, answer_with: Callable[[list[Event] | Exception], Whole]
    ) -> None:
        """Prepare; see `WebServer.answer_news`."""
        self.background = None
        self._web, self._news, self._answer_with = web, news, answer_with

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond_later(send, self._web.answer_news(scope, send, self._news, self._answer_with))


def answer(status: int, body: bytes = b"", headers: Headers | None = None, kind: bytes = JSON) -> Response:
    """Return a response; one with a body gets its type and length as headers."""
    made = headers or []
    if body:
        made += [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    return Answer(status, made, body)


def failure(error: Exception, scope: Scope) -> Response:
    """Return the response of what an endpoint has raised: a problem."""
    if isinstance(error, ClientDisconnected):
        return Answer(400, [])  # nobody receives it
    if not isinstance(error, ChatError):
        log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
        error = ChatError("the server failed; the request may have been carried out")
    return refusal(error, scope)


def refusal(error: ChatError, scope: Scope, status: int = 0) -> Response:
    """Return the response of an error."""
    n = 0
    with suppress(BadRequest):
        n = draft_number(dict(scope["headers"]))
    return Answer(*problem(error, status, n))
