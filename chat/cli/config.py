"""Settings: flags win over the environment, which wins over the file.

Every option can stand in the environment (``CHAT_BACKEND``, ``CHAT_SERVE_HOST``) and in the file
``config.toml`` (``backend = "tcp"``, ``[serve] host = "127.0.0.1"``); click does the merging.
"""

from __future__ import annotations

import os
import secrets
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chat.background.state_folder import user_folder
from chat.domain.access_token import MAX_TOKEN, same_words
from chat.domain.errors import ChatError
from chat.domain.text_file import decoded
from chat.language import N_


def config_file() -> Path | None:
    """Return the path of the settings file: ``CHAT_CONFIG``, or a file in the config folder, if any."""
    if named := os.environ.get("CHAT_CONFIG"):
        return Path(named)
    folder = user_folder("config")
    return folder and folder / "config.toml"


def read_config() -> dict[str, Any]:
    """Return the content of the settings file; empty if there is none. Raises `ChatError`."""
    path = config_file()
    if path is None:
        return {}
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ChatError(
            f"cannot read {path}: {error.strerror}; set CHAT_CONFIG to a settings file of yours"
        ) from None
    import tomllib

    try:
        return tomllib.loads(decoded(text))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ChatError(f"{path} is not TOML: {error}") from None


def access_token(token_file: str | None) -> str:
    """Return the access token from the file, or from ``CHAT_TOKEN``; "" for none. Raises `ChatError`."""
    if token_file is None:
        return _usable(os.environ.get("CHAT_TOKEN", "").strip(), "CHAT_TOKEN")
    try:
        token = decoded(Path(token_file).read_bytes()).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ChatError(f"cannot read the access token from {token_file}: {_why(error)}") from None
    if not token:
        raise ChatError(f"the token file {token_file} is empty")
    return _usable(token, token_file)


def _usable(token: str, where: str) -> str:
    """Return the token. Raises `ChatError` for one that a technique could not carry."""
    if len(token.encode(errors="replace")) > MAX_TOKEN:
        raise ChatError(f"the access token in {where} has more than {MAX_TOKEN} bytes")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in token):
        raise ChatError(f"the access token in {where} has a control character in it, or is not UTF-8")
    return same_words(token)


def kept_token(folder: Path, name: str = "access-token", make: Callable[[], str] | None = None) -> str:
    """Return a token of this user's server; the first time, create it.

    It stays the same over restarts, so that a restart locks nobody out.

    Args:
        folder: the state folder.
        name: of the file in it.
        make: returns a new one; None: 22 characters.

    Raises:
        ChatError: the file can't be used.
    """
    file = folder / name
    try:
        try:
            token = decoded(file.read_bytes()).strip()
        except FileNotFoundError:
            token = ""
        if not token:
            token = make() if make else secrets.token_urlsafe(16)
            file.touch(mode=0o600)
            file.write_text(token)
    except (OSError, UnicodeDecodeError) as error:
        raise ChatError(f"cannot use {file}, which keeps the token: {_why(error)}") from None
    return _usable(token, str(file))


def _why(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else N_("it is not a text file")
