"""A load generator: a process that sends load to one server, and is asked for its measurements."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from chat.domain.errors import ChatError
from lab.bench.load import Connected, Failed, Measured, Target, Task
from lab.bench.machine import pinned
from lab.bench.regimes import Regime

T = TypeVar("T")


class Generator:
    """What the other process offers. Every method raises `ChatError` if it has failed."""

    def __init__(self, process: subprocess.Popen[bytes], title: str) -> None:
        self._process = process
        self._title = title

    def connect(self, target: Target) -> Connected:
        """Let every client join: first of all, and later as many more in another room."""
        return self._ask(target, Connected)

    def measure(self, regime: Regime, seconds: float) -> Measured:
        """Measure one round."""
        return self._ask(Task(regime, seconds), Measured)

    def _ask(self, question: msgspec.Struct, kind: type[T]) -> T:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(question) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise ChatError(f"{self._title}: the load generator ended unexpectedly")
        try:
            return msgspec.json.decode(line, type=kind)
        except msgspec.ValidationError:
            raise ChatError(f"{self._title}: {msgspec.json.decode(line, type=Failed).error}") from None


@contextmanager
def generator(module: str, title: str, cores: list[int]) -> Iterator[Generator]:
    """Run a load generator on these cores; ``title`` is the server's, for errors."""
    with pinned(cores):
        process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
    with process:
        try:
            yield Generator(process, title)
        finally:
            process.terminate()
