"""TLS, for the techniques that offer it: nobody reads along, and nobody is talked to unverified."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

import backends
from chat.domain.errors import ConnectionLost
from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.interfaces.server import ServerOptions
from chat.interfaces.technique import Technique
from chat.interfaces.tls import Fingerprint, Identity, Trust
from chat.server.hub import Hub
from chat.server.renewal import Renewable, Secrets, renew
from chat.transport.pinning import trust_in
from tests.support.kit import Serving
from tests.support.people import Person
from tests.support.relay import Relay

pytestmark = pytest.mark.both_loops

HOST = "127.0.0.1"
WORDS = "nobody reads along"
NICK = "ann-of-green-gables"
"""Longer than what random bytes hold by chance."""


@pytest.fixture(params=[label.name for label in backends.techniques() if label.tls and label.server])
def technique(request: pytest.FixtureRequest) -> Technique:
    label = backends.technique(request.param)
    label.load_client()  # here and not on the loop: an import reads files
    label.load_server()
    return label


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def identity(authority: trustme.CA, tmp_path: Path, request: pytest.FixtureRequest) -> Identity:
    """A certificate for ``HOST``, or for the host that the test is parametrised with."""
    issued = authority.issue_cert(getattr(request, "param", HOST))
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    key.write_bytes(issued.private_key_pem.bytes())
    shown = [*issued.cert_chain_pems, authority.cert_pem]  # with the authority, as chat serve --tls auto does
    certificate.write_bytes(b"".join(part.bytes() for part in shown))
    return Identity.load(certificate, key)


def trust_from(authority: trustme.CA, file: Path) -> Trust:
    file.write_bytes(authority.cert_pem.bytes())
    return Trust.load(file)


@pytest.fixture
def trust(authority: trustme.CA, tmp_path: Path) -> Trust:
    return trust_from(authority, tmp_path / "authority.pem")


@pytest.fixture
def misplaced_trust(tmp_path: Path) -> Trust:
    return trust_from(trustme.CA(), tmp_path / "stranger.pem")


@pytest.fixture
async def encrypted(technique: Technique, hub: Hub, identity: Identity) -> AsyncIterator[Serving]:
    server = technique.load_server()(hub, Address(HOST, 0), ServerOptions(identity))
    yield Serving(server, await server.start())
    await server.stop()


async def refused(client: ChatClient) -> str:
    """Return why nobody gets in; the client is closed."""
    with pytest.raises(ConnectionLost) as lost:
        await client.connect(Hello("lab", "ann"))
    await client.close()
    return str(lost.value)


async def test_people_talk_and_nobody_reads_along(
    technique: Technique, encrypted: Serving, trust: Trust
) -> None:
    relay = Relay(encrypted.address)
    await relay.start()
    client = technique.load_client()(relay.address, ClientOptions(trust=trust))
    person = Person(client, await client.connect(Hello("lab", NICK)))
    person.listen()
    await person.say(WORDS)
    await person.hears(WORDS)
    await client.close()
    await person.stop()
    await relay.stop()
    for direction in (relay.up, relay.down):
        assert direction.startswith(b"\x16\x03"), "a TLS handshake (RFC 8446, 5.1)"
        assert WORDS.encode() not in direction
        assert NICK.encode() not in direction


async def test_an_unknown_authority_is_not_believed(
    technique: Technique, encrypted: Serving, misplaced_trust: Trust, hub: Hub
) -> None:
    client = technique.load_client()(encrypted.address, ClientOptions(trust=misplaced_trust))
    assert "not trusted" in await refused(client)
    assert hub.seats == 0


@pytest.mark.parametrize("identity", ["chat.example"], indirect=True)
async def test_a_certificate_of_another_host_is_not_believed(
    technique: Technique, encrypted: Serving, trust: Trust, hub: Hub
) -> None:
    client = technique.load_client()(encrypted.address, ClientOptions(trust=trust))
    assert "not trusted" in await refused(client)
    assert hub.seats == 0


async def test_without_tls_nobody_gets_in_where_it_is_spoken(
    technique: Technique, encrypted: Serving, hub: Hub
) -> None:
    assert "TLS" in await refused(technique.load_client()(encrypted.address))
    assert hub.seats == 0


async def test_with_tls_nobody_gets_in_where_it_is_not_spoken(
    technique: Technique, server: Serving, trust: Trust, hub: Hub
) -> None:
    client = technique.load_client()(server.address, ClientOptions(trust=trust))
    assert "TLS" in await refused(client)
    assert hub.seats == 0


def shown(identity: Identity) -> list[bytes]:
    """Return what the server shows, in DER: its own certificate and its authority's."""
    end = "-----END CERTIFICATE-----\n"
    parts = identity.certificate.decode().split(end)
    return [ssl.PEM_cert_to_DER_cert(part + end) for part in parts if part.strip()]


