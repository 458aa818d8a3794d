"""The checksum of each entry in the durable log: the last field of its body, ``"sum":"1a2b3c4d"``.

It is no field of the model, so every chat reads past it, also one from before there were checksums; and what
such a chat writes has none. It finds accidents, such as a flipped bit; it is no proof of who wrote the entry.
"""

from __future__ import annotations

import re
from zlib import crc32

_SEAL = re.compile(rb',"sum":"([0-9a-f]{8})"\}\Z')
"""A text can't end in this: JSON writes the quotes in it as ``\\"``."""
_SIZE = 18  # bytes


def checksum(body: bytes, generation: str, room: str, prev: int, seq: int, at: int) -> int:
    """Return the CRC-32 of an entry.

    Args:
        body: its JSON, without a checksum.
        generation: the name of the run that wrote it.
        room: its room.
        prev: the seq of the entry before it in the log, refused ones included; 0: it is the room's first. So
            an entry that is missing is noticed, although seqs have holes.
        seq: its seq.
        at: its time.
    """
    return crc32(body, crc32(f"{generation} {prev} {seq} {at} {room} ".encode()))


def sealed(body: bytes, value: int) -> bytes:
    """Return the body with this checksum as its last field."""
    return b'%b,"sum":"%08x"}' % (body[:-1], value)


def unsealed(body: bytes) -> tuple[bytes, int | None]:
    """Return the body without its checksum, and the checksum; None: it has none."""
    found = _SEAL.search(body, max(0, len(body) - _SIZE))
    if found is None:
        return body, None
    return body[: found.start()] + b"}", int(found[1], 16)
