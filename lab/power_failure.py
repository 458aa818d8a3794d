"""What a disk may hold after a power failure: files rebuilt from what a run wrote and synced.

`traced` is a command under strace, `calls_of` what it did. `Disk` applies the system calls one by one and
makes images. What was synced is in every image. Of each later write an image has all, nothing, or some
sectors; of the changes of names that no sync of their folder followed, it has the first ones, as a journal of
a file system keeps them.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
"""Bytes that a disk writes whole or not at all."""
MISSING = "strace is not installed, or may not trace here: apt install --no-install-recommends strace"
_CALLS = (
    "openat,pwrite64,write,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat"
)
_OTHERS = (
    "pwritev,pwritev2,writev,truncate,sync_file_range,fallocate,copy_file_range,sendfile,link,linkat,symlink"
)
"""Calls that the model does not know: a run that makes one in the folder is no good recording."""
_CREATES = ("O_CREAT", "O_TRUNC")
_THROUGH = ("O_SYNC", "O_DSYNC")
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$", re.DOTALL)
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_FAILED = re.compile(r"\) += -1 ")
_PATHS = re.compile(r"<((?:\\x[0-9a-f]{2})+)>")
_TEXTS = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


@dataclass
class Call:
    """One system call that came back without an error."""

    name: str
    path: str
    """Of the file or folder; of a rename the old name."""
    data: bytes = b""
    number: int = 0
    """Of pwrite64: where, in bytes; of ftruncate: the new size; of a sync: how many calls began before it."""
    to: str = ""
    empties: bool = False
    """Of openat: what the file held is gone."""
    through: bool = False
    """Of openat: each write is synced before it returns."""


def can_trace() -> bool:
    """Whether strace is here, and the system lets it trace."""
    try:
        return subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


def traced(command: Sequence[object], trace: Path) -> list[str]:
    """Return the command so that strace writes down what it and its children do."""
    how = ["strace", "-f", "-y", "-xx", "-s", "4000000", "-e", f"trace={_CALLS},{_OTHERS}", "-o", str(trace)]
    return [*how, "--", *map(str, command)]


def calls_of(trace: Path, folder: Path) -> list[Call]:
    """Return the calls in a trace that concern names in the folder, in the order of their effects."""
    with trace.open(encoding="ascii") as lines:
        return parsed(lines, str(folder))


def parsed(lines: Iterable[str], folder: str) -> list[Call]:
    """Return the calls in the output of strace.

    A write counts from its begin, a sync from its end, and then only for what began before it: so calls of
    several threads at once can't make a disk look better than it is.
    """
    calls: list[Call | None] = []
    begun: dict[str, tuple[str, int]] = {}
    for line in lines:
        line = line.rstrip("\n")
        if (resumed := _RESUMED.match(line)) is not None:
            text, place = begun.pop(resumed[1])
            call = _call(resumed[2], text + resumed[3], folder)
            if call is not None and call.name == "sync":
                call.number = place
                calls.append(call)
            else:
                calls[place] = call
        elif (first := _LINE.match(line)) is not None:
            if first[3].endswith(_UNFINISHED):
                begun[first[1]] = first[3].removesuffix(_UNFINISHED), len(calls)
                calls.append(None)
                continue
            call = _call(first[2], first[3], folder)
            if call is not None and call.name == "sync":
                call.number = len(calls)
            calls.append(call)
    # Places of calls that concern other files, or failed, stay as they are: syncs count them.
    return [call or Call("", "") for call in calls]


def _call(name: str, text: str, folder: str) -> Call | None:
    if _FAILED.search(text):
        return None
    texts = [_decoded(found[1]) for found in _TEXTS.finditer(text)]
    if name.startswith(("open", "rename", "unlink", "mkdir")):
        paths = [os.fsdecode(one) for one in texts]
        if not paths or not all(_is_in(folder, path) for path in paths):
            if any(_is_in(folder, path) for path in paths):
                raise ValueError(f"strace shows a call over the folder's edge: {name}")
            return None
        if name.startswith("open"):
            if not any(flag in text for flag in (*_CREATES, *_THROUGH)):
                return None
            through = any(flag in text for flag in _THROUGH)
            return Call("open", paths[0], empties="O_TRUNC" in text, through=through)
        if name.startswith("rename"):
            return Call("rename", paths[0], to=paths[1])
        return Call(name.removesuffix("at"), paths[0])
    found = _PATHS.search(text)
    path = os.fsdecode(_decoded(found[1])) if found else ""
    if not _is_in(folder, path) or text.startswith("(deleted)", found.end() if found else 0):
        return None
    numbers = [int(one) for one in re.findall(r", (\d+)", _TEXTS.sub("", text))]
    match name:
        case "pwrite64":
            return Call("write", path, texts[0], numbers[1])
        case "write":
            return Call("append", path, texts[0])
        case "ftruncate":
            return Call("size", path, number=numbers[0])
        case "fsync" | "fdatasync":
            return Call("sync", path)
    raise ValueError(f"the model knows no {name}, and it was called for {path}")


def _is_in(folder: str, path: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _decoded(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


@dataclass
class _File:
    """An inode: its bytes on the disk, and what only the system's memory has."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, Call]] = field(default_factory=list)
    size: int = 0
    through: bool = False
    """It was opened so that each write is synced."""


