"""A RabbitMQ broker of one user: run from the installed programs, in a folder of its own, removed afterwards.

It reads and writes nothing outside the folder. The machine's RabbitMQ settings, node name, ports and Erlang
cookie are replaced (https://www.rabbitmq.com/docs/configure#supported-environment-variables). It listens on
127.0.0.1 only; the password is in the folder. Everything here blocks: call it from a thread.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

import psutil

from backends.rabbitmq import names
from chat.domain.errors import ChatError, ConnectionLost
from chat.interfaces.address import Address

PROGRAM_FOLDERS = ("/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/opt/homebrew/sbin", "/opt/rabbitmq/sbin")
"""Where the programs may be. Not /usr/sbin: Debian's wrapper there runs only as root or rabbitmq."""
INSTALL = "apt-get install --no-install-recommends rabbitmq-server"
HOST = "127.0.0.1"
USER = "chat"
START_TIMEOUT = 60.0
"""Seconds until it accepts connections; 4 to 9 were measured."""
STOP_TIMEOUT = 20.0
"""Seconds until it has ended after SIGTERM; then it is killed."""
CTL_TIMEOUT = 60.0
"""Seconds until ``rabbitmqctl`` has ended."""
FIRST_STREAM_DELAY = 2.0
"""Seconds after a node's first stream was declared. A SIGKILL within 1.0 s of it makes that stream unusable
for ever (measured with RabbitMQ 3.10); so `PrivateBroker.kill` waits that long."""
_CONFIGURATION = """\
listeners.tcp.default = {host}:{port}
default_user = {user}
default_pass = {password}
loopback_users = none
vm_memory_high_watermark.absolute = 1GiB
disk_free_limit.absolute = 50MB
log.file.level = info
log.console = false
"""


def programs() -> Path | None:
    """Return the folder with RabbitMQ's programs; None if it is not installed."""
    for folder in map(Path, PROGRAM_FOLDERS):
        if (folder / "rabbitmq-server").exists() and (folder / "rabbitmqctl").exists():
            return folder
    return None


