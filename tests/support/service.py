"""A stand-in for systemd and journald where neither runs: it runs the lines of a unit by hand.

As a program it is what ``systemctl`` and ``journalctl`` are in docs/operating.md. It can start a unit of
``Type=notify``, and reload, restart and stop it. It hardens nothing.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

PATIENCE = 60.0


def read_unit(text: str) -> dict[str, list[str]]:
    """Return the values of each setting, in order (systemd.syntax(7))."""
    settings: defaultdict[str, list[str]] = defaultdict(list)
    for line in text.replace("\\\n", " ").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            settings[name].append(value)
    return settings


class Service:
    """One unit, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        """``folder`` has ``chat.service``."""
        self._folder = folder
        self._unit = read_unit((folder / "chat.service").read_text(encoding="utf-8"))
        self._pid = folder / "pid"
        self.journal = folder / "journal"

    def start(self) -> None:
        """Run ExecStart, and wait until the process says that it is ready."""
        environment = dict(pair.split("=", 1) for pair in self._unit["Environment"])
        place = self._folder / "notify"
        place.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, self.journal.open("ab") as journal:
            manager.bind(str(place))
            manager.settimeout(PATIENCE)
            process = subprocess.Popen(
                shlex.split(self._unit["ExecStart"][0]),
                stdin=subprocess.DEVNULL,
                stdout=journal,
                stderr=journal,
                env={**os.environ, **environment, "NOTIFY_SOCKET": str(place)},
                start_new_session=True,
            )
            self._pid.write_text(str(process.pid))
            assert manager.recv(100) == b"READY=1"

    def reload(self) -> None:
        """Run ExecReload, and wait until the journal has something new."""
        before = self.journal.stat().st_size
        line = self._unit["ExecReload"][0].replace("$MAINPID", self._pid.read_text())
        subprocess.run(shlex.split(line), check=True)
        self._until(lambda: self.journal.stat().st_size > before)

    def stop(self) -> None:
        """End the process, if it runs, and wait until it has ended."""
        pid = int(self._pid.read_text())
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            return
        self._until(lambda: not _runs(pid))

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)


def _runs(pid: int) -> bool:
    """Whether the process runs; one that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def main(program: str, arguments: list[str]) -> None:
    """Do what the program would."""
    service = Service(Path(os.environ["STAND_IN"]))
    if program == "journalctl":
        sys.stdout.write(service.journal.read_text(encoding="utf-8"))
        return
    for word in arguments:
        if word in ("stop", "restart"):
            service.stop()
        if word in ("--now", "start", "restart"):
            service.start()
        if word == "reload":
            service.reload()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
