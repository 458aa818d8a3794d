"""The machine that is measured on: what it is, which core a process gets, what CPU it has used."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import psutil


class Machine(msgspec.Struct):
    cpu: str
    cores: int
    system: str
    python: str
    libraries: str
    disk: str
    """The file system that our log was on."""
    pinned: str
    """Which process had which core, or why none."""
    load: str
    """Of the machine, when it began."""


def machine(
    folder: Path,
    server_core: Sequence[int] = (),
    sink_core: Sequence[int] = (),
    libraries: Sequence[str] = (),
) -> Machine:
    """Return what this machine is; ``folder`` is where the log will be, ``libraries`` are told, too."""
    pinned = "processes can't be pinned on this system, or there is one core only"
    if server_core:
        pinned = f"servers on core {server_core[0]}, load and sink on core {sink_core[0]}"
    names = ("uvloop", "msgspec", "textual", *libraries)
    versions = [f"{name} {version(name)}" for name in names if _installed(name)]
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        system=platform.platform(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        libraries=", ".join([*versions, f"SQLite {sqlite3.sqlite_version}"]),
        disk=_file_system(folder),
        pinned=pinned,
        load=f"{psutil.getloadavg()[0]:.1f}",
    )


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    """Return the kind of the file system: on one in memory a durable log costs nothing."""
    best, kind = "", "unknown"
    for part in psutil.disk_partitions(all=True):
        inside = folder.resolve().is_relative_to(part.mountpoint)
        if inside and len(part.mountpoint) >= len(best):
            best, kind = part.mountpoint, part.fstype
    return kind


def usable_cores() -> list[int]:
    """Return the cores that this process may use; empty where processes can't be pinned."""
    if sys.platform == "darwin":
        return []
    return list(psutil.Process().cpu_affinity())


@contextmanager
def pinned(cores: list[int]) -> Iterator[None]:
    """Give the processes started inside these cores, with every thread they will ever have."""
    if sys.platform == "darwin" or not cores:
        yield
        return
    process = psutil.Process()
    before = process.cpu_affinity()
    process.cpu_affinity(cores)
    try:
        yield
    finally:
        process.cpu_affinity(before)


def cpu_seconds(process: psutil.Process) -> float:
    """Return the seconds that all threads of a process have run."""
    try:  # in nanoseconds, where psutil's are ticks of 10 ms
        threads = Path(f"/proc/{process.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except OSError:
        family = [process, *process.children(recursive=True)]  # a launcher's, on Windows
        return sum(sum(one.cpu_times()[:2]) for one in family)
