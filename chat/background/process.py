"""A process of this user that the others find: the background server, or a broker that was started for them.

While it lives it holds a lock, which the operating system releases however it ends, and a record says where
it is; no port is ever probed, no pid is ever guessed. Everything here blocks for a moment: call it from a
thread.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from filelock import FileLock, Timeout
from msgspec import Struct

from chat.background.state_folder import ENVIRONMENT
from chat.domain.errors import ChatError, ConnectionLost

R = TypeVar("R", bound=Struct)

PROBE = 1.0
"""Seconds, far more than looking takes."""


class Daemon(Generic[R]):
    """What is known in a folder of one such process, by its name: ``NAME.lock``, ``NAME.json``."""

    def __init__(
        self, folder: Path, name: str, record: type[R], what: str, *, door: str, start_timeout: float
    ) -> None:
        """``what``: as users call it. ``door``: the lock of those who look. ``start_timeout``: seconds."""
        self.folder = folder
        self.file = folder / f"{name}.json"
        self.output = folder / f"{name}.log"
        self._lock_file = folder / f"{name}.lock"
        self._lock = FileLock(self._lock_file, thread_local=False)
        self._door = FileLock(folder / door, timeout=start_timeout, thread_local=False)
        self._record = record
        self._what = what
        self._start_timeout = start_timeout

    # --- for the process itself ----------------------------------------------------------------

    def claim(self) -> bool:
        """From now on this process is it. False: another one is. Raises `ChatError`."""
        try:
            self._lock.acquire(timeout=PROBE)  # somebody may be looking whether it is held
        except Timeout:
            return False
        except OSError as error:
            raise ChatError(f"cannot write to the state folder {self.folder}: {error.strerror}") from None
        self.forget()
        return True

    def announce(self, record: R) -> None:
        """Tell the others where to come; nobody else can read it."""
        new = self.file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_bytes(msgspec.json.encode(record))
        os.replace(new, self.file)  # a reader sees all of it or nothing

    def end(self) -> None:
        self.forget()
        self._lock.release()

    # --- for the others ------------------------------------------------------------------------

    @contextmanager
    def door(self) -> Iterator[None]:
        """One at a time: looking at the lock takes it for a moment."""
        try:
            with self._door:
                yield
        except Timeout:
            raise ConnectionLost(
                f"somebody else is starting the {self._what}, and it does not get ready"
            ) from None
        except OSError as error:
            raise ChatError(f"cannot use the state folder {self.folder}: {error.strerror}") from None

    def running(self) -> R | None:
        """Return the record of the one that runs, ready or about to be; None when none does."""
        deadline = time.monotonic() + self._start_timeout
        while self.held():
            if record := self.read():
                return record
            if time.monotonic() > deadline:
                raise ConnectionLost(f"a {self._what} holds {self._lock_file} but does not get ready")
            time.sleep(0.02)
        return None

    def held(self) -> bool:
        """Whether one lives."""
        lock = FileLock(self._lock_file, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return True
        lock.release()
        return False

    def read(self) -> R | None:
        """Return the record, also that of one which was killed; None when there is none."""
        try:
            return msgspec.json.decode(self.file.read_bytes(), type=self._record)
        except (OSError, msgspec.MsgspecError):
            return None

    def forget(self) -> None:
        self.file.unlink(missing_ok=True)

    def start(self, module: Sequence[str], environment: Mapping[str, str]) -> R:
        """Run a module of ours in the background, and return its record when it is ready.

        Raises `ChatError` with the last line that it said if it ends, `ConnectionLost` if it takes too long.
        """
        detached = 0
        if sys.platform == "win32":
            detached = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
        self.forget()  # that of one which was killed
        with self.output.open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", *module],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=dict(environment),
                start_new_session=True,
                creationflags=detached,
            )
        deadline = time.monotonic() + self._start_timeout
        while time.monotonic() < deadline:
            if record := self.read():
                _let_go(child)
                return record
            if child.poll() is not None:
                said = self.output.read_text(errors="replace").strip().splitlines()
                why = said[-1].removeprefix("chat: ") if said else f"exit code {child.returncode}"
                raise ChatError(f"the {self._what} did not start: {why}")
            time.sleep(0.02)
        child.kill()
        child.wait()
        raise ConnectionLost(
            f"the {self._what} did not get ready within {self._start_timeout:.0f} s: see {self.output}"
        )


def _let_go(child: subprocess.Popen[bytes]) -> None:
    """Let the child outlive us without a warning; should it end before us, nobody reaps it but init."""
    child.returncode = 0


def clean_environment() -> dict[str, str]:
    """Return the environment for a server that is started for the user, and not for this terminal.

    Nothing that was set for a client here may open it to others, move its log or lock the others out; and
    the folder it is started from may hold a module named like one of ours.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(f"{ENVIRONMENT}_")}
    return {**clean, "CHAT_CONFIG": os.devnull, "PYTHONSAFEPATH": "1"}
