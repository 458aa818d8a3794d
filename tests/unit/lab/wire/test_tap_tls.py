"""TLS through the tap: the client trusts the tap alone, and the tap trusts whom the client did."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from chat.interfaces.address import Address
from chat.interfaces.frames import Direction
from chat.interfaces.tls import Identity, Trust
from lab.wire import streams
from lab.wire.encryption import FOLDER, Encryption
from lab.wire.tap import Tap
from tests.support.behind_tap import Recorded, echo, relayed, serving

UP, DOWN = Direction
HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def trust_in(authority: trustme.CA, folder: Path) -> Trust:
    file = folder / "authority.pem"
    file.write_bytes(authority.cert_pem.bytes())
    return Trust.load(file)


def server_context(authority: trustme.CA, folder: Path, host: str = HOST, *alpn: str) -> ssl.SSLContext:
    issued = authority.issue_cert(host)
    certificate, key = folder / "server.pem", folder / "server.key"
    key.write_bytes(issued.private_key_pem.bytes())
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    context = Identity.load(certificate, key).context
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


@asynccontextmanager
async def connected(
    address: Address, trust: Trust, *alpn: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    context = ssl.create_default_context(cadata=trust.authorities.decode())
    if alpn:
        context.set_alpn_protocols(alpn)
    reader, writer = await asyncio.open_connection(
        address.host, address.port, ssl=context, server_hostname=HOST
    )
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@asynccontextmanager
async def tapped(
    tap: Tap, folder: Path, trust: Trust, context: ssl.SSLContext, handle: Any = echo
) -> AsyncIterator[tuple[Address, Encryption]]:
    encryption = await asyncio.to_thread(Encryption.between, folder, trust)
    async with serving(handle, ssl=context) as server:
        yield await relayed(tap, server, encryption=encryption), encryption
        await asyncio.to_thread(tap.cut)


async def test_what_is_recorded_is_what_was_encrypted(
    tap: Tap, authority: trustme.CA, tmp_path: Path
) -> None:
    context = await asyncio.to_thread(server_context, authority, tmp_path)
    trust = await asyncio.to_thread(trust_in, authority, tmp_path)
    async with tapped(tap, tmp_path, trust, context) as (address, encryption):
        async with connected(address, encryption.trust) as (reader, writer):
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
        recorded = Recorded(tap.capture)
        await recorded.until(lambda chunks: any(one.what == "closed" for one in chunks))
    assert (recorded.data(UP), recorded.data(DOWN)) == (b"hello", b"hello")
    assert recorded.chunks[0].connection.encrypted


async def test_the_client_trusts_the_tap_alone(tap: Tap, authority: trustme.CA, tmp_path: Path) -> None:
    """What the client trusted before is not enough, so nobody is between them unknown to it."""
    trust = await asyncio.to_thread(trust_in, authority, tmp_path)
    context = await asyncio.to_thread(server_context, authority, tmp_path)
    async with (
        tapped(tap, tmp_path, trust, context) as (address, encryption),
        serving(echo, ssl=context) as server,
    ):
        for place, trusted in ((address, trust), (server, encryption.trust)):
            with pytest.raises(ssl.SSLCertVerificationError):
                async with connected(place, trusted):
                    pass
    assert [chunk for chunk in tap.capture.take() if chunk.what == "data"] == []


@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_the_tap_verifies_the_server_as_the_client_would(
    tap: Tap, authority: trustme.CA, tmp_path: Path, wrong: str
) -> None:
    trusted = trustme.CA() if wrong == "authority" else authority
    trust = await asyncio.to_thread(trust_in, trusted, tmp_path)
    context = await asyncio.to_thread(
        server_context, authority, tmp_path, "chat.example" if wrong == "name" else HOST
    )
    async with tapped(tap, tmp_path, trust, context) as (address, encryption):
        async with connected(address, encryption.trust) as (reader, writer):
            writer.write(b"not for a stranger")
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        notes = await Recorded(tap.capture).happenings(2)
    assert notes[1][0] == "refused"
    assert "CERTIFICATE_VERIFY_FAILED" in notes[1][2]


async def test_the_server_is_asked_for_the_protocol_that_the_client_chose(
    tap: Tap, authority: trustme.CA, tmp_path: Path
) -> None:
    chosen: list[str | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chosen.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await echo(reader, writer)

    context = await asyncio.to_thread(server_context, authority, tmp_path, HOST, "h2", "http/1.1")
    trust = await asyncio.to_thread(trust_in, authority, tmp_path)
    async with tapped(tap, tmp_path, trust, context, serve) as (address, encryption):
        for wanted in (("h2",), ("http/1.1",), ("h2", "http/1.1"), ()):
            async with connected(address, encryption.trust, *wanted) as (reader, writer):
                writer.write(b"x")
                await reader.readexactly(1)
                mine = writer.get_extra_info("ssl_object").selected_alpn_protocol()
                assert mine == chosen[-1] == (wanted[0] if wanted else None)


# Such a connection is closed with its loop, which warns; as an error that warning would keep it open.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_client_in_the_middle_of_its_handshake_delays_no_end(
    tap: Tap, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CONNECT_TIMEOUT", 1.0)
    context = await asyncio.to_thread(server_context, authority, tmp_path)
    trust = await asyncio.to_thread(trust_in, authority, tmp_path)
    async with tapped(tap, tmp_path, trust, context) as (address, encryption):
        other, hung = await asyncio.open_connection(address.host, address.port)
        hung.write(b"\x16\x03\x01")
        await hung.drain()
        async with connected(address, encryption.trust) as (reader, writer):
            writer.write(b"x")
            await reader.readexactly(1)
        await asyncio.to_thread(tap.close)
        with suppress(ConnectionResetError):
            assert await other.read() == b""
        hung.transport.abort()


def test_the_taps_authority_is_kept_apart_from_the_servers(tmp_path: Path) -> None:
    trust = trust_in(trustme.CA(), tmp_path)
    one = Encryption.between(tmp_path, trust)
    two = Encryption.between(tmp_path, trust)
    assert one.trust.authorities == two.trust.authorities, "it is made once"
    assert {path.name for path in tmp_path.iterdir()} == {"authority.pem", FOLDER}
    assert (tmp_path / FOLDER).stat().st_mode & 0o077 == 0
