"""The state folder of this user: the log, seat keys, the files of background processes."""

from __future__ import annotations

import getpass
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from chat.domain.errors import ChatError
from chat.language import N_

APP = "wirechat"


ENVIRONMENT = "CHAT"


def user_folder(kind: Literal["state", "config"]) -> Path | None:
    """Return this user's folder for state or configuration; None if no home folder is known."""
    import platformdirs

    find = {"state": platformdirs.user_state_path, "config": platformdirs.user_config_path}[kind]
    named = os.environ.get(f"XDG_{kind.upper()}_HOME")
    if not named and sys.platform != "win32" and os.environ.get("HOME") == "":
        return None  # it would be a folder beside the top folder
    try:
        path = find(APP, appauthor=False)
    except RuntimeError:  # neither HOME nor the system knows one
        return None
    return path if path.is_absolute() else None  # "~", with an older platformdirs


def state_dir(warn: Any = None) -> Path:
    """Return the state folder; it is created if need be, with mode 0700.

    If it lies on a network file system, where neither locks nor SQLite's WAL are reliable, a private folder
    on this machine takes its place.

    Args:
        warn: is called with a line about that.

    Raises:
        ChatError: the folder can't be used.
    """
    if named := os.environ.get("CHAT_STATE_DIR"):
        path = Path(named).absolute()
    elif found := user_folder("state"):
        path = found
    else:
        raise ChatError(f"you have no home folder here: set HOME to one, or {_SET}")
    name = str(path).encode(errors="backslashreplace").decode()
    if name != str(path):  # its name stands in files and in the arguments of a private broker
        raise ChatError(f"the name of the state folder {name} is not UTF-8: {_SET}")
    try:
        if kind := network_file_system(path):
            local = Path(tempfile.gettempdir()) / f"{APP}-{_login()}"
            if warn:
                warn(f"{path} lies on a network file system ({kind}): using {local} on this machine instead")
            path = local
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _private(path)
    except (OSError, RuntimeError) as error:  # a RuntimeError is a loop of links
        reason = getattr(error, "strerror", None) or error
        raise ChatError(f"cannot use the state folder {path}: {reason}; {_SET}") from None
    return path


_SET = N_("set CHAT_STATE_DIR to a folder of yours")


def _login() -> str:
    """Return the login name; the user's number where the system knows no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the second one from Python 3.13 on
        if sys.platform == "win32":
            return "user"
        return str(os.getuid())


def _private(path: Path) -> None:
    """Make sure that only this user can read the folder. Raises `ChatError` if it is another user's."""
    if sys.platform == "win32":
        return  # the user's profile is private there
    found = path.stat()
    if found.st_uid != os.getuid():
        raise ChatError(f"the state folder {path} belongs to somebody else; set CHAT_STATE_DIR to another")
    if found.st_mode & 0o077:
        path.chmod(0o700)


_NETWORK = {"9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre"}


_NETWORK |= {"ncpfs", "nfs", "nfs4", "prl_fs", "rclone", "s3fs", "smb2", "smb3", "smbfs", "sshfs", "vboxsf"}


_NETWORK |= {"vmhgfs", "vmhgfs-fuse", "webdav"}
_MOUNTS = "/proc/self/mounts"


def network_file_system(path: str | Path) -> str | None:
    """Return the type of the network file system that ``path`` lies on, e.g. ``nfs4``; None: a local one.

    SQLite's WAL needs shared memory and reliable locks, which a network file system may not have
    (https://www.sqlite.org/wal.html). The path need not exist yet.
    """
    path = Path(path).expanduser().resolve()
    if path.drive.startswith("\\\\"):
        return "UNC"
    kind, options, depth = "", "", 0
    for folder, type_, opts in mounts():
        mount = Path(folder)
        # The later of two mounts on the same folder hides the earlier.
        if path.is_relative_to(mount) and len(mount.parts) >= depth:
            kind, options, depth = type_.lower(), opts, len(mount.parts)
    remote = "remote" in options.split(",")  # Windows, for a network drive
    return (kind or "remote") if remote or kind.rpartition("fuse.")[2] in _NETWORK else None


def mounts() -> Iterator[tuple[str, str, str]]:
    """Yield the folder, the type and the options of each mounted file system, in the order of mounting."""
    if sys.platform == "linux":  # to load psutil, which reads the same, takes longer than many a command
        with open(_MOUNTS, "rb") as file:  # fstab(5): a blank is \040
            for line in file:
                _, folder, kind, options, *_ = line.split(b" ")
                folder = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), folder)
                yield os.fsdecode(folder), os.fsdecode(kind), os.fsdecode(options)
        return
    import psutil

    for part in psutil.disk_partitions(all=True):
        yield part.mountpoint, part.fstype, part.opts
