"""The machine of a benchmark: its description, pinning processes to cores, CPU time."""

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
    """The file system of our log."""
    pinned: str
    """Which process had which core, or why they were not pinned."""
    load: str
    """The load of the machine at the beginning."""


def machine(
    folder: Path,
    server_core: Sequence[int] = (),
    sink_core: Sequence[int] = (),
    libraries: Sequence[str] = (),
) -> Machine:
    """Describe this machine.

    Args:
        folder: where the log will be.
        server_core: the core of the servers.
        sink_core: the core of the load generators.
        libraries: whose versions are included too.
    """
    pinned = "processes can't be pinned on this system, or there is one core only"
    if server_core:
        pinned = f"servers on core {server_core[0]}, load generators on core {sink_core[0]}"
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
    """Return the type of the file system: on one in memory, a durable log costs nothing."""
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
    """Pin the processes that are started inside to these cores, with all their threads."""
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
    """Return the CPU seconds of all threads of a process."""
    try:  # in nanoseconds; psutil has ticks of 10 ms
        threads = Path(f"/proc/{process.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except OSError:
        family = [
            process,
            *process.children(recursive=True),
        ]  # on Windows, a launcher starts the real process
        return sum(sum(one.cpu_times()[:2]) for one in family)
