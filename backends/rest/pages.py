"""The documentation for a browser: Swagger UI and openapi.json, all of it from this server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from backends.rest.conversion import Refused
from backends.rest.headers import read_headers
from backends.rest.operations import OWN_URL
from backends.rest.resources import Endpoint, answer
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
        return {
            path: conditional(endpoint)
            for path, endpoint in {
                "/openapi.json": self._document,
                "/docs": self._page,
                "/docs/start.js": self._start,
                **{f"/docs/{name}": self._file for name in FILES},
            }.items()
        }

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
    """Return openapi.json, or a file of swagger-ui-bundle."""
    if name == CONTRACT.name:
        return CONTRACT.read_bytes()
    from swagger_ui_bundle import swagger_ui_path

    return (Path(swagger_ui_path) / name).read_bytes()
