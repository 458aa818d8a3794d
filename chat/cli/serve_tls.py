"""Who a server is: its certificate, from the options of ``chat serve``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from chat.interfaces.tls import Fingerprint, Identity
from chat.language.translation import translate


@dataclass(frozen=True, slots=True)
class Proof:
    """A server's certificate, and what clients need to verify it."""

    identity: Identity
    fingerprint: Fingerprint
    join: str
    """The option with which a client verifies the server."""
    authority: bytes = b""
    """The certificate (PEM) that this user's own clients trust; b"": they must be told."""
    file: Path | None = None
    """It holds `authority`."""

    def line(self, as_json: bool) -> str:
        """Return what to tell of it; "" if the user has the files."""
        if self.file is None:
            return ""
        if as_json:
            return json.dumps({"fingerprint": str(self.fingerprint), "authority": str(self.file)})
        return translate(
            f"fingerprint: {self.fingerprint}\n"
            f"  (other people give --fingerprint or set CHAT_FINGERPRINT; or --ca with a copy of {self.file})"
        )


def proof(
    tls: str | None, certificate: str | None, key: str | None, host: str, also: Sequence[str] = ()
) -> Proof | None:
    """Return what the server proves itself with; None: it speaks no TLS.

    Args:
        tls: ``auto``: with a certificate that is made once.
        certificate: a file.
        key: a file, with the key of the certificate.
        host: where the server listens.
        also: further addresses.

    Raises:
        UsageError: the options do not fit together.
        ChatError: the files can't be used.
    """
    if tls and (certificate or key):
        raise click.UsageError("--tls auto makes a certificate: leave it out, or --tls-cert and --tls-key")
    if bool(certificate) != bool(key):
        raise click.UsageError("--tls-cert and --tls-key go together: the certificate, and its private key")
    if certificate and key:
        identity = Identity.load(Path(certificate), Path(key))
        return Proof(identity, Fingerprint.of_first(identity.certificate), "--ca FILE")
    if not tls:
        return None
    from chat.background.state_folder import state_dir
    from chat.server.local_authority import local_identity

    made = local_identity(state_dir(), host, also=also)
    option = f"--fingerprint {made.fingerprint}"
    return Proof(made.identity, made.fingerprint, option, made.authority, made.file)
