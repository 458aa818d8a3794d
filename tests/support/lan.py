"""A server for a class in a network that is none: an address of 127.0.0.0/8 of its own for each test."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.processes import running


def lan_address() -> str:
    """Return a loopback address that nobody else uses: its default ports are free."""
    first, *rest = secrets.token_bytes(3)
    return f"127.{max(1, first)}.{rest[0]}.{1 + rest[1] % 254}"


@contextmanager
def lan_server(
    *arguments: str, host: str = "", **environment: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run ``chat serve --lan``; yield the process, and what it says to a class."""
    host = host or lan_address()
    with running("serve", "--lan", "--host", host, "--json", *arguments, **environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield process, {"host": host, **json.loads(line)["class"]}