@pytest.mark.parametrize("place", [0, 1], ids=["its own", "its authority's"])
async def test_a_fingerprint_takes_the_place_of_the_file(
    technique: Technique, encrypted: Serving, identity: Identity, place: int
) -> None:
    pinned = Fingerprint.of(shown(identity)[place])
    trust = await trust_in(pinned, [encrypted.address])
    client = technique.load_client()(encrypted.address, ClientOptions(trust=trust))
    person = Person(client, await client.connect(Hello("lab", NICK)))
    person.listen()
    await person.say(WORDS)
    await person.hears(WORDS)
    await client.close()
    await person.stop()


@pytest.mark.parametrize("identity", ["chat.example", "*.chat.example"], indirect=True)
async def test_the_servers_own_fingerprint_is_enough_whatever_its_name(
    technique: Technique, encrypted: Serving, identity: Identity
) -> None:
    trust = await trust_in(Fingerprint.of(shown(identity)[0]), [encrypted.address])
    client = technique.load_client()(encrypted.address, ClientOptions(trust=trust))
    assert (await client.connect(Hello("lab", "ann"))).nick == "ann"
    await client.close()


@pytest.mark.parametrize("identity", ["chat.example"], indirect=True)
async def test_an_authoritys_fingerprint_is_not_enough_for_another_name(
    technique: Technique, encrypted: Serving, identity: Identity, hub: Hub
) -> None:
    trust = await trust_in(Fingerprint.of(shown(identity)[1]), [encrypted.address])
    client = technique.load_client()(encrypted.address, ClientOptions(trust=trust))
    assert "not trusted" in await refused(client)
    assert hub.seats == 0


async def test_another_server_that_answers_once_the_fingerprint_was_found_is_not_believed(
    technique: Technique, encrypted: Serving, misplaced_trust: Trust, hub: Hub
) -> None:
    """The first handshake proves nothing by itself: the connection is verified against what it found."""
    stranger = ssl.PEM_cert_to_DER_cert(misplaced_trust.authorities.decode())
    for chain in ([stranger], [b"its own", stranger]):
        trust = Fingerprint.of(stranger).trust(chain)
        client = technique.load_client()(encrypted.address, ClientOptions(trust=trust))
        assert "not trusted" in await refused(client)
    assert hub.seats == 0


async def test_of_several_servers_the_first_that_answers_shows_its_certificate(
    technique: Technique, encrypted: Serving, identity: Identity
) -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))  # and does not listen
        nobody = Address(HOST, unused.getsockname()[1])
        pinned = Fingerprint.of(shown(identity)[0])
        trust = await trust_in(pinned, [nobody, encrypted.address])
        assert trust is not None
        assert Fingerprint.of_first(trust.authorities) == pinned
        if technique.several:
            options = ClientOptions((encrypted.address,), trust)
            client = technique.load_client()(nobody, options)
            assert (await client.connect(Hello("lab", "ann"))).nick == "ann"
            await client.close()
        with pytest.raises(ConnectionLost, match=f"nothing listens on {nobody}"):
            await trust_in(pinned, [nobody])


