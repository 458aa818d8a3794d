"""The servers that are measured: each a process of its own, on a free port and the server's core."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chat.model import ChatError
from lab.bench.machine import pinned

START_TIMEOUT = 20.0
HOST = "127.0.0.1"
LOG = "log.db"


@dataclass(frozen=True)
class Candidate:
    """A server that can be started."""

    name: str
    title: str
    dialect: str
    command: Callable[[Path, int], list[str]]
    """From an empty folder and a port; may write its settings there."""
    program: str = ""
    """What must be installed; empty: ours, or Python itself."""

    def here(self) -> bool:
        return not self.program or shutil.which(self.program) is not None

    def version(self) -> str:
        if not self.program:
            return ""
        told = subprocess.run([self.program, "--version"], capture_output=True, text=True, timeout=10)
        return told.stdout.splitlines()[0].strip() if told.stdout else ""


@dataclass(frozen=True)
class Running:
    candidate: Candidate
    folder: Path
    port: int
    pid: int


def _chat(folder: Path, port: int) -> list[str]:
    serve = [sys.executable, "-m", "chat", "serve", "tcp", "--port", str(port)]
    return [*serve, "--log", f"sqlite:{folder / LOG}", "--rate", "off"]


def _textbook(folder: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "lab.bench.textbook", str(port)]


def _nats(folder: Path, port: int) -> list[str]:
    settings = folder / "nats.conf"
    settings.write_text(f'host: {HOST}\nport: {port}\nping_interval: "1h"\n')
    return ["nats-server", "--config", str(settings)]


def _ngircd(folder: Path, port: int) -> list[str]:
    settings = folder / "ngircd.conf"
    settings.write_text(
        f"""[Global]
Name = bench.chat
Info = bench
Listen = {HOST}
Ports = {port}
MotdPhrase = bench
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
"""
    )
    return ["ngircd", "--nodaemon", "--config", str(settings)]


OURS = Candidate("chat", "chat serve tcp", "chat", _chat)
TEXTBOOK = Candidate("textbook", "textbook asyncio server", "textbook", _textbook)
PEERS = (
    Candidate("nats", "nats-server", "nats", _nats, "nats-server"),
    Candidate("ngircd", "ngircd", "irc", _ngircd, "ngircd"),
)


@contextmanager
def running(candidate: Candidate, folder: Path, cores: list[int]) -> Iterator[Running]:
    """Start the server, wait until it accepts, and end it. Raises `ChatError`."""
    folder.mkdir()
    port = free_port()
    command = candidate.command(folder, port)
    with open(folder / "output", "wb") as output, pinned(cores):
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment(folder)
        )
    try:
        _wait(process, candidate, folder, port)
        yield Running(candidate, folder, port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], candidate: Candidate, folder: Path, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    said = (folder / "output").read_text(errors="replace").strip()[-300:]
    raise ChatError(f"{candidate.title} did not start: {said or 'it said nothing'}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def environment(folder: Path) -> dict[str, str]:
    """Return this process's environment without the user's settings for `chat`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_")}
    return {**kept, "CHAT_CONFIG": str(folder / "none.toml")}
