"""The ports that this user's server took because the default ones were in use: it asks for them again.

So the lines that somebody has written down, and the clients of other programs, still fit after a restart.
Everything here reads or writes a file: call it from a thread, or before the loop runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

FILE = "ports.json"


def kept_ports(folder: Path) -> dict[str, int]:
    """Return the ports by technique; none if the file can't be read."""
    try:
        found = msgspec.json.decode((folder / FILE).read_bytes(), type=dict[str, int])
    except (OSError, msgspec.MsgspecError):
        return {}
    return {name: port for name, port in found.items() if 0 < port < 65536}


def keep_ports(folder: Path, ports: Mapping[str, int]) -> None:
    """Remember these ports, and those of other techniques from before; a full disk is no error."""
    before = kept_ports(folder)
    after = {**before, **ports}
    if after == before:
        return
    new = folder / f"{FILE}.new"
    with suppress(OSError):
        new.write_bytes(msgspec.json.encode(after))
        os.replace(new, folder / FILE)
