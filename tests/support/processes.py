"""Runs ``chat`` as its users do: a process of its own, with the test's state folder."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60.0
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


def chat_here(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, which is quicker by an interpreter's start; its input is empty.

    For what a command prints and how it exits. What it loads, and what a signal does to it, needs `chat`; and
    so does grpc, whose library waits for a thread when its last object goes, on the loop of a later test.
    """
    if "grpc" in arguments:
        return chat(*arguments, **environment)
    from chat.cli.main import main
    from chat.language.translation import use

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr("sys.argv", ["chat", *arguments])
        patch.setattr("sys.stdin", io.StringIO())
        for name, value in environment.items():
            patch.setenv(name, value)
        code: object = None
        try:
            main()
        except SystemExit as ended:  # not kept: its traceback holds all that the test has
            code = ended.code
        finally:
            use("en")  # the texts of later tests
    assert isinstance(code, int)
    return subprocess.CompletedProcess(["chat", *arguments], code, out.getvalue(), err.getvalue())


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


def one_line(text: str) -> bool:
    """Whether this is an error as all commands print it."""
    return text.startswith("chat: ") and text.count("\n") == 1


def tail(
    *arguments: str, run: Callable[..., subprocess.CompletedProcess[str]] = chat_here
) -> list[dict[str, Any]]:
    """Return everything that happened in room lab, as objects. In a thread, ``run`` must be `chat`."""
    done = run("tail", "--after", "0", "--json", *arguments)
    assert not done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def log_files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file of a log, to see whether anything touched them."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if "sqlite3" in path.name}
