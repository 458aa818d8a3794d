"""TLS: who a server is, and whom a client trusts. Read from files once, before any event loop runs.

Both forms are kept that libraries want: a context of the standard library, and the PEM itself. Nobody is
ever connected to without being verified: there is no switch for that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Trust:
    """The authorities that a client believes, and no others: not those of the operating system."""

    authorities: bytes
    """PEM."""
    context: ssl.SSLContext

    @classmethod
    def load(cls, file: Path) -> Trust:
        """Read the authorities' certificates. Raises `ChatError`."""
        import ssl

        context = _context(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name
        pem = _pem(_read(file))
        try:
            context.load_verify_locations(cadata=pem.decode())
        except (ValueError, ssl.SSLError) as error:
            raise ChatError(f"{file} contains no certificate in PEM: {_why(error)}") from None
        return cls(pem, context)


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
