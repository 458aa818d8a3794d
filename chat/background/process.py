"""A background process of this user that other processes find: the server, or a private broker.

While it runs it holds a lock, which the operating system releases however it ends, and a record says where
it listens. No port is probed, no pid is guessed. Everything here blocks for a moment: call it from a thread.
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
from chat.language import N_

R = TypeVar("R", bound=Struct)

CLAIM_TIMEOUT = 1.0
"""Seconds to wait for a lock that another process may hold only to see whether it is held."""


class BackgroundProcess(Generic[R]):
    """The files of one such process in a folder: ``NAME.lock``, ``NAME.json``, ``NAME.log``."""

    def __init__(
        self, folder: Path, name: str, record: type[R], what: str, *, guard: str, start_timeout: float
    ) -> None:
        """Prepare; nothing is read or written yet.

        Args:
            folder: the state folder.
            name: of the files.
            record: what the JSON file holds.
            what: what users call the process.
            guard: the file of the lock that lets one process at a time look for it, or start it.
            start_timeout: seconds until it must be ready.
        """
        self.folder = folder
        self.file = folder / f"{name}.json"
        self.output = folder / f"{name}.log"
        self._lock_file = folder / f"{name}.lock"
        self._lock = FileLock(self._lock_file, thread_local=False)
        self._guard = FileLock(folder / guard, timeout=start_timeout, thread_local=False)
        self._record = record
        self._what = what
        self._start_timeout = start_timeout

    # --- for the process itself ----------------------------------------------------------------

    def claim(self) -> bool:
        """Make the calling process the one that others find. False: another is. Raises `ChatError`."""
        try:
            self._lock.acquire(timeout=CLAIM_TIMEOUT)
        except Timeout:
            return False
        except OSError as error:
            raise ChatError(f"cannot write to the state folder {self.folder}: {error.strerror}") from None
        self.forget()
        return True

    def announce(self, record: R) -> None:
        """Write the record that other processes of this user read."""
        new = self.file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_bytes(msgspec.json.encode(record))
        os.replace(new, self.file)  # a reader sees the whole record or none

    def end(self) -> None:
        self.forget()
        self._lock.release()

    # --- for the others ------------------------------------------------------------------------

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Let one process at a time look or start: testing the lock holds it for a moment."""
        try:
            with self._guard:
                yield
        except Timeout:
            raise ConnectionLost(
                f"another process is starting the {self._what}, and it does not get ready"
            ) from None
        except OSError as error:
            raise ChatError(f"cannot use the state folder {self.folder}: {error.strerror}") from None

    def running(self) -> R | None:
        """Return the record of the running process; wait until it is ready. None: none runs."""
        deadline = time.monotonic() + self._start_timeout
        while self.held():
            if record := self.read():
                return record
            if time.monotonic() > deadline:
                raise ConnectionLost(f"a {self._what} holds {self._lock_file} but does not get ready")
            time.sleep(0.02)
        return None

    def held(self) -> bool:
        """Return whether such a process runs."""
        lock = FileLock(self._lock_file, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return True
        lock.release()
        return False

    def read(self) -> R | None:
        """Return the record, also of a process that was killed; None: there is none."""
        try:
            return msgspec.json.decode(self.file.read_bytes(), type=self._record)
        except (OSError, msgspec.MsgspecError):
            return None

    def forget(self) -> None:
        self.file.unlink(missing_ok=True)

    def start(self, module: Sequence[str], environment: Mapping[str, str]) -> R:
        """Start a module in the background, and return its record when it is ready.

        Args:
            module: the module, and its arguments.
            environment: of the process.

        Raises:
            ChatError: it ended; the text has the last line of its output.
            ConnectionLost: it did not get ready in time.
        """
        detached = 0
        if sys.platform == "win32":
            detached = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
        self.forget()  # the record of one that was killed
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
                why = said[-1].removeprefix("chat: ") if said else N_(f"exit code {child.returncode}")
                raise ChatError(f"the {self._what} did not start: {why}")
            time.sleep(0.02)
        child.kill()
        child.wait()
        raise ConnectionLost(
            f"the {self._what} did not get ready within {self._start_timeout:.0f} s: see {self.output}"
        )


def _let_go(child: subprocess.Popen[bytes]) -> None:
    """Let the child outlive this process without a warning from `subprocess`."""
    child.returncode = 0


def clean_environment() -> dict[str, str]:
    """Return the environment for a background server.

    Without the variables of this terminal's clients: none of them may open the server to other machines, move
    its log or change its token. And without the current folder on Python's path, because a file there may be
    named like a module of ours.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(f"{ENVIRONMENT}_")}
    return {**clean, "CHAT_CONFIG": os.devnull, "PYTHONSAFEPATH": "1"}
