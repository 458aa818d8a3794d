"""Where a server listens, and which of a host's addresses a client tries."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import backends
from chat.domain.errors import AccessDenied, ConnectionLost
from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from tests.support.kit import MakeServer

V4, V6 = "127.0.0.1", "::1"
Comes = Callable[[str, int], Awaitable[bool]]


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind((V6, 0))
    except OSError:
        return False
    return True


pytestmark = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.fixture(params=[label.name for label in backends.techniques() if label.server is not None])
def technique(request: pytest.FixtureRequest) -> Technique:
    label = backends.technique(request.param)
    label.load_client()  # here and not on the loop: an import reads files
    label.load_server()
    return label


@pytest.fixture
def settings() -> dict[str, str]:
    return {}


@pytest.fixture
def comes_in(technique: Technique, settings: dict[str, str]) -> Comes:
    """Whether a client comes in at a host."""

    async def comes_in(host: str, port: int) -> bool:
        options = ClientOptions(settings={"poll": "0.05", **settings})
        client = technique.load_client()(Address(host, port), options)
        try:
            async with asyncio.timeout(20):
                await client.connect(Hello("lab", "ann"))
            return True
        except ConnectionLost:
            return False
        finally:
            await client.close()

    return comes_in


@asynccontextmanager
async def listening(make_server: MakeServer, host: str) -> AsyncIterator[Address]:
    server = make_server(Address(host, 0))
    address = await server.start()
    yield address
    await server.stop()


@pytest.mark.both_loops
async def test_two_colons_mean_both_families(make_server: MakeServer, comes_in: Comes) -> None:
    async with listening(make_server, "::") as address:
        assert str(address) == f"[::]:{address.port}"
        assert [await comes_in(host, address.port) for host in (V4, V6)] == [True, True]


@pytest.mark.both_loops
async def test_four_zeros_mean_ipv4_alone(make_server: MakeServer, comes_in: Comes) -> None:
    async with listening(make_server, "0.0.0.0") as address:
        assert str(address) == f"0.0.0.0:{address.port}"
        assert [await comes_in(host, address.port) for host in (V4, V6)] == [True, False]


async def test_a_port_that_one_family_has_in_use_is_refused(make_server: MakeServer, hub: Hub) -> None:
    async with listening(make_server, V4) as address:
        server = make_server(Address("::", address.port))
        with pytest.raises(OSError, match="in use"):
            await server.start()


# --- a name with an address of each family -------------------------------------------------------

DUAL = "localhost"
OWN_RESOLVER = {"grpc": "its library has a resolver of its own, see the test of localhost below"}
WAYS = [
    pytest.param(label.name, {}, id=label.name)
    for label in backends.techniques()
    if label.server is not None and label.name not in OWN_RESOLVER
] + [pytest.param("oncrpc", {"transport": "udp"}, id="oncrpc over udp")]


@pytest.fixture
def dual_localhost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's answer where the file of hosts has both."""
    resolve = socket.getaddrinfo

    def both(host: Any, *arguments: Any, **options: Any) -> Any:
        if host not in (DUAL, DUAL.encode()):
            return resolve(host, *arguments, **options)
        return [*resolve(V6, *arguments, **options), *resolve(V4, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", both)


@pytest.mark.parametrize(("technique", "settings"), WAYS, indirect=["technique"])
@pytest.mark.parametrize("host", [V4, V6])
@pytest.mark.usefixtures("dual_localhost")
async def test_a_client_tries_every_address_of_a_name(
    make_server: MakeServer, comes_in: Comes, host: str
) -> None:
    async with listening(make_server, host) as address:
        assert await comes_in(DUAL, address.port)


@pytest.mark.parametrize(("technique", "settings"), WAYS, indirect=["technique"])
@pytest.mark.usefixtures("dual_localhost")
async def test_a_server_listens_at_every_address_of_a_name(make_server: MakeServer, comes_in: Comes) -> None:
    async with listening(make_server, DUAL) as address:
        assert [await comes_in(host, address.port) for host in (V4, V6, DUAL)] == [True, True, True]


@pytest.mark.parametrize("technique", list(OWN_RESOLVER), indirect=True)
@pytest.mark.parametrize("host", [V4, V6])
async def test_a_resolver_of_its_own_gives_localhost_both_families(
    make_server: MakeServer, comes_in: Comes, host: str
) -> None:
    """Also where the file of hosts names one of them only (RFC 6761, 6.3)."""
    async with listening(make_server, host) as address:
        assert await comes_in("localhost", address.port)


# --- chat doctor ---------------------------------------------------------------------------------


@pytest.mark.parametrize("access", ["", "secret"], ids=["open", "with a token"])
async def test_a_check_reaches_the_server_and_leaves_nothing_there(
    technique: Technique, make_server: MakeServer, hub: Hub, access: str
) -> None:
    kind = technique.load_client()
    async with listening(make_server, V4) as address:
        client = kind(address)
        assert await client.check(access) > 0
        await client.close()
        if access:
            client = kind(address)
            with pytest.raises(AccessDenied):
                await client.check("wrong")
            await client.close()
    assert (hub.rooms(access), hub.seats) == ([], 0)
    client = kind(address)
    with pytest.raises(ConnectionLost):
        await client.check(access)
    await client.close()
