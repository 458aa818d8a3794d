"""Versions of RPyC that people have: installed by pip, each into a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.node import cannot_run

SERVED = ("4.1.5", "5.0.1", "5.3.0", "5.3.1", "6.0.0")
"""One of each wire format and interface; Debian 12 has 5.3.0. Our own tests run 6.0.2."""
TOO_OLD = "4.0.2"
"""3.4 has its wire format, and is a syntax error from Python 3.7 on."""
INSTALL = 60.0
"""Seconds for ``pip install``: within the time that a test may take."""


def install(version: str, folder: Path, environment: dict[str, str]) -> None:
    """Install this version of RPyC and what it needs. Skips the test where pip cannot."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--target", str(folder), f"rpyc=={version}", "plumbum"],
        capture_output=True,
        text=True,
        timeout=INSTALL,
        env=environment,
        check=False,
    )
    if done.returncode:
        cannot_run(f"pip cannot install rpyc {version}: {done.stderr.strip()}")
