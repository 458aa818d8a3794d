"""The authority of ``chat serve --tls auto``: made once in the state folder, with a certificate.

The authority's fingerprint is what people compare: it stays the same when the certificate is made anew,
because it ends one day, or because this machine has another address today. The keys never leave the folder.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from filelock import FileLock, Timeout

from chat.domain.errors import ChatError
from chat.interfaces.tls import Fingerprint, Identity

FOLDER = "tls"
AUTHORITY_LIFE = timedelta(days=3650)
CERTIFICATE_LIFE = timedelta(days=1095)
"""A certificate is made anew when a server starts and less than half of this is left. So a server may run for
a year and a half."""
CLOCK_SKEW = timedelta(days=1)
"""The clock of a client may be late by this much."""
LOCK_TIMEOUT = 10.0
"""Seconds for which another server of this user may be writing the files."""


@dataclass(frozen=True, slots=True)
class LocalIdentity:
    """A certificate for this machine, and who has signed it."""

    identity: Identity
    """Its chain ends with the authority, so that clients can find the fingerprint."""
    authority: bytes
    """The authority's certificate, PEM."""
    fingerprint: Fingerprint
    """The authority's."""
    file: Path
    """It holds `authority`, for ``--ca``."""


def local_identity(
    folder: Path, host: str, now: datetime | None = None, also: Sequence[str] = ()
) -> LocalIdentity:
    """Return a certificate for a server that listens at ``host``; make what is missing or ends soon.

    Args:
        folder: the state folder.
        host: an address, a name, or 0.0.0.0 or :: for every address of this machine.
        now: in UTC; None: now.
        also: further addresses and names.

    Raises:
        ChatError: the files can't be read or written.
    """
    place = folder / FOLDER
    now = now or datetime.now(UTC)
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        with FileLock(place / "lock", timeout=LOCK_TIMEOUT):
            authority = _Authority.kept(place, now) or _Authority.made(place, now)
            names = names_of(host).union(*map(names_of, also))
            identity = _kept(place, authority, names, now)
            if identity is None:
                authority.issue(place, names, now)
                identity = Identity.load(place / "server.pem", place / "server.key")
    except Timeout:
        raise ChatError(f"another server is writing {place}, and does not end: see chat status") from None
    except OSError as error:
        raise ChatError(f"cannot keep the certificate in {place}: {error.strerror}") from None
    pem = authority.certificate.public_bytes(serialization.Encoding.PEM)
    return LocalIdentity(identity, pem, Fingerprint.of_first(pem), place / "authority.pem")


def names_of(host: str) -> frozenset[str]:
    """Return the names and addresses under which a server at ``host`` is reached."""
    names = {"localhost", "127.0.0.1", "::1"}
    machine = socket.gethostname().lower()
    names |= {machine, f"{machine.partition('.')[0]}.local"}  # the second by multicast DNS (RFC 6762)
    try:
        everywhere = ip_address(host).is_unspecified
    except ValueError:
        everywhere = False
    if everywhere:
        for interface in psutil.net_if_addrs().values():
            for one in interface:
                if one.family in (socket.AF_INET, socket.AF_INET6) and "%" not in one.address:
                    names.add(str(ip_address(one.address)))
    else:
        names.add(host.lower().partition("%")[0])  # without the scope of an IPv6 address
    return frozenset(name for name in names if name and name.isascii())


class _Authority:
    """A key, and the certificate that others trust."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.key = key
        self.certificate = certificate

    @classmethod
    def kept(cls, place: Path, now: datetime) -> _Authority | None:
        """Return the one in the folder; None: there is none, or it could sign nothing any more."""
        try:
            certificate = x509.load_pem_x509_certificate((place / "authority.pem").read_bytes())
            key = serialization.load_pem_private_key((place / "authority.key").read_bytes(), None)
        except (FileNotFoundError, ValueError):
            return None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            return None
        return cls(key, certificate) if certificate.not_valid_after_utc - now > CERTIFICATE_LIFE else None

    @classmethod
    def made(cls, place: Path, now: datetime) -> _Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"chat on {socket.gethostname()[:40]}, {now:%Y-%m-%d}")
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _builder(name, name, key.public_key(), now, now + AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(place / "authority.key", _pem(key))
        _write(place / "authority.pem", certificate.public_bytes(serialization.Encoding.PEM))
        return cls(key, certificate)

    def issue(self, place: Path, names: Iterable[str], now: datetime) -> None:
        """Write a certificate for these names, and a new key."""
        key = ec.generate_private_key(ec.SECP256R1())
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            _builder(
                _name("chat server"), self.certificate.subject, key.public_key(), now, now + CERTIFICATE_LIFE
            )
            .add_extension(
                x509.SubjectAlternativeName([_general_name(one) for one in sorted(names)]), critical=False
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(signer, critical=False)  # Python 3.13 asks for it (RFC 5280, section 4.2.1.1)
            .sign(self.key, hashes.SHA256())
        )
        chain = [certificate, self.certificate]
        _write(place / "server.key", _pem(key))
        _write(place / "server.pem", b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain))


def _kept(place: Path, authority: _Authority, names: frozenset[str], now: datetime) -> Identity | None:
    """Return the certificate in the folder; None: there is none for these names, or it ends soon."""
    try:
        certificate, *_ = x509.load_pem_x509_certificates((place / "server.pem").read_bytes())
        certificate.verify_directly_issued_by(authority.certificate)
        issued = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        known = {*issued.get_values_for_type(x509.DNSName)}
        known |= set(map(str, issued.get_values_for_type(x509.IPAddress)))
        if not names <= known or certificate.not_valid_after_utc - now < CERTIFICATE_LIFE / 2:
            return None
        return Identity.load(place / "server.pem", place / "server.key")
    except Exception:  # whatever is wrong with it: it is made anew
        return None


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer, subject, key, x509.random_serial_number(), now - CLOCK_SKEW, end, []
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes) -> None:
    """Write a file that only this user can read; a reader sees the old one or the new one."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    os.replace(new, path)
