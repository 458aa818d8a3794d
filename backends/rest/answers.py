"""Responses that have their headers and no others, and are written in one step."""

from __future__ import annotations

from starlette.responses import Response

from backends.rest.conversion import Headers
from backends.rest.headers import JSON
from chat.transport.asgi import Receive, Scope, Send
from chat.transport.http_response import respond


class Answer(Response):
    """A response with these headers and no others."""

    def __init__(self, status: int, headers: Headers, body: bytes = b"") -> None:
        self.status_code, self.raw_headers, self.body = status, headers, body
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, self.status_code, self.raw_headers, bytes(self.body))


def answer(status: int, body: bytes = b"", headers: Headers | None = None, kind: bytes = JSON) -> Response:
    """Return a response; one with a body gets its type and length as headers."""
    made = headers or []
    if body:
        made += [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    return Answer(status, made, body)