class PrivateBroker:
    """One broker. It keeps its ports and its data across `stop` and `kill`, until `remove`."""

    def __init__(self, folder: Path) -> None:
        """Write the broker's settings; `start` runs it.

        Args:
            folder: is created, and belongs to the broker alone.

        Raises:
            ChatError: RabbitMQ is not installed.
        """
        installed = programs()
        epmd = shutil.which("epmd") or shutil.which("epmd", path="/usr/lib/erlang/bin:/opt/homebrew/bin")
        if installed is None or epmd is None:
            raise ChatError("RabbitMQ is not installed")
        self.folder = folder
        self._programs, self._epmd = installed, epmd
        self._port, self._distribution, self._epmd_port = _free_ports(3)
        self._node = f"chat{secrets.token_hex(4)}@localhost"
        self._password = secrets.token_urlsafe(16)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._output: IO[bytes] | None = None
        self._killable_at = 0.0
        self._prepare()

    @property
    def url(self) -> str:
        """The URL of its first virtual host, with user and password."""
        return f"amqp://{USER}:{self._password}@{HOST}:{self._port}/%2F"

    @property
    def address(self) -> Address:
        """The same as an address."""
        return Address(HOST, self._port, self.url)

    @property
    def running(self) -> bool:
        """Whether all its processes run."""
        return bool(self._processes) and all(process.poll() is None for process in self._processes)

    @property
    def groups(self) -> list[int]:
        """Its process groups, to be killed if nothing else ends it; see `kill_groups`."""
        return [process.pid for process in self._processes]

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = _CONFIGURATION.format(host=HOST, port=self._port, user=USER, password=self._password)
        for name, text in (
            ("rabbitmq.conf", configuration),
            ("enabled_plugins", "[].\n"),
            (".erlang.cookie", secrets.token_hex(16)),
        ):
            file = self.folder / name
            file.touch(mode=0o600)
            file.write_text(text)
        (self.folder / ".erlang.cookie").chmod(0o400)

    def _environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RABBITMQ_", "ERL_", "CHAT_")) and name != "NOTIFY_SOCKET"
        }
        place = str(self.folder)
        return {
            **inherited,
            "HOME": place,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_CONFIG_FILE": f"{place}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{place}/advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{place}/enabled_plugins",
            "RABBITMQ_MNESIA_BASE": f"{place}/data",
            "RABBITMQ_LOG_BASE": f"{place}/log",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{place}/schema",
            "RABBITMQ_PID_FILE": f"{place}/pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    # --- starting and ending -------------------------------------------------------------------

    def start(self, timeout: float = START_TIMEOUT) -> None:
        """Start it, and return when it accepts connections.

        Args:
            timeout: seconds.

        Raises:
            ConnectionLost: it did not get ready in time.
            ChatError: it ended at once.
        """
        if self._output is None:
            self._output = (self.folder / "console.log").open("ab")
        self._processes = [
            self._spawn([self._epmd, "-port", str(self._epmd_port), "-address", HOST]),
            self._spawn([str(self._programs / "rabbitmq-server")]),
        ]
        deadline = time.monotonic() + timeout
        while not _answers(HOST, self._port):
            if not self.running:
                self.kill()
                raise ChatError(f"the private broker ended at once: see {self.folder / 'console.log'}")
            if time.monotonic() > deadline:
                self.kill()
                raise ConnectionLost(
                    f"the private broker did not get ready within {timeout:.0f} s: see {self.folder / 'log'}"
                )
            time.sleep(0.05)
        if not self._killable_at:
            self._declare_first_stream()

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            cwd=self.folder,
            env=self._environment(),
            start_new_session=True,
        )

    def _declare_first_stream(self) -> None:
        """Declare a stream that nobody uses: only the first is in danger, see `FIRST_STREAM_DELAY`."""
        import pika

        from backends.rabbitmq.amqp_login import parameters

        with pika.BlockingConnection(parameters(self.address, "", "warming up")) as connection:
            connection.channel().queue_declare(
                "chat.warmup", durable=True, arguments=dict(names.DIRECTORY_ARGUMENTS)
            )
        self._killable_at = time.monotonic() + FIRST_STREAM_DELAY

    def pid(self) -> int:
        """Return the process id of the Erlang virtual machine. Raises `ChatError` if it does not run."""
        with suppress(psutil.Error, IndexError):
            server = psutil.Process(self._processes[1].pid)
            for process in (server, *server.children(recursive=True)):
                if process.name().startswith("beam"):
                    return process.pid
        raise ChatError("the private broker does not run")

    def connections(self) -> int:
        """Return how many clients are connected; 0 if it does not run."""
        with suppress(psutil.Error, ChatError):
            return sum(
                one.status == psutil.CONN_ESTABLISHED and one.laddr.port == self._port
                for one in psutil.Process(self.pid()).net_connections("tcp")
            )
        return 0

    def kill(self) -> None:
        """Kill it with SIGKILL, as a crash would."""
        time.sleep(max(0.0, self._killable_at - time.monotonic()))
        for process in self._processes:
            kill_group(process.pid)
            process.wait()
        self._processes = []

    def stop(self) -> None:
        """End it with SIGTERM, as a shutdown of the machine would: it tells its clients first."""
        if self.running:
            with suppress(ChatError, ProcessLookupError):
                os.kill(self.pid(), signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    self._processes[1].wait(STOP_TIMEOUT)
        self._killable_at = min(self._killable_at, 1e-9)
        self.kill()

    def remove(self) -> None:
        """End it, and delete its folder."""
        if self.running:
            self.stop()
        self.kill()
        if self._output is not None:
            self._output.close()
            self._output = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def ctl(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` on it, and return its output.

        Raises:
            ChatError: it failed; with its error text.
        """
        done = subprocess.run(
            [str(self._programs / "rabbitmqctl"), "--silent", *arguments],
            env=self._environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=CTL_TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise ChatError(f"rabbitmqctl {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout


def kill_groups(leaders: Iterable[int], folder: str) -> None:
    """Kill the process groups of a broker that were left behind.

    Args:
        leaders: process ids of the group leaders.
        folder: the broker's. A process that works elsewhere has got the id since then, and is not killed.
    """
    for leader in leaders:
        with suppress(psutil.Error):
            process = psutil.Process(leader)
            if folder in process.cwd():
                kill_group(leader)


def kill_group(leader: int) -> None:
    """Kill a process and all processes of its group."""
    with suppress(ProcessLookupError):
        if sys.platform == "win32":
            os.kill(leader, signal.SIGTERM)
        else:
            os.killpg(leader, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]


def _answers(host: str, port: int, timeout: float = 2.0) -> bool:
    """Return whether a broker answers there with Connection.Start (AMQP 0-9-1, 4.2.2)."""
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(names.PROTOCOL_HEADER)
            return connection.recv(1) == b"\x01"
    except OSError:
        return False