_FOLDER = _File()
_Change = dict[str, _File | None]
"""What has each name afterwards; None: nothing has. A rename changes two names at once."""


class Disk:
    """Applies calls, and makes images of what a power failure at this moment may leave."""

    def __init__(self, folder: str, *, honest: bool = True, keeps_names: bool = False) -> None:
        """Begin with an empty folder.

        Args:
            folder: its path, as the calls name it.
            honest: syncs do what they say; False: a disk that only says so, to see that the judge notices.
            keeps_names: the sync of a file also keeps all names, as the journal of ext4 does. POSIX does not
                promise it.
        """
        self._folder = folder
        self._honest = honest
        self._keeps_names = keeps_names
        self._names: dict[str, _File] = {folder: _FOLDER}
        self._kept = dict(self._names)
        self._changes: list[tuple[int, _Change]] = []
        """Of names, that are not synced, each with the number of its call."""
        self._count = 0

    def apply(self, call: Call) -> None:
        """Do what the call does."""
        number, self._count = self._count, self._count + 1
        path = call.path
        match call.name:
            case "open":
                if path not in self._names:
                    self._change(number, {path: _File()})
                elif call.empties:
                    self._write(number, Call("size", path))
                self._names[path].through = call.through
            case "mkdir":
                self._change(number, {path: _FOLDER})
            case "rename":
                self._change(number, {path: None, call.to: self._names[path]})
            case "unlink":
                self._change(number, {path: None})
            case "write" | "append" | "size":
                self._write(number, call)
                if self._names[path].through:
                    self._sync(path, self._count)
            case "sync" if self._honest:
                self._sync(path, call.number)

    def image(self, dice: random.Random) -> dict[str, bytes]:
        """Return the files of one image, by their names relative to the folder."""
        names = dict(self._kept)
        count = len(self._changes)
        for _, change in self._changes[: dice.choice([0, count, dice.randint(0, count)])]:
            _rename(names, change)
        share = dice.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        image: dict[str, bytes] = {}
        for path, file in sorted(names.items()):
            if file is _FOLDER or not all(str(parent) in names for parent in _within(path, self._folder)):
                continue
            data = bytearray(file.synced)
            for _, call in file.pending:
                _store(data, call, dice, share)
            image[os.path.relpath(path, self._folder)] = bytes(data)
        return image

    def write(self, dice: random.Random, folder: Path) -> None:
        """Write the files of one image into an empty folder."""
        for name, data in self.image(dice).items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    def _change(self, number: int, change: _Change) -> None:
        _rename(self._names, change)
        self._changes.append((number, change))

    def _write(self, number: int, call: Call) -> None:
        file = self._names.get(call.path)
        if file is None or file is _FOLDER:
            raise ValueError(f"{call.path} was written, and strace has not shown that it was made")
        if call.name == "append":
            call = Call("write", call.path, call.data, file.size)
        file.size = call.number if call.name == "size" else max(file.size, call.number + len(call.data))
        file.pending.append((number, call))

    def _sync(self, path: str, before: int) -> None:
        file = self._names.get(path)
        if file is not None and file is not _FOLDER:
            for number, call in file.pending:
                if number < before:
                    _store(file.synced, call, None, 1.0)
            file.pending = [(number, call) for number, call in file.pending if number >= before]
            if self._keeps_names:
                self._keep([number < before for number, _ in self._changes])
        elif file is _FOLDER:  # of other folders it promises nothing
            here = [
                number < before and any(os.path.dirname(name) == path for name in change)
                for number, change in self._changes
            ]
            self._keep(here)

    def _keep(self, synced: list[bool]) -> None:
        """Keep those changes of names that are synced."""
        for done, (_, change) in zip(synced, self._changes, strict=True):
            if done:
                _rename(self._kept, change)
        self._changes = [one for done, one in zip(synced, self._changes, strict=True) if not done]


def _rename(names: dict[str, _File], change: _Change) -> None:
    for name, file in change.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


def _within(path: str, folder: str) -> Iterator[Path]:
    for parent in Path(path).parents:
        yield parent
        if str(parent) == folder:
            return


def _store(data: bytearray, call: Call, dice: random.Random | None, share: float) -> None:
    """Write all of it; with dice: with that probability, else nothing, or some sectors, or only the first."""
    if call.name == "size":
        if dice is None or dice.random() < share:
            del data[call.number :]
            data.extend(bytes(call.number - len(data)))
        return
    start, end = call.number, call.number + len(call.data)
    if dice is None or dice.random() < share:
        kept = [(start, end)]
    else:
        edges = [start, *range((start // SECTOR + 1) * SECTOR, end, SECTOR), end]
        sectors = list(itertools.pairwise(edges))
        match dice.randrange(3):
            case 0:
                kept = []
            case 1:
                kept = sectors[: dice.randint(0, len(sectors))]
            case _:
                kept = [one for one in sectors if dice.random() < 0.5]
    for first, last in kept:
        data.extend(bytes(max(0, last - len(data))))
        data[first:last] = call.data[first - start : last - start]
