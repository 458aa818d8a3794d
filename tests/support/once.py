"""What is made once in a test run: by the first worker of pytest-xdist that needs it, for all of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
"""The name of this worker (``gw0``); empty where pytest runs without workers."""


def run_folder(factory: pytest.TempPathFactory) -> Path:
    """Return the folder for temporary files that all workers of this run share."""
    base = factory.getbasetemp()
    return base.parent if WORKER else base


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder in which ``make`` has succeeded; it runs once, and the other workers wait for it.

    Raises whatever ``make`` raises. The next worker then tries again, in another folder.
    """
    place = run_folder(factory) / f"once-{name}"
    place.mkdir(exist_ok=True)
    made = place / "made"
    with FileLock(place / "lock"):
        if not made.exists():
            folder = Path(tempfile.mkdtemp(dir=place))
            make(folder)
            made.write_text(str(folder))
    return Path(made.read_text())
