"""The authority of ``--tls auto``: made once, private, and its certificate fits this machine and this day."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest
from cryptography import x509

from chat.domain.errors import ChatError
from chat.interfaces.tls import Fingerprint
from chat.server.local_authority import (
    AUTHORITY_LIFE,
    CERTIFICATE_LIFE,
    local_identity,
    names_of,
)

NOW = datetime(2026, 11, 29, tzinfo=UTC)
FILES = ("authority.pem", "authority.key", "server.pem", "server.key")


def content(folder: Path, *names: str) -> list[bytes]:
    return [(folder / "tls" / name).read_bytes() for name in names or FILES]


def test_it_is_made_once(tmp_path: Path) -> None:
    first = local_identity(tmp_path, "127.0.0.1", NOW)
    before = content(tmp_path)
    second = local_identity(tmp_path, "127.0.0.1", NOW + timedelta(days=1))
    assert content(tmp_path) == before
    assert (first.fingerprint, first.authority) == (second.fingerprint, second.authority)
    assert first.fingerprint == Fingerprint.of_first(first.file.read_bytes())


def test_only_this_user_can_read_it(tmp_path: Path) -> None:
    local_identity(tmp_path, "127.0.0.1", NOW)
    folder = tmp_path / "tls"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {name: (folder / name).stat().st_mode & 0o777 for name in FILES} == dict.fromkeys(FILES, 0o600)


def test_the_certificate_is_what_strict_clients_accept(tmp_path: Path) -> None:
    """Python 3.13's own context asks for more than RFC 5280 needs: the flag does here."""
    made = local_identity(tmp_path, "127.0.0.1")
    server = made.identity.context
    client = ssl.create_default_context(cadata=made.authority.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("127.0.0.1", "::1", "localhost", socket.gethostname()):
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = client.wrap_bio(to_client, to_server, server_hostname=name)
        theirs = server.wrap_bio(to_server, to_client, server_side=True)
        for _ in range(4):
            for side in (ours, theirs):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        assert ours.version() == "TLSv1.3"
        assert ours.getpeercert(), f"verified for {name}"


def test_another_address_gets_another_certificate_of_the_same_authority(tmp_path: Path) -> None:
    first = local_identity(tmp_path, "127.0.0.1", NOW)
    other = local_identity(tmp_path, "192.0.2.7", NOW)
    assert other.identity.certificate != first.identity.certificate
    assert other.fingerprint == first.fingerprint
    assert "192.0.2.7" in names(other.identity.certificate)


def names(certificate: bytes) -> set[str]:
    issued = x509.load_pem_x509_certificate(certificate).extensions
    known = issued.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = map(str, known.get_values_for_type(x509.IPAddress))
    return {*known.get_values_for_type(x509.DNSName), *addresses}


def test_a_certificate_that_ends_soon_is_made_anew(tmp_path: Path) -> None:
    first = local_identity(tmp_path, "127.0.0.1", NOW)
    later = NOW + CERTIFICATE_LIFE / 2 + timedelta(days=1)
    second = local_identity(tmp_path, "127.0.0.1", later)
    assert second.fingerprint == first.fingerprint
    end = x509.load_pem_x509_certificate(second.identity.certificate).not_valid_after_utc
    assert end == later + CERTIFICATE_LIFE


def test_an_authority_that_ends_before_its_certificates_is_made_anew(tmp_path: Path) -> None:
    first = local_identity(tmp_path, "127.0.0.1", NOW)
    later = NOW + AUTHORITY_LIFE - CERTIFICATE_LIFE + timedelta(days=1)
    assert local_identity(tmp_path, "127.0.0.1", later).fingerprint != first.fingerprint


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "another"])
def test_what_was_left_half_written_is_made_anew(tmp_path: Path, name: str, damage: str) -> None:
    first = local_identity(tmp_path, "127.0.0.1", NOW)
    (tmp_path / "other").mkdir()
    local_identity(tmp_path / "other", "127.0.0.1", NOW)
    file = tmp_path / "tls" / name
    match damage:
        case "missing":
            file.unlink()
        case "empty":
            file.write_bytes(b"")
        case "another":
            file.write_bytes((tmp_path / "other" / "tls" / name).read_bytes())
    second = local_identity(tmp_path, "127.0.0.1", NOW)
    again = local_identity(tmp_path, "127.0.0.1", NOW)
    assert second.fingerprint == again.fingerprint
    assert (second.fingerprint == first.fingerprint) == name.startswith("server")
    leaf, authority = x509.load_pem_x509_certificates(second.identity.certificate)
    leaf.verify_directly_issued_by(authority)


def test_every_address_means_those_of_all_interfaces() -> None:
    ours = {
        str(ip_address(one.address))
        for interface in psutil.net_if_addrs().values()
        for one in interface
        if one.family == socket.AF_INET
    }
    assert ours <= names_of("0.0.0.0")
    assert "0.0.0.0" not in names_of("0.0.0.0")
    assert {"localhost", "127.0.0.1", "::1", "chat.example"} <= names_of("Chat.example")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "tls").write_text("a file")
    with pytest.raises(ChatError, match=f"cannot keep the certificate in {tmp_path / 'tls'}"):
        local_identity(tmp_path, "127.0.0.1")
