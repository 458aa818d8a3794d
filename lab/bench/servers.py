"""The servers that are measured, and how they are started: each is a process on a free port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from chat.domain.errors import ChatError
from lab.bench.machine import pinned
from lab.power_failure import traced

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
    """Returns the command for an empty folder and a port; may write settings to the folder."""
    program: str = ""
    """The program that must be installed; empty: none."""
    module: str = ""
    """The Python module that must be installed; empty: none."""
    datagrams: bool = False
    """Whether it uses UDP: then a test connection is not possible."""
    tree: Path | None = None
    """A checkout of ours in which it runs; None: this one."""
    workers: int = 0
    """Processes of it that listen at the port; 0: it is the one that does."""

    def here(self) -> bool:
        """Return whether it is installed."""
        program = not self.program or shutil.which(self.program) is not None
        return program and (not self.module or find_spec(self.module) is not None)


@dataclass(frozen=True)
class Running:
    candidate: Candidate
    folder: Path
    port: int
    pid: int
    workers: list[int]
    """The processes that listen at the port, if there are several."""


ROOMY = """
import dataclasses
import msgspec
from chat.cli.main import main
from chat.domain import room
from chat.server import serve
from chat.server.open_files import allow_open_files
run = serve.run
def run_with_room(plan, *args):
    limits = msgspec.structs.replace(plan.limits, seats=20_000, rooms=20_000)
    return run(dataclasses.replace(plan, limits=limits), *args)
