"""The certificates of servers that this user has joined: trust on first use, one file for each host."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

from chat.domain.errors import ChatError
from chat.interfaces.tls import Fingerprint
from chat.language import N_

FOLDER = "known"
LEAST = 12
"""Hexadecimal digits of a fingerprint that are compared by people, at least: 48 bits."""


def known(folder: Path, host: str) -> Fingerprint | None:
    """Return the fingerprint of the certificate that a server had the last time; None: it is new here.

    Raises:
        ChatError: the file can't be read, or holds no fingerprint.
    """
    file = _file(folder, host)
    try:
        return Fingerprint.parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ChatError) as error:
        why = getattr(error, "strerror", None) or N_("it is no fingerprint")
        raise ChatError(f"cannot read {file}, which keeps the certificate of {host}: {why}") from None


def remember(folder: Path, host: str, found: Fingerprint) -> None:
    """Keep the fingerprint for the next time. Raises `ChatError`."""
    file = _file(folder, host)
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.touch(mode=0o600)
        new.write_text(f"{found}\n", encoding="utf-8")
        os.replace(new, file)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ChatError(f"cannot keep the certificate of {host} in {file}: {error.strerror}") from None


def matches(found: Fingerprint, written: str) -> bool:
    """Return whether a fingerprint is the one that somebody has written down, or begins like it.

    Args:
        found: of the certificate.
        written: ``3fa2-91bc-77d0``, or more of it; with or without ``SHA256:``.

    Raises:
        ChatError: it has too few digits, or others than hexadecimal ones.
    """
    digits = re.sub(r"^sha-?256[:=]?|[\s:-]", "", written.strip().lower())
    if not re.fullmatch(f"[0-9a-f]{{{LEAST},64}}", digits):
        raise ChatError(f"the certificate on the board has {LEAST} digits, 0 to 9 and a to f: 3fa2-91bc-77d0")
    return found.digest.hex().startswith(digits)


def _file(folder: Path, host: str) -> Path:
    return folder / FOLDER / quote(host.lower(), safe="")
