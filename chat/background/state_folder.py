"""The state folder of this user: the log, seat keys, the files of background processes."""

from __future__ import annotations

import getpass
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from chat.domain.errors import ChatError

APP = "wirechat"


ENVIRONMENT = "CHAT"


def state_dir(warn: Any = None) -> Path:
    """Return the state folder; it is created if need be, with mode 0700.

    If it lies on a network file system, where neither locks nor SQLite's WAL are reliable, a private folder
    on this machine takes its place.

    Args:
        warn: is called with a line about that.

    Raises:
        ChatError: the folder can't be used.
    """
    from chat.background.state_folder import network_file_system

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


def network_file_system(path: str | Path) -> str | None:
    """Return the type of the network file system that ``path`` lies on, e.g. ``nfs4``; None: a local one.

    SQLite's WAL needs shared memory and reliable locks, which a network file system may not have
    (https://www.sqlite.org/wal.html). The path need not exist yet.
    """
    import psutil

    path = Path(path).expanduser().resolve()
    if path.drive.startswith("\\\\"):
        return "UNC"
    kind, options, depth = "", "", 0
    for part in psutil.disk_partitions(all=True):
        mount = Path(part.mountpoint)
        # The later of two mounts on the same folder hides the earlier.
        if path.is_relative_to(mount) and len(mount.parts) >= depth:
            kind, options, depth = part.fstype.lower(), part.opts, len(mount.parts)
    remote = "remote" in options.split(",")  # Windows, for a network drive
    return (kind or "remote") if remote or kind.rpartition("fuse.")[2] in _NETWORK else None
