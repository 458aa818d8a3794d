"""Whether the -wal of a log is whole.

SQLite reads it up to the first frame that is damaged, and ignores what is behind without a word. After a kill
an unfinished commit at the end is no damage: nobody was told of it. A power failure may also leave a hole in
it, because a disk writes in any order until it is told to sync. Source: the section "WAL File Format" of
https://www.sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import struct
from pathlib import Path

from chat.language import N_

_MAGIC = 0x377F0682
"""The checksum adds up words in the byte order that the lowest bit names; 1: big-endian."""
_HEADER, _FRAME = 32, 24  # bytes
_TRIES = 3
"""Looks, before damage is believed: a server may write at the same time."""


def wal_problems(wal: Path) -> list[str]:
    """Return what is wrong with a -wal; nothing if there is none. Raises `OSError`."""
    problems: list[str] = []
    for _ in range(_TRIES):
        try:
            problems = damage(wal.read_bytes())
        except FileNotFoundError:
            return []
        if not problems:
            break
    return [f"{wal.name}: {problem}" for problem in problems]


def damage(data: bytes) -> list[str]:
    """Return what is wrong with these bytes of a -wal."""
    if len(data) < _HEADER:
        return []
    magic, _, size, _, salt_1, salt_2, *stored = struct.unpack(">8I", data[:_HEADER])
    order = ">" if magic & 1 else "<"
    sums = _add(data[:24], order, (0, 0))
    good = magic | 1 == _MAGIC | 1 and sums == tuple(stored)
    if not good and not any(data[:_HEADER]):
        return []
    broken, behind = (0 if good else 1), 0
    """The number of the first damaged frame (0: none is), and how many commits come from there on."""
    step = _FRAME + (size if 512 <= size <= 65536 else 4096)
    for number, start in enumerate(range(_HEADER, len(data) - step + 1, step), 1):
        frame = data[start : start + step]
        _, commit, *salts = struct.unpack(">4I", frame[:16])
        if salts != [salt_1, salt_2] and not broken:
            # The frames of an earlier use of the file follow, or this one is damaged and others follow.
            broken = number
        if not broken:
            sums = _add(frame[_FRAME:], order, _add(frame[:8], order, sums))
            if sums != struct.unpack(">2I", frame[16:24]):
                broken = number
        if broken and commit and (salts[0] == salt_1 or salts[1] == salt_2):  # an earlier use has other ones
            behind += 1
    if not behind:  # else a kill cut off the last commit, whose last frame is not there
        return []
    if good and behind == 1:
        return [
            N_(
                f"its last commit is damaged (frame {broken}) and can't be read, "
                "unless its server was killed, or the power failed, within that commit"
            )
        ]
    what = N_(f"frame {broken}" if good else "its header")
    n = behind
    return [
        N_(f"{what} is damaged, so {f'{n} commits' if n > 1 else 'a commit'} from there on can't be read")
    ]


def _add(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    one, two = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two
