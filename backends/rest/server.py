"""The REST server: the routes of the operations, and uvicorn for HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from backends.rest import read_origins
from backends.rest.answers import answer
from backends.rest.conversion import PROBLEM, Refused, problem
from backends.rest.operations import OPERATIONS
from backends.rest.pages import Pages
from backends.rest.resources import Endpoint, Resources, answering, refusal
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


class Routes:
    """Takes each request to its endpoint.

    The endpoints take the request itself, and every error is answered here. What a framework would do around
    each call has nothing to do then, and costs more than the call.

    It adds ``HEAD`` to every resource with ``GET`` (RFC 9110, 9.3.2), and ``OPTIONS`` to all.
    """

    def __init__(self, routes: Iterable[tuple[str, str, Endpoint]]) -> None:
        """``routes`` have a method, a path with ``{parameters}``, and the endpoint."""
        self._routes = [
            (compile_path(path)[0], method, answering(endpoint)) for method, path, endpoint in routes
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if method == "HEAD":
            method = "GET"  # the connection sends no body then
        request = Request(scope, receive, send)
        for pattern, its, endpoint in self._routes:
            if method == its and (found := pattern.match(path)) is not None:
                scope["path_params"] = found.groupdict()
                response = await endpoint(request)
                break
        else:
            response = self._no_endpoint(request)
        await response(scope, receive, send)

    def _no_endpoint(self, request: Request) -> Response:
        path = request.scope["path"]
        found = {method for pattern, method, _ in self._routes if pattern.match(path)}
        if not found:
            return refusal(BadRequest(f"there is no resource {path}: /docs lists all of them"), request, 404)
        allowed = ", ".join(sorted(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set())))
        headers = [(b"allow", allowed.encode())]
        if request.method == "OPTIONS":
            return answer(204, headers=headers)
        text = f"{path} does not have {request.method}, only {allowed}"
        return refusal(Refused(405, BadRequest(text), headers), request)


def build(resources: Resources, asked_at: Callable[[Scope], str]) -> Application:
    """Return the application. ``asked_at`` returns the URL at which a request was sent."""
    routes = [(one.method, one.path, getattr(resources, one.name)) for one in OPERATIONS]
    return Routes(routes + [("GET", path, page) for path, page in Pages(asked_at).endpoints().items()])
