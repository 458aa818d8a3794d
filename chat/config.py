"""Settings and folders, in one place: flags win over the environment, which wins over the file.

Every option can stand in the environment (``CHAT_BACKEND``, ``CHAT_SERVE_HOST``) and in the file
``config.toml`` (``backend = "tcp"``, ``[serve] host = "127.0.0.1"``); click does the merging.
"""

from __future__ import annotations

import getpass
import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any

from chat.model import BadName, ChatError
from chat.text import LIMITS, clean_nick

APP = "wirechat"
ENVIRONMENT = "CHAT"


def config_file() -> Path:
    """Return where the settings file is looked for: ``CHAT_CONFIG``, or the user's config folder."""
    if named := os.environ.get("CHAT_CONFIG"):
        return Path(named)
    from platformdirs import user_config_path

    return user_config_path(APP, appauthor=False) / "config.toml"


def read_config() -> dict[str, Any]:
    """Return the settings file's content; empty when there is none. Raises `ChatError`."""
    path = config_file()
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ChatError(f"cannot read {path}: {error.strerror}") from None
    import tomllib

    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ChatError(f"{path} is not TOML: {error}") from None


def state_dir(warn: Any = None) -> Path:
    """Return the user's own folder for the log, seat keys and the background server; mode 0700.

    A folder on a network file system, where locks and SQLite's WAL can't be trusted, is passed over
    for a private one on this machine; ``warn`` gets a line about that. Raises `ChatError`.
    """
    from chat.logs import network_file_system

    if named := os.environ.get("CHAT_STATE_DIR"):
        path = Path(named).absolute()
    else:
        from platformdirs import user_state_path

        path = user_state_path(APP, appauthor=False)
    if kind := network_file_system(path):
        local = Path(tempfile.gettempdir()) / f"{APP}-{getpass.getuser()}"
        if warn:
            warn(f"{path} lies on a network file system ({kind}): using {local} on this machine instead")
        path = local
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _private(path)
    except OSError as error:
        raise ChatError(
            f"cannot use the state folder {path}: {error.strerror}; set CHAT_STATE_DIR to a folder of yours"
        ) from None
    return path


def clean_environment() -> dict[str, str]:
    """Return the environment for a server that is started for the user, and not for this terminal.

    Nothing that was set for a client here may open it to others, move its log or lock the others out; and
    the folder it is started from may hold a module named like one of ours.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(f"{ENVIRONMENT}_")}
    return {**clean, "CHAT_CONFIG": os.devnull, "PYTHONSAFEPATH": "1"}


def _private(path: Path) -> None:
    """Nobody else may read it or have made it."""
    if sys.platform == "win32":
        return  # the user's profile is private there
    found = path.stat()
    if found.st_uid != os.getuid():
        raise ChatError(f"the state folder {path} belongs to somebody else; set CHAT_STATE_DIR to another")
    if found.st_mode & 0o077:
        path.chmod(0o700)


def access_token(token_file: str | None) -> str:
    """Return the access token from the file, or from ``CHAT_TOKEN``; "" for none. Raises `ChatError`."""
    if token_file is None:
        return os.environ.get("CHAT_TOKEN", "").strip()
    try:
        token = Path(token_file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ChatError(f"cannot read the access token from {token_file}: {why}") from None
    if not token:
        raise ChatError(f"the token file {token_file} is empty")
    return token


def kept_token(folder: Path) -> str:
    """Return the access token that was made for this user's server, and make it the first time.

    It stays the same over restarts, or the others would be locked out by each.
    """
    file = folder / "access-token"
    try:
        token = file.read_text().strip()
    except FileNotFoundError:
        token = ""
    if not token:
        token = secrets.token_urlsafe(16)
        file.touch(mode=0o600)
        file.write_text(token)
    return token


def login_name() -> str:
    """Return the login name as a nick; ``guest`` where it can't be one."""
    try:
        return clean_nick(getpass.getuser()[: LIMITS.nick_chars - 4])
    except (BadName, OSError, KeyError):
        return "guest"
