"""What a browser gets, all of it from this server: the page that chats, Swagger UI, and openapi.json."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from backends.rest.answers import answer
from backends.rest.conversion import Refused
from backends.rest.headers import read_headers, wants_html
from backends.rest.operations import OWN_URL
from backends.rest.resources import Endpoint
from chat.domain.errors import BadRequest
from chat.transport.asgi import Scope
from chat.transport.preconditions import failed_precondition

PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>chat: REST</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<body style="margin: 0">
<div id="page"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
"""
START = b"""SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""
POLICY = b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
"""The page loads nothing from other servers (Content Security Policy, level 3)."""
CHAT = Path(__file__).with_name("page")
"""The page that chats: a client of this API, without a build step."""
CHAT_FILES = {
    "page.css": b"text/css",
    "page.js": b"text/javascript",
    "client.js": b"text/javascript",
    "french.js": b"text/javascript",
    "lesson.js": b"text/javascript",
}
CHAT_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-cache"),
    (b"vary", b"Accept"),
]
"""No script and no style is in the page itself, and nothing comes from another server."""
CONTRACT = Path(__file__).with_name("openapi.json")
"""What ``python -m backends.rest.openapi`` writes."""
FILES = {"swagger-ui.css": b"text/css", "swagger-ui-bundle.js": b"text/javascript"}


class Pages:
    """The endpoints of the documentation. Each file is read at its first request."""

    def __init__(self, asked_at: Callable[[Scope], str]) -> None:
        self._asked_at = asked_at
        self._files: dict[str, bytes] = {}

    def endpoints(self) -> dict[str, Endpoint]:
        """Return the endpoints by their paths."""
        return {"/": self._front} | {
            path: conditional(endpoint)
            for path, endpoint in {
                **{f"/page/{name}": self._chat_file for name in CHAT_FILES},
                "/openapi.json": self._document,
                "/docs": self._page,
                "/docs/start.js": self._start,
                **{f"/docs/{name}": self._file for name in FILES},
            }.items()
        }

    async def _front(self, request: Request) -> Response:
        """Give a page to a browser; for every other client there is nothing here."""
        if not wants_html(read_headers(request.scope["headers"]).get(b"accept", b"")):
            text = "there is no resource /: /docs lists all of them, and a browser gets a page that chats"
            raise Refused(404, BadRequest(text), [(b"vary", b"Accept")])
        return await conditional(self._chat)(request)

    async def _chat(self, request: Request) -> Response:
        body = await self._read("index.html")
        return answer(200, body, list(CHAT_HEADERS), b"text/html; charset=utf-8")

    async def _chat_file(self, request: Request) -> Response:
        name = str(request.scope["path"]).rpartition("/")[2]
        return answer(200, await self._read(name), list(CHAT_HEADERS), CHAT_FILES[name] + b"; charset=utf-8")

    async def _document(self, request: Request) -> Response:
        document = await self._read(CONTRACT.name)
        url = self._asked_at(request.scope).encode()
        return answer(200, document.replace(OWN_URL.encode(), url))

    async def _page(self, request: Request) -> Response:
        return answer(200, PAGE, [(b"content-security-policy", POLICY)], b"text/html; charset=utf-8")

    async def _start(self, request: Request) -> Response:
        return answer(200, START, kind=b"text/javascript")

    async def _file(self, request: Request) -> Response:
        name = str(request.scope["path"]).rpartition("/")[2]
        return answer(200, await self._read(name), kind=FILES[name])

    async def _read(self, name: str) -> bytes:
        if name not in self._files:
            self._files[name] = await asyncio.to_thread(read, name)
        return self._files[name]


def conditional(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with preconditions (RFC 9110, 13): a page exists, and has no entity tag."""

    async def checked(request: Request) -> Response:
        status = failed_precondition(read_headers(request.scope["headers"]), None, reads=True)
        if status == 412:
            raise Refused(412, BadRequest("it is not in the state that If-Match names"))
        return answer(304) if status else await endpoint(request)

    return checked


def read(name: str) -> bytes:
    """Return openapi.json, a file of the page that chats, or one of swagger-ui-bundle."""
    if name in CHAT_FILES or name == "index.html":
        return (CHAT / name).read_bytes()
    if name == CONTRACT.name:
        return CONTRACT.read_bytes()
    from swagger_ui_bundle import swagger_ui_path

    return (Path(swagger_ui_path) / name).read_bytes()
