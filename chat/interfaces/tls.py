"""TLS: who a server is, and whom a client trusts. Read from files once, before any event loop runs.

Both forms are kept that libraries want: a context of the standard library, and the PEM itself. No client
talks to a server that it has not verified: there is no switch for that.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from chat.domain.errors import ChatError
from chat.domain.text_file import decoded, has_mark

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Identity:
    """A server's certificate, with the ones between it and its authority, and the private key."""

    certificate: bytes
    """PEM."""
    key: bytes
    """PEM, not encrypted."""
    context: ssl.SSLContext

    @classmethod
    def load(cls, certificate: Path, key: Path) -> Identity:
        """Read both files. Raises `ChatError`."""
        import ssl

        context = _context(ssl.PROTOCOL_TLS_SERVER)
        read = _read(certificate), _read(key)
        pem = _pem(read[0]), _pem(read[1])
        if b"ENCRYPTED" in pem[1]:
            raise ChatError(
                f"the key {key} is encrypted, and a server is asked for no passphrase: "
                f"write a copy that is not, with openssl pkey -in {key} -out FILE"
            )
        try:
            with _written(pem) if any(map(has_mark, read)) else nullcontext((certificate, key)) as files:
                context.load_cert_chain(*files, password="")  # never ask at the terminal
        except (OSError, ssl.SSLError) as error:
            raise ChatError(
                f"{certificate} and {key} are not a certificate and its key in PEM: {_why(error)}"
            ) from None
        return cls(*pem, context)

    @classmethod
    def of(cls, certificate: bytes, key: bytes) -> Identity:
        """Take what `load` has read in another process."""
        import ssl

        context = _context(ssl.PROTOCOL_TLS_SERVER)
        with _written((certificate, key)) as files:
            context.load_cert_chain(*files, password="")
        return cls(certificate, key, context)

    def replaced_by(self, other: Identity) -> Identity:
        """Let everything that listens with this identity's context show another certificate from now on.

        Loading it into the context would not do: OpenSSL keeps one certificate for each type of key, and a
        client might get the old one.

        Returns:
            The other certificate and key, with this context.
        """

        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = other.context

        self.context.sni_callback = choose  # called without a server name, too
        return replace(other, context=self.context)


