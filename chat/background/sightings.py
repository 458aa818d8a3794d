"""When a server was found last: one file for each host, which the clients of one user share.

A client that waits for its server looks at it. So one that has found the server, or the server itself when it
is ready, ends the waiting of all. Everything here blocks for a moment: call it from a thread, or before the
loop runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from chat.interfaces.address import is_loopback

LOCAL = "local"
_OWN = ("0.0.0.0", "::")


class Sightings:
    """The files for some hosts. What can't be read or written is no error: a client then waits its time."""

    def __init__(self, folder: Path, hosts: Iterable[str]) -> None:
        """Prepare.

        Args:
            folder: the state folder.
            hosts: names or addresses of the servers. All addresses of this machine alone are one host.
        """
        names = {LOCAL if host in _OWN or is_loopback(host) else host for host in hosts}
        digests = sorted(blake2b(name.encode(), digest_size=12).hexdigest() for name in names)
        self._files = [folder / "found" / digest for digest in digests]

    def look(self) -> list[int]:
        """Return what is different after each `tell`."""
        times = []
        for file in self._files:
            try:
                times.append(file.stat().st_mtime_ns)
            except OSError:
                times.append(0)
        return times

    def tell(self) -> None:
        """Say that a server was found there now."""
        for file in self._files:
            with suppress(OSError):
                file.parent.mkdir(mode=0o700, exist_ok=True)
                file.touch(mode=0o600)