async def test_another_fingerprint_is_told_with_both(
    technique: Technique, encrypted: Serving, identity: Identity, hub: Hub
) -> None:
    wanted = Fingerprint(bytes(32))
    with pytest.raises(ConnectionLost) as lost:
        await trust_in(wanted, [encrypted.address])
    said = str(lost.value)
    assert f"{encrypted.address} has another certificate" in said
    assert f"its fingerprint is {Fingerprint.of(shown(identity)[1])}, not {wanted}: compare it" in said
    assert hub.seats == 0


async def test_a_fingerprint_of_a_server_without_tls_finds_nobody(
    technique: Technique, server: Serving, hub: Hub
) -> None:
    with pytest.raises(ConnectionLost, match="does not speak TLS: leave out --ca or --fingerprint"):
        await trust_in(Fingerprint(bytes(32)), [server.address])
    assert hub.seats == 0


# --- another certificate -----------------------------------------------------------------------


def issued_by(authority: trustme.CA, folder: Path, kind: trustme.KeyType) -> Identity:
    folder.mkdir()
    made = authority.issue_cert(HOST, key_type=kind)
    certificate, key = folder / "server.pem", folder / "server.key"
    certificate.write_bytes(made.cert_chain_pems[0].bytes())
    key.write_bytes(made.private_key_pem.bytes())
    return Identity.load(certificate, key)


async def replace_certificate(hub: Hub, server: Serving, other: Identity) -> None:
    source = Renewable(("the certificate",), lambda: Secrets("", other))
    await renew(source, hub, {"": server.server})


async def test_connections_and_seats_go_on_when_a_certificate_is_renewed(
    technique: Technique, encrypted: Serving, authority: trustme.CA, trust: Trust, hub: Hub, tmp_path: Path
) -> None:
    before = await asyncio.to_thread(ssl.get_server_certificate, (HOST, encrypted.address.port))
    ann = await seated(technique, encrypted, "ann", trust)
    kind = trustme.KeyType.ECDSA
    other = await asyncio.to_thread(issued_by, authority, tmp_path / "other", kind)
    await replace_certificate(hub, encrypted, other)
    bob = await seated(technique, encrypted, "bob", trust)
    await ann.say(WORDS)
    await bob.hears(WORDS)
    for person in (ann, bob):
        await person.client.close()
        await person.stop()
    now = await asyncio.to_thread(ssl.get_server_certificate, (HOST, encrypted.address.port))
    assert before not in (now, other.certificate.decode())
    assert now == other.certificate.decode()


@pytest.mark.parametrize("kind", [trustme.KeyType.ECDSA, trustme.KeyType.RSA], ids=["ECDSA", "RSA"])
async def test_a_certificate_of_another_authority_and_type_takes_the_place_of_the_first(
    technique: Technique, encrypted: Serving, hub: Hub, tmp_path: Path, kind: trustme.KeyType
) -> None:
    """The first is for ECDSA: if one for RSA were loaded beside it, clients would be shown the first."""
    other = trustme.CA(key_type=kind)
    new = await asyncio.to_thread(issued_by, other, tmp_path / "other", kind)
    await replace_certificate(hub, encrypted, new)
    new_trust = await asyncio.to_thread(trust_from, other, tmp_path / "other.pem")
    bob = await seated(technique, encrypted, "bob", new_trust)
    await bob.say(WORDS)
    await bob.hears(WORDS)
    await bob.client.close()
    await bob.stop()
    now = await asyncio.to_thread(ssl.get_server_certificate, (HOST, encrypted.address.port))
    assert now == new.certificate.decode()


async def seated(technique: Technique, server: Serving, nick: str, trust: Trust) -> Person:
    client = technique.load_client()(server.address, ClientOptions(trust=trust))
    person = Person(client, await client.connect(Hello("lab", nick)))
    person.listen()
    return person