@dataclass(frozen=True, slots=True)
class Trust:
    """The authorities that a client believes, and no others: not those of the operating system."""

    authorities: bytes
    """PEM. For a pinned certificate: that one alone."""
    context: ssl.SSLContext
    server_name: str = ""
    """The name to look for in the certificate; "": that of the address. Only for a library that looks by
    itself: the context knows whether to."""

    @classmethod
    def load(cls, file: Path) -> Trust:
        """Read the authorities' certificates. Raises `ChatError`."""
        return cls.of(_read(file), str(file))

    @classmethod
    def of(cls, data: bytes, source: str) -> Trust:
        """Trust the authorities in ``data`` (PEM). Raises `ChatError`, which names the source."""
        import ssl

        context = _context(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name
        pem = _pem(data)
        try:
            context.load_verify_locations(cadata=pem.decode())
        except (ValueError, ssl.SSLError) as error:
            raise ChatError(f"{source} contains no certificate in PEM: {_why(error)}") from None
        return cls(pem, context)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The SHA-256 of one certificate in DER: a server's own, or that of an authority that signed it.

    It takes the place of a file with the authority. What it trusts is known when the server has shown its
    certificates (`chat.transport.pinning`).
    """

    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Fingerprint:
        """Read 64 hexadecimal digits, with or without colons and ``SHA256:``, as also openssl writes them.

        Raises:
            ChatError: it is no fingerprint; with a text for the user.
        """
        digits = re.sub(r"^sha-?256( fingerprint)?[:=]", "", text.strip().lower()).replace(":", "")
        if not re.fullmatch("[0-9a-f]{64}", digits):
            raise ChatError(
                "a fingerprint has 64 hexadecimal digits, as chat serve --tls auto shows it: SHA256:..."
            )
        return cls(bytes.fromhex(digits))

    @classmethod
    def of(cls, certificate: bytes) -> Fingerprint:
        """Return that of a certificate in DER."""
        return cls(hashlib.sha256(certificate).digest())

    @classmethod
    def of_first(cls, pem: bytes) -> Fingerprint:
        """Return that of the first certificate in a PEM."""
        import ssl

        end = "-----END CERTIFICATE-----"
        return cls.of(ssl.PEM_cert_to_DER_cert(pem.decode().partition(end)[0] + end))

    def __str__(self) -> str:
        return f"SHA256:{self.digest.hex()}"

    @property
    def short(self) -> str:
        """Its first 48 bits, to be written down and compared by people: ``3fa2-91bc-77d0``."""
        return "-".join(self.digest[place : place + 2].hex() for place in (0, 2, 4))

    def trust(self, chain: Sequence[bytes]) -> Trust | None:
        """Return what to trust of a server that has shown these certificates; None: not one of them.

        The connection that is made then verifies that the server has the key. An authority is trusted for
        the name of the address, like one from a file. The server's own certificate says by itself which
        server that is, so it may be for another name.

        Args:
            chain: in DER, the server's own first (RFC 8446, section 4.4.2).
        """
        import ssl

        for place, certificate in enumerate(chain):
            if Fingerprint.of(certificate) == self:
                found = Trust.of(ssl.DER_cert_to_PEM_cert(certificate).encode(), "the pinned certificate")
                found.context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be self-signed
                if place == 0:
                    found.context.check_hostname = False
                    return replace(found, server_name=_name_in(certificate))
                return found
        return None


def handshake_context() -> ssl.SSLContext:
    """Return a context that only asks a server for its certificates: nothing may be sent with it."""
    import ssl

    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _name_in(certificate: bytes) -> str:
    """Return a name that the certificate (DER) was issued for; "": it has none."""
    from cryptography import x509

    try:
        read = x509.load_der_x509_certificate(certificate)
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return ""
    hosts = names.get_values_for_type(x509.DNSName)
    every = [*hosts, *map(str, names.get_values_for_type(x509.IPAddress))]
    return every[0].replace("*", "any") if every else ""


KEY_LOG = "SSLKEYLOGFILE"
"""The environment variable that names a file for the secrets of each connection. With them Wireshark decrypts
a capture (draft-ietf-tls-keylogfile). OpenSSL's contexts write it; gRPC's library has no such file."""


def _context(protocol: int) -> ssl.SSLContext:
    """Return a context, which writes the key log if there shall be one. Raises `ChatError`."""
    import ssl

    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if file := os.environ.get(KEY_LOG):
        try:
            context.keylog_filename = file
        except OSError as error:
            raise ChatError(f"cannot write {file}, which {KEY_LOG} names: {error.strerror}") from None
    return context


_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----[\x00-\x7f]*?-----END \1-----")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ChatError(f"cannot read {path}: {error.strerror}") from None


def _pem(data: bytes) -> bytes:
    """Return the PEM blocks of a file, without what stands around them (RFC 7468, section 2).

    That is a comment, in whatever script and encoding, or the byte order mark of a Windows editor.
    """
    try:
        text = decoded(data)
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return "".join(f"{block[0]}\n" for block in _BLOCK.finditer(text.replace("\r\n", "\n"))).encode()


@contextmanager
def _written(pem: tuple[bytes, bytes]) -> Iterator[tuple[Path, Path]]:
    """Write certificate and key into files of this user alone, because OpenSSL knows no byte order mark."""
    with TemporaryDirectory() as folder:
        files = Path(folder, "certificate"), Path(folder, "key")
        for file, text in zip(files, pem, strict=True):
            file.write_bytes(text)
        yield files


def _why(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
