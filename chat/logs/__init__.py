"""The rooms' memory: which logs there are, by the scheme of their URL, and where one may lie.

A log is an import string in `SCHEMES`, or in the label of a technique whose broker keeps it; it is imported
when `open_log` is asked for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import backends
from chat.model import ChatError
from chat.ports import Log, load
from chat.text import printable

Clock = Callable[[], float]
"""Returns seconds since the Unix epoch, like `time.time`."""

SCHEMES = {
    "memory": "chat.logs.memory:MemoryLog",
    "sqlite": "chat.logs.sqlite:SqliteLog",
}
"""Scheme to import string of what makes the `Log`, called with (what follows the colon, clock=)."""

_NETWORK = {"9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre"}
_NETWORK |= {"ncpfs", "nfs", "nfs4", "prl_fs", "rclone", "s3fs", "smb2", "smb3", "smbfs", "sshfs", "vboxsf"}
_NETWORK |= {"vmhgfs", "vmhgfs-fuse", "webdav"}


def open_log(url: str, *, clock: Clock = time.time) -> Log:
    """Return the log that ``memory``, ``sqlite:PATH`` or another scheme's URL names, not started yet.

    Raises `ChatError` for a URL that names none.
    """
    scheme, _, place = url.partition(":")
    if scheme in SCHEMES:
        return cast("Log", load(SCHEMES[scheme])(place, clock=clock))
    kept_by_a_broker = [label for label in backends.techniques() if label.log is not None]
    for label in kept_by_a_broker:
        if scheme in label.schemes and label.log is not None:
            if missing := label.missing():
                wanted = ", ".join(f"{need.what} (install it: {need.install})" for need in missing)
                raise ChatError(f"a log of {scheme}: needs {wanted}")
            return cast("Log", load(label.log)(url, clock=clock))
    others = "".join(f" or {label.schemes[0]}://USER:PASSWORD@HOST:PORT" for label in kept_by_a_broker)
    shown = printable(url.rpartition("@")[2])  # an error is no place for a password
    raise ChatError(f"{shown!r} is no log: write memory, sqlite:PATH{others}")


def network_file_system(path: str | Path) -> str | None:
    """Return the type of the network file system that ``path`` lies on, e.g. ``nfs4``; None: a local one.

    SQLite's WAL needs memory that all its processes share and locks that hold: neither is sure
    over a network (https://www.sqlite.org/wal.html). The path need not exist yet.
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
