"""The project's own files, for the tests that read them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def tree() -> list[Path]:
    """Every file of the project that git knows or would add, relative to its top folder."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        if os.environ.get("CI") == "true":
            pytest.fail("no git checkout")
        pytest.skip("no git checkout: what belongs to the project can't be told")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
        encoding="utf-8",
    )
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
