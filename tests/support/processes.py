"""Runs ``chat`` as its users do: a process of its own, with the test's state folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 20.0
"""Seconds after which a process is taken for hung."""
CHAT = [sys.executable, "-m", "chat"]


def chat(*arguments: str, input: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*CHAT, *arguments],
        input=input,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        check=False,
    )


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command, and end it when the test is done."""
    process = subprocess.Popen(
        [*CHAT, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run ``chat serve tcp`` on a free port; yield the process and its ``HOST:PORT``."""
    with running("serve", "tcp", "--port", "0", "--json", *arguments, **environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        offer = json.loads(line)
        yield process, f"{offer['host']}:{offer['port']}"


def tail(*arguments: str) -> list[dict[str, Any]]:
    """Return everything that happened in room lab, as objects."""
    done = chat("tail", "--after", "0", "--json", *arguments)
    assert not done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def log_files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file of a log, to see whether anything touched them."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if "sqlite3" in path.name}
