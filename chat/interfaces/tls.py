"""TLS: who a server is, and whom a client trusts. Read from files once, before any event loop runs.

Both forms are kept that libraries want: a context of the standard library, and the PEM itself. Nobody is
ever connected to without being verified: there is no switch for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chat.domain.errors import ChatError

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

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        pem = _read(certificate), _read(key)
        try:
            context.load_cert_chain(certificate, key, password="")  # never ask at the terminal
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

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and host name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        pem = _read(file)
        try:
            context.load_verify_locations(cadata=pem.decode("ascii"))
        except (UnicodeDecodeError, ValueError, ssl.SSLError) as error:
            raise ChatError(f"{file} contains no certificate in PEM: {_why(error)}") from None
        return cls(pem, context)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ChatError(f"cannot read {path}: {error.strerror}") from None


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not a text file"
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
