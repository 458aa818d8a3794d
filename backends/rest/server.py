"""The REST server: FastAPI for the routes and the contract, uvicorn for HTTP."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from backends.rest import read_origins
from backends.rest.answers import answer, failure, refusal
from backends.rest.conversion import PROBLEM, Refused, problem
from backends.rest.operations import OPERATIONS
from backends.rest.pages import Pages
from backends.rest.resources import Endpoint, Resources
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
    # It stands for an endpoint where routes are only described. A docstring would be the description of those
    # that have none.
    raise NotImplementedError


class Routes:
    """Takes each request to its endpoint, by the routes of a FastAPI application.

    The endpoints take the request itself, and every error is answered here. What FastAPI would do around each
    call has nothing to do then, and costs more than the call.

    It adds ``HEAD`` to every resource with ``GET`` (RFC 9110, 9.3.2), and ``OPTIONS`` to all.
    """

    def __init__(self, app: FastAPI) -> None:
        routes = [route for route in app.routes if isinstance(route, APIRoute)]
        self._routes = [
            (route.path_regex, frozenset(route.methods or ()), route.endpoint) for route in routes
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if method == "HEAD":
            method = "GET"  # the connection sends no body then
        request = Request(scope, receive, send)
        for pattern, methods, endpoint in self._routes:
            if method in methods and (found := pattern.match(path)) is not None:
                scope["path_params"] = found.groupdict()
                try:
                    response = await endpoint(request)
                except Exception as error:
                    response = failure(error, scope)
                break
        else:
            response = self._no_endpoint(request)
        await response(scope, receive, send)

    def _no_endpoint(self, request: Request) -> Response:
        path = request.scope["path"]
        found = {method for pattern, methods, _ in self._routes if pattern.match(path) for method in methods}
        if not found:
            return refusal(
                BadRequest(f"there is no resource {path}: /docs lists all of them"), request.scope, 404
            )
        allowed = ", ".join(sorted(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set())))
        headers = [(b"allow", allowed.encode())]
        if request.method == "OPTIONS":
            return answer(204, headers=headers)
        text = f"{path} does not have {request.method}, only {allowed}"
        return refusal(Refused(405, BadRequest(text), headers), request.scope)


def build(resources: Resources, asked_at: Callable[[Scope], str]) -> Application:
    """Return the application. ``asked_at`` returns the URL at which a request was sent."""
    app = bare(resources)
    more: dict[str, Endpoint] = Pages(asked_at).endpoints()
    for path, endpoint in more.items():
        app.add_api_route(path, endpoint, include_in_schema=False)
    return Routes(app)


def bare(resources: Resources | None = None) -> FastAPI:
    """Return the routes of the resources; without ``resources`` they can be described, but not called."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
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