serve.run = run_with_room
room.MAX_MEMBERS = 20_000
allow_open_files(20_000)
main()
"""
"""The program `chat` with more seats and rooms than it usually allows. It is a text, so that it runs in a
checkout from before it was written."""


def _chat(
    technique: str, log: str = "", *, roomy: bool = False, workers: int = 0
) -> Callable[[Path, int], list[str]]:
    """Return the command of our server; without ``log`` its log is a file in the folder."""

    def command(folder: Path, port: int) -> list[str]:
        program = ["-c", ROOMY] if roomy else ["-m", "chat"]
        serve = [sys.executable, *program, "serve", technique, "--port", str(port)]
        several = ["--workers", str(workers)] if workers else []
        return [*serve, "--log", log or f"sqlite:{folder / LOG}", "--rate", "off", *several]

    return command


def module(name: str, *more: str) -> Callable[[Path, int], list[str]]:
    """Return the command of a module with the port, and ``more``, as arguments."""
    return lambda _, port: [sys.executable, "-m", name, str(port), *more]


def _nats(folder: Path, port: int) -> list[str]:
    settings = folder / "nats.conf"
    settings.write_text(f'host: {HOST}\nport: {port}\nping_interval: "1h"\n')
    return ["nats-server", "--config", str(settings)]


def jetstream(folder: Path, port: int, *, always: bool = False) -> list[str]:
    """Return the command of nats-server with JetStream; ``always``: it syncs each write."""
    settings = folder / "nats.conf"
    sync = "\n  sync_interval: always" if always else ""
    settings.write_text(
        f'host: {HOST}\nport: {port}\nping_interval: "1h"\n'
        f'jetstream {{\n  store_dir: "{folder.as_posix()}/store"{sync}\n}}\n'
    )
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


OURS = Candidate("chat", "chat serve tcp", "chat", _chat("tcp"))
TEXTBOOK = Candidate("textbook", "textbook asyncio server", "textbook", module("lab.bench.textbook"))
NATS = Candidate("nats", "nats-server", "nats", _nats, "nats-server")
PEERS = (
    NATS,
    Candidate("ngircd", "ngircd", "irc", _ngircd, "ngircd"),
)
ROOMY_TCP = Candidate("chat", "chat serve tcp", "chat", _chat("tcp", roomy=True))
OURS_GRPC = Candidate("chat", "chat serve grpc", "grpc", _chat("grpc"))
ROOMY_GRPC = Candidate("chat", "chat serve grpc", "grpc", _chat("grpc", roomy=True))
TEXTBOOK_GRPC = Candidate("textbook", "textbook grpc.aio server", "grpc", module("lab.bench.textbook_grpc"))
OURS_RPYC = Candidate("chat", "chat serve rpyc", "rpyc", _chat("rpyc"))
TEXTBOOK_RPYC = Candidate(
    "textbook", "textbook ThreadedServer", "rpyc-textbook", module("lab.bench.textbook_rpyc")
)
OURS_ONCRPC = Candidate("chat", "chat serve oncrpc, SEND", "send", _chat("oncrpc", "memory"))
NULL_ONCRPC = Candidate("null", "chat serve oncrpc, NULL", "null", _chat("oncrpc", "memory"))
ECHO = Candidate("echo", "asyncio streams", "echo", module("lab.bench.echo"))
ECHO_UVLOOP = Candidate(
    "echo-uvloop", "the same on uvloop", "echo", module("lab.bench.echo", "uvloop"), module="uvloop"
)
OURS_UDP = Candidate("chat", "chat serve udp", "udp", _chat("udp"), datagrams=True)
TEXTBOOK_UDP = Candidate(
    "textbook", "textbook DatagramProtocol", "udp-textbook", module("lab.bench.textbook_udp"), datagrams=True
)
ONCE_UDP = Candidate(
    "encoded-once",
    "the same, each message encoded once",
    "udp-textbook",
    module("lab.bench.textbook_udp", "once"),
    datagrams=True,
)
BARE = Candidate("bare", "a bare FastAPI route", "bare", module("lab.bench.bare_fastapi"))
OURS_REST = Candidate("chat", "chat serve rest", "rest", _chat("rest", "memory"))
SQLITE_REST = Candidate("sqlite", "chat serve rest, log in SQLite", "rest", _chat("rest"))
OURS_SOAP = Candidate("chat", "chat serve soap", "soap", _chat("soap", "memory"))
SQLITE_SOAP = Candidate("sqlite", "chat serve soap, log in SQLite", "soap", _chat("soap"))


def one_process(technique: str, dialect: str) -> Candidate:
    """Return our server as a single process."""
    return Candidate("one", f"chat serve {technique}", dialect, _chat(technique))


def two_workers(technique: str, dialect: str) -> Candidate:
    """Return our server with two workers."""
    title = f"chat serve {technique} --workers 2"
    return Candidate("two", title, dialect, _chat(technique, workers=2), workers=2)


@contextmanager
def running(
    candidate: Candidate, folder: Path, cores: list[int], trace: Path | None = None
) -> Iterator[Running]:
    """Run the server in a folder: start it, wait until it listens, and end it. Raises `ChatError`.

    ``trace``: strace writes there what it does, and ends with it.
    """
    folder.mkdir(exist_ok=True)  # a server that was killed is started again in it
    port = free_port(socket.SOCK_DGRAM if candidate.datagrams else socket.SOCK_STREAM)
    command = candidate.command(folder, port)
    says = folder / "output"
    if trace is not None:
        command, says = traced(command, trace), trace.with_suffix(".output")  # not a file of the server
    with open(says, "wb") as output, pinned(cores):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(folder, candidate.tree),
            cwd=candidate.tree,
        )
    try:
        _wait(process, candidate, says, port)
        workers = listening(process.pid, port) if candidate.workers else []
        pid = process.pid if trace is None else psutil.Process(process.pid).children()[0].pid
        yield Running(candidate, folder, port, pid, workers)
    finally:
        if trace is not None:
            with suppress(psutil.NoSuchProcess):  # it has ended by itself, and `_wait` says why
                for child in psutil.Process(process.pid).children():
                    child.kill()
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], candidate: Candidate, says: Path, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        if _is_ready(process.pid, candidate, port):
            return
        time.sleep(0.02)
    said = says.read_text(errors="replace").strip()[-300:]
    raise ChatError(f"{candidate.title} did not start: {said or 'it printed nothing'}")


def _is_ready(pid: int, candidate: Candidate, port: int) -> bool:
    if candidate.datagrams:
        return _takes_datagrams(pid, port)
    if candidate.workers:
        return len(listening(pid, port)) == candidate.workers
    return _accepts(port)


def listening(pid: int, port: int) -> list[int]:
    """Return which children of a process listen at a port of TCP."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            links = child.net_connections("tcp")
            if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in links):
                found.append(child.pid)
    return found


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _takes_datagrams(pid: int, port: int) -> bool:
    """Return whether the process, or a child of it, has bound the port.

    A test datagram may not be answered.
    """
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return any(one.laddr.port == port for each in family for one in each.net_connections("udp"))
    return False


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that is free now."""
    with socket.socket(type=kind) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def environment(folder: Path, tree: Path | None = None) -> dict[str, str]:
    """Return this process's environment without the user's settings for `chat`.

    Args:
        folder: the server's.
        tree: the checkout whose packages are imported; None: those of this process.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_")}
    if tree is not None:
        kept["PYTHONPATH"] = str(tree)
    return {**kept, "CHAT_CONFIG": str(folder / "none.toml")}
