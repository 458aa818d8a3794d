"""What `chat serve` reads from files: the access token and the certificate, at the start and after SIGHUP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chat.cli.config import access_token
from chat.cli.serve_tls import Proof
from chat.domain.access_token import MIN_TOKEN
from chat.domain.errors import ChatError

if TYPE_CHECKING:
    from chat.background.server import Registration
    from chat.server.renewal import Renewable, Secrets


def server_token(token_file: str | None) -> str:
    """Return the token that a server requires; "" for none. Raises `ChatError`, also for a short one."""
    access = access_token(token_file)
    if access and len(access) < MIN_TOKEN:
        raise ChatError(
            f"the access token has {len(access)} characters, and at least {MIN_TOKEN} are needed: "
            "a short one can be guessed"
        )
    return access


def renewable(
    token_file: str | None,
    access: str,
    prove: Callable[[], Proof | None],
    proved: Proof | None,
    registration: Registration | None,
) -> Renewable:
    """Return what the server can read again.

    Args:
        token_file: the file with the access token; None: it has no file.
        access: the token of now.
        prove: reads the certificate.
        proved: what that has returned.
        registration: tells this user's clients of the server.
    """
    from chat.server.renewal import Renewable, Secrets

    names = [name for name, has in (("the token", token_file), ("the certificate", proved)) if has]
    if not names:
        return Renewable()

    latest = proved

    def read() -> Secrets:
        nonlocal latest
        latest = prove() if proved else None
        token = server_token(token_file) if token_file else access
        return Secrets(token, latest.identity if latest else None)

    def taken(secrets: Secrets) -> None:
        if registration is not None:
            shown, authority = (str(latest.fingerprint), latest.authority.decode()) if latest else ("", "")
            registration.renew(secrets.access, fingerprint=shown, authority=authority)

    return Renewable(tuple(names), read, taken)
