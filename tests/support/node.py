"""The Node clients as a test uses them: installed in a copy of their folder, started, read line by line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol

import pytest

from chat.interfaces.address import Address
from tests.support.foreign import Foreign
from tests.support.processes import running

ROOT = Path(__file__).parents[2]
INSTALL = 100.0
"""Seconds for ``npm ci``: within the time that a test may take."""
CLIENTS = {
    "grpc": Path("backends", "grpc", "clients", "node"),
    "rabbitmq": Path("backends", "rabbitmq", "clients", "node"),
    "rest": Path("backends", "rest", "clients", "axios"),
    "soap": Path("backends", "soap", "clients", "node"),
}

SHARED = ("protos", "wsdl", "backends/javascript")
"""What a client may read outside its folder."""


def cannot_run(reason: str) -> NoReturn:
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def program(technique: str, copy: Path) -> Path:
    """Return where `install` puts the client."""
    return copy / CLIENTS[technique] / "chat-client.js"


def sources(technique: str) -> list[Path]:
    """Return what `install` reads."""
    return [ROOT / CLIENTS[technique], *(ROOT / name for name in SHARED)]


def install(technique: str, copy: Path, environment: dict[str, str]) -> None:
    """Copy the client and what it reads outside its folder, and install its packages."""
    for shared in SHARED:
        shutil.copytree(ROOT / shared, copy / shared)
    install_folder(ROOT / CLIENTS[technique], copy / CLIENTS[technique], environment)


def install_folder(source: Path, copy: Path, environment: dict[str, str]) -> None:
    """Copy a folder with a ``package-lock.json``, and install the packages; none of their scripts runs."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        cannot_run("node and npm are not installed: apt install nodejs npm")
    shutil.copytree(source, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--engine-strict", "--ignore-scripts", "--prefer-offline"],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=INSTALL,
        env=environment,
        check=False,
    )
    if done.returncode:
        cannot_run(f"npm ci fails: {done.stderr.strip()}")


async def event(node: Foreign, kind: str, author: str) -> dict[str, Any]:
    """Return the next event of this kind and author that a client prints as JSON."""
    while True:
        found: dict[str, Any] = json.loads(await node.line())
        if found["kind"] == kind and found["author"] == author:
            return found


async def until(node: Foreign, part: str) -> str:
    """Return the next line that holds this."""
    while part not in await node.line():
        pass
    return node.lines[-1]


class Run(Protocol):
    async def __call__(self, *command: object, **environment: str) -> Foreign: ...


class Start(Protocol):
    async def __call__(
        self, technique: str, address: Address, nick: str, *options: str, **environment: str
    ) -> Foreign: ...


@contextmanager
def serving(
    ports: dict[str, int], *arguments: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Address]]]:
    """Run ``chat serve`` for these techniques; yield the process and where each listens."""
    command = ["serve", *ports, "--json", *arguments]
    for technique, port in ports.items():
        command += ["--port-of", f"{technique}={port}"]
    with running(*command, **environment) as process:
        assert process.stdout is not None
        addresses: dict[str, Address] = {}
        for _ in ports:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            offer = json.loads(line)
            addresses[offer["technique"]] = Address(offer["host"], offer["port"])
        yield process, addresses
