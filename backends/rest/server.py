"""The REST server: FastAPI for the routes and the contract, uvicorn for HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from backends.rest import read_origins
from backends.rest.conversion import PROBLEM, Refused, problem
from backends.rest.operations import OPERATIONS
from backends.rest.pages import Pages
from backends.rest.resources import Endpoint, Resources, answer, answering, refusal
from chat.domain.errors import BadRequest, ChatError
from chat.transport.asgi import Application, Receive, Scope, Send
from chat.transport.http_server import WebServer

REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Seat-Key",
)
"""Request headers that a page of another origin may send, besides the safelisted ones."""
EXPOSED = ("ETag", "Location", "Retry-After")
"""Response headers that such a page may read."""


class RestServer(WebServer):
    def application(self) -> Application:
        self.origins = read_origins(self.options.settings.get("cors", ""))
        app: Application = build(Resources(self.hub, self), self.asked_at)
        if self.origins:
            app = CORSMiddleware(
                app,
                allow_origins=sorted(self.origins),
                allow_methods=("DELETE", "GET", "HEAD", "POST", "PUT"),
                allow_headers=REQUEST_HEADERS,
                expose_headers=EXPOSED,
            )
        return app

    def refusal(self, status: int, error: ChatError) -> tuple[str, bytes]:
        _, _, body = problem(error, status)
        return PROBLEM.decode(), body


async def described(request: Request) -> Response:
    """Stand for an endpoint where routes are only described."""
    raise NotImplementedError


class Route(APIRoute):
    """A route whose endpoint takes the request itself: FastAPI routes and describes it, nothing more."""

    def get_route_handler(self) -> Any:
        return answering(self.endpoint)


class Methods:
    """Adds ``HEAD`` to every resource with ``GET`` (RFC 9110, 9.3.2), and ``OPTIONS`` to all."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":  # uvicorn sends no body then
            scope = {**scope, "method": "GET"}
        elif scope["method"] == "OPTIONS" and (allowed := methods(self._app, scope["path"])):
            await answer(204, headers=[(b"allow", allowed)])(scope, receive, send)
            return
        await self._app(scope, receive, send)


def build(resources: Resources, asked_at: Callable[[Scope], str]) -> Application:
    """Return the application. ``asked_at`` returns the URL at which a request was sent."""
    app = bare(resources)
    more: dict[str, Endpoint] = Pages(asked_at).endpoints()
    for path, endpoint in more.items():
        app.add_api_route(path, endpoint, include_in_schema=False)
    return Methods(app)


def bare(resources: Resources | None = None) -> FastAPI:
    """Return the routes of the resources; without ``resources`` they can be described, but not called."""

    async def not_here(request: Request, error: Exception) -> Response:
        path = request.scope["path"]
        if allowed := methods(app, path):
            text = f"{path} does not have {request.method}, only {allowed.decode()}"
            return refusal(Refused(405, BadRequest(text), [(b"allow", allowed)]), request)
        return refusal(BadRequest(f"there is no resource {path}: /docs lists all of them"), request, 404)

    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: not_here},
    )
    app.router.route_class = Route
    for operation in OPERATIONS:
        app.add_api_route(
            operation.path,
            getattr(resources, operation.name) if resources else described,
            methods=[operation.method],
            operation_id=operation.id,
            summary=operation.summary,
            description=operation.description,
            tags=[operation.tag],
            status_code=min(operation.answers),
            response_class=Response,
            responses=operation.responses(),
            openapi_extra=operation.extra(),
        )
    return app


def methods(app: FastAPI, path: str) -> bytes:
    """Return the methods of a path as ``Allow`` lists them; empty if there is no such path."""
    routes: Iterable[APIRoute] = (route for route in app.routes if isinstance(route, APIRoute))
    found = {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}
    if not found:
        return b""
    return ", ".join(sorted(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set()))).encode()
