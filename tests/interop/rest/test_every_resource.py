"""What every resource does: OPTIONS and HEAD, the documentation, pages of other origins."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chat.interfaces.address import Address
from chat.interfaces.server import ServerOptions
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from tests.support.http_peer import HttpPeer, SeatedPeer

pytestmark = pytest.mark.parametrize("technique", ["rest"], indirect=True)


# --- what every resource does --------------------------------------------------------------------

PATHS = {
    "/rooms": "GET, HEAD, OPTIONS",
    "/rooms/lab": "GET, HEAD, OPTIONS",
    "/rooms/lab/members": "GET, HEAD, OPTIONS",
    "/rooms/lab/seats": "OPTIONS, POST",
    "/rooms/lab/seats/x": "DELETE, OPTIONS",
    "/rooms/lab/events": "GET, HEAD, OPTIONS",
    "/rooms/lab/messages": "OPTIONS, POST",
    "/rooms/lab/messages/3": "DELETE, GET, HEAD, OPTIONS, PUT",
    "/docs": "GET, HEAD, OPTIONS",
    "/openapi.json": "GET, HEAD, OPTIONS",
}


@pytest.mark.parametrize("path", PATHS)
async def test_every_resource_tells_its_methods(ann: SeatedPeer, path: str) -> None:
    told = await ann.ask("OPTIONS", path)
    assert (told.status, told.headers["allow"]) == (204, PATHS[path])
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"} - set(PATHS[path].split(", ")):
        refused = await ann.ask(method, path)
        assert (refused.status, refused.headers["allow"]) == (405, PATHS[path])
        assert refused.problem["type"] == "urn:chat:not_allowed"


@pytest.mark.parametrize("path", [path for path, allowed in PATHS.items() if "GET" in allowed])
async def test_head_is_get_without_the_body(ann: SeatedPeer, path: str) -> None:
    await ann.says("hello")
    whole, head = await ann.ask("GET", path), await ann.ask("HEAD", path)
    for answer in (whole, head):
        del answer.headers["date"]
    assert (head.status, head.headers, head.body) == (whole.status, whole.headers, b"")
    assert (await ann.ask("GET", "/rooms")).status == 200, "the connection goes on"


async def test_the_docs_come_from_here_alone(ann: SeatedPeer) -> None:
    page = await ann.ask("GET", "/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert b"://" not in page.body
    for part in page.body.split(b'"'):
        if part.startswith(b"/docs/"):
            assert (await ann.ask("GET", part.decode())).status == 200
    assert (await ann.ask("GET", "/openapi.json")).json["openapi"].startswith("3.0")


# --- pages of other origins ----------------------------------------------------------------------


@pytest.fixture
async def shared(hub: Hub, technique: Technique) -> AsyncIterator[HttpPeer]:
    """A server that pages of one other origin may call."""
    options = ServerOptions(settings={"cors": "http://localhost:5173, https://chat.example"})
    server = technique.load_server()(hub, Address("127.0.0.1", 0), options)
    async with await HttpPeer.open(await server.start()) as peer:
        yield peer
    await server.stop()


async def test_a_page_that_may_call_is_told_so_beforehand(shared: HttpPeer) -> None:
    told = await shared.ask(
        "OPTIONS",
        "/rooms/lab/messages",
        headers={
            "Origin": "http://localhost:5173",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,seat-key,idempotency-key,if-match,authorization",
        },
    )
    assert told.status == 200
    assert told.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert "POST" in told.headers["access-control-allow-methods"]


async def test_a_page_that_may_call_may_read_the_headers_that_it_needs(shared: HttpPeer) -> None:
    for origin in ("http://localhost:5173", "https://chat.example"):
        told = await shared.ask("GET", "/rooms", headers={"Origin": origin})
        assert told.headers["access-control-allow-origin"] == origin
        assert told.headers["access-control-expose-headers"] == "ETag, Location, Retry-After"
        assert told.headers["vary"] == "Origin"


async def test_other_pages_may_not_call(shared: HttpPeer, ann: SeatedPeer) -> None:
    for peer in (shared, ann):
        refused = await peer.ask("GET", "/rooms", headers={"Origin": "http://evil.example"})
        assert (refused.status, refused.problem["type"]) == (403, "urn:chat:strange_page")
        assert "access-control-allow-origin" not in refused.headers
