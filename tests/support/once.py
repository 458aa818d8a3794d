"""What is made once: by the first worker of pytest-xdist that needs it, for all and for later runs."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from filelock import FileLock

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
"""The name of this worker (``gw0``); empty where pytest runs without workers."""
ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".pytest_cache" / "made"
"""What outlives a run; ``make clean`` removes it."""
PROGRAMS = ("gcc", "g++", "rpcgen", "protoc", "java", "node", "npm")
PACKAGES = Path("/var/lib/dpkg/status")
"""A file of Debian's that changes with each package that is installed, newer or removed."""


def run_folder(factory: pytest.TempPathFactory) -> Path:
    """Return the folder for temporary files that all workers of this run share."""
    base = factory.getbasetemp()
    return base.parent if WORKER else base


def made_once(name: str, make: Callable[[Path], None], *sources: Path | str) -> Path:
    """Return the folder in which ``make`` has succeeded; it runs once, and the other workers wait for it.

    It runs anew when a source has changed since the last run, or the machine.

    Args:
        name: of the folder; two callers with one name make the same.
        make: gets an empty folder. Whatever it raises is raised here, and the next worker tries again.
        sources: files and folders that it reads, and other words that it depends on.
    """
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / ".gitignore").write_text("*\n", encoding="utf-8")
    place, digest = KEPT / name, _digest(sources)
    with FileLock(f"{place}.lock"):
        made = place / "made"
        if made.exists() and made.read_text(encoding="utf-8").startswith(f"{digest}\n"):
            return Path(made.read_text(encoding="utf-8").partition("\n")[2])
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        folder = Path(tempfile.mkdtemp(dir=place))
        make(folder)
        made.write_text(f"{digest}\n{folder}", encoding="utf-8")
    return folder


def _digest(sources: Iterable[Path | str]) -> str:
    found = hashlib.sha256(f"{sys.version} {sys.executable} {platform.platform()} {ROOT}".encode())
    for name in PROGRAMS:
        found.update(f"{name} {os.path.realpath(shutil.which(name) or '')}\n".encode())
    if PACKAGES.exists():
        found.update(str(PACKAGES.stat().st_mtime_ns).encode())
    for source in sources:
        if isinstance(source, str):
            found.update(f"{source}\n".encode())
            continue
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if path.is_file() and not {"node_modules", "__pycache__", "build"} & {*path.parts}:
                found.update(f"{path.name}\n".encode() + path.read_bytes())
    return found.hexdigest()
