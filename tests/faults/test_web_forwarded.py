"""What describes a service names the URL at which the client asked: through a forwarded port, or a proxy."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator

import pytest

from chat.interfaces.address import Address
from chat.interfaces.server import ServerOptions
from chat.interfaces.technique import Technique
from chat.server.hub import Hub
from chat.transport import host_names
from chat.transport.http_server import WebServer
from tests.support.http_peer import HttpPeer
from tests.support.kit import Serving
from tests.support.relay import Relay

pytestmark = pytest.mark.parametrize("technique", ["rest", "soap"], indirect=True)


@pytest.fixture
async def relay(server: Serving) -> AsyncIterator[Relay]:
    """Another port that leads to the server, as ``ssh -L`` and Docker's published ports do."""
    relay = Relay(server.address)
    await relay.start()
    yield relay
    await relay.stop()


async def described(peer: HttpPeer, technique: Technique, **headers: str) -> set[str]:
    """Return the URLs of the service in its description, without the path."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    if technique.name == "rest":
        answer = await peer.ask("GET", "/openapi.json", headers=said)
        return {server["url"] for server in answer.json["servers"]}
    answer = await peer.ask("GET", "/soap?wsdl", headers=said)
    return set(re.findall(r'address location="(.*?)/soap"', answer.body.decode()))


async def test_through_a_forwarded_port_it_names_that_port(relay: Relay, technique: Technique) -> None:
    async with await HttpPeer.open(relay.address) as peer:
        assert await described(peer, technique) == {f"http://{relay.address}"}


async def test_a_server_for_the_whole_network_names_what_it_was_called(
    hub: Hub, technique: Technique
) -> None:
    server = technique.load_server()(hub, Address("0.0.0.0", 0))
    port = (await server.start()).port
    async with await HttpPeer.open(Address("127.0.0.1", port)) as peer:
        for host in (f"192.0.2.7:{port}", f"printer:{port}"):
            assert await described(peer, technique, Host=host) == {f"http://{host}"}
    await server.stop()


async def test_a_proxy_on_this_machine_may_say_where_it_is(server: Serving, technique: Technique) -> None:
    async with await HttpPeer.open(server.address) as peer:
        told = await described(peer, technique, X_Forwarded_Proto="https", X_Forwarded_Host="chat.example")
        assert told == {"https://chat.example"}


async def test_a_host_that_is_none_comes_into_no_document(server: Serving, technique: Technique) -> None:
    async with await HttpPeer.open(server.address) as peer:
        for strange in ('a"b', "a<b", "a&b", "a'b", "a\\b"):
            assert await described(peer, technique, Host=strange) == {f"http://{server.address}"}
            assert await described(peer, technique, X_Forwarded_Host=strange) == {f"http://{server.address}"}


async def test_other_proxies_must_be_named(hub: Hub, technique: Technique) -> None:
    scope = {
        "scheme": "http",
        "headers": [(b"host", b"printer"), (b"x-forwarded-host", b"chat.example")],
        "client": ("192.0.2.7", 50000),
    }
    for proxies, url in (("", "http://printer"), ("192.0.2.0/24", "http://chat.example")):
        options = ServerOptions(settings={"proxies": proxies} if proxies else {})
        server = technique.load_server()(hub, Address("127.0.0.1", 0), options)
        await server.start()
        assert isinstance(server, WebServer)
        assert server.asked_at(scope) == url
        await server.stop()


async def test_the_page_of_a_service_behind_a_proxy_is_of_its_own_origin(
    server: Serving, technique: Technique
) -> None:
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "chat.example"}
    async with await HttpPeer.open(server.address) as peer:
        for origin, status in (("https://chat.example", 404), ("https://evil.example", 403)):
            answer = await peer.ask("GET", "/nothing", headers={**said, "Origin": origin})
            assert answer.status == status


async def test_no_proxy_may_say_that_a_foreign_host_is_ours(server: Serving, technique: Technique) -> None:
    """A page whose name leads to this machine sends the header just as well (DNS rebinding)."""
    async with await HttpPeer.open(server.address) as peer:
        headers = {"Host": "evil.example", "X-Forwarded-Host": "localhost"}
        assert (await peer.ask("GET", "/nothing", headers=headers)).status == 421


# --- the machine's own domain name ---------------------------------------------------------------


@pytest.mark.parametrize("host", ["box.uni.example", "Box.Uni.Example.:8000"])
async def test_the_machines_own_domain_name_is_ours(
    server: Serving, technique: Technique, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr("socket.getfqdn", lambda name="": name or "box.uni.example")
    async with await HttpPeer.open(server.address) as peer:
        assert (await peer.ask("GET", "/nothing", headers={"Host": host})).status == 404
        assert (await peer.ask("GET", "/nothing", headers={"Host": "evil.example"})).status == 421


async def test_while_the_machines_name_is_not_known_foreign_names_are_refused(
    server: Serving, technique: Technique, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = threading.Event()

    def lookup(name: str = "") -> str:
        assert known.wait(60)
        return "box.uni.example"

    monkeypatch.setattr("socket.getfqdn", lookup)
    monkeypatch.setattr(host_names, "LOOKUP_TIMEOUT", 0.0)
    headers = {"Host": "box.uni.example"}
    async with await HttpPeer.open(server.address) as peer:
        assert (await peer.ask("GET", "/nothing", headers=headers)).status == 421
        known.set()
        monkeypatch.setattr(host_names, "LOOKUP_TIMEOUT", 60.0)
        assert (await peer.ask("GET", "/nothing", headers=headers)).status == 404
