"""The server of the trials: it can be killed, started again at the same port, and frozen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import psutil

from chat.interfaces.technique import Technique
from lab.bench.servers import environment, free_port


class TrialServer:
    """``chat serve`` of one technique: it can be killed, started again at the same port, and frozen.

    Who is cancelled while a thread starts it stops it all the same: it is started before that, or not at all.
    """

    def __init__(self, technique: Technique, folder: Path, token: str = "") -> None:
        self._technique, self._folder, self._token = technique, folder, token
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()
        self._over = False

    def start(self) -> None:
        """Start it, unless it was stopped."""
        with self._changing:
            if not self._over:
                self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "chat", "serve", self._technique.name, "--port", str(self.port)]
        command += ["--log", f"sqlite:{self._folder / 'log.sqlite3'}", "--rate", "off"]
        with open(self._folder / "output", "ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**environment(self._folder), **({"CHAT_TOKEN": self._token} if self._token else {})},
            )

    def freeze(self, frozen: bool) -> None:
        """Stop the process, or let it go on. There is no such signal on Windows."""
        if sys.platform != "win32" and self._process is not None:
            os.kill(self._process.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def rss(self) -> int:
        """Return the bytes of memory that it has."""
        with suppress(psutil.NoSuchProcess):
            if self._process is not None:
                return int(psutil.Process(self._process.pid).memory_info().rss)
        return 0

    def stop(self) -> None:
        """End it for good."""
        with self._changing:
            self._over = True
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                self.freeze(False)
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
