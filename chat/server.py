"""The background server: the one server of this user on this machine, found, started and stopped.

It is the server on the log in the state folder, whoever started it. While it lives it holds
``server.lock``, which the operating system releases however it ends, and ``server.json`` says where it
listens; no port is ever probed. Everything here blocks for a moment: call it from a thread.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout
from msgspec import Struct

from chat.config import clean_environment
from chat.model import ChatError, ConnectionLost
from chat.ports import Address, is_loopback
from chat.serve import Offer, own_address

IDLE = 30.0
"""Seconds after its last user until a background server ends itself."""
START_TIMEOUT = 15.0
STOPPED = "server.stopped"  # a file that is there after chat stop, until the next start
PROBE = 1.0  # seconds, far more than looking takes
STOP_TIMEOUT = 5.0


class Listening(Struct, frozen=True):
    technique: str
    host: str
    port: int


class Record(Struct, frozen=True):
    """What ``server.json`` holds."""

    pid: int
    instance: str
    """Another one for each start."""
    started: int
    """Milliseconds since the epoch."""
    log: str
    listening: tuple[Listening, ...]
    off: dict[str, str]
    """Techniques that do not run, and why."""
    access: str = ""
    """The access token: the user's own clients need not be told it."""
    encrypted: bool = False
    """It speaks TLS only."""

    def public(self) -> list[Listening]:
        """Return where other machines can reach it."""
        return [one for one in self.listening if not is_loopback(one.host)]


def default_log(folder: Path) -> str:
    return f"sqlite:{folder / 'chat.sqlite3'}"


class Registration:
    """Held by the server itself: makes it *the* server of this user."""

    def __init__(self, folder: Path, log: str) -> None:
        """Raises `ChatError` when there is one already."""
        self._file = folder / "server.json"
        self._log = log
        self._lock = FileLock(folder / "server.lock", thread_local=False)
        try:
            self._lock.acquire(timeout=PROBE)  # a client may be looking whether it is held
        except Timeout:
            record = _read(folder)
            pid = f" (process {record.pid})" if record else ""
            raise ChatError(
                f"your server on this machine runs already{pid}: use it, end it with chat stop, "
                "or give this one a log of its own with --log"
            ) from None
        except OSError as error:
            raise ChatError(f"cannot write to the state folder {folder}: {error.strerror}") from None
        self._file.unlink(missing_ok=True)
        (folder / STOPPED).unlink(missing_ok=True)

    def announce(self, offers: Sequence[Offer], access: str = "", *, encrypted: bool = False) -> None:
        """Tell the clients where to come."""
        record = Record(
            pid=os.getpid(),
            instance=os.urandom(8).hex(),
            started=int(time.time() * 1000),
            log=self._log,
            listening=tuple(
                Listening(offer.technique, offer.address.host, offer.address.port)
                for offer in offers
                if offer.address
            ),
            off={offer.technique: offer.reason for offer in offers if not offer.address},
            access=access,
            encrypted=encrypted,
        )
        new = self._file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_bytes(msgspec.json.encode(record))
        os.replace(new, self._file)  # a reader sees all of it or nothing

    def end(self) -> None:
        self._file.unlink(missing_ok=True)
        self._lock.release()


def running(folder: Path) -> Record | None:
    """Return the record of the server that runs now, ready or about to be; None when none does."""
    with _door(folder):
        return _running(folder)


def find(
    folder: Path, technique: str, spawn: bool, again: bool = False, *, encrypted: bool = False
) -> tuple[Address, str]:
    """Return where the background server listens, and its access token; start it when there is none.

    ``spawn``: it may be started. A server for other machines is not, nor one with TLS: only its user can do
    that. ``encrypted``: the client wants TLS, and gets no server without.

    ``again``: this client had it before, and does not start it if it was stopped on purpose. Of several
    clients that notice at once, one starts it and the others wait for it. Raises `ConnectionLost` when there
    is none, or a `ChatError` that says why it can't be started.
    """
    with _door(folder):
        record = _running(folder)
        if record is None:
            if encrypted:
                raise ConnectionLost(
                    "no server of yours runs on this machine: start one with chat serve --tls-cert --tls-key"
                )
            if not spawn:
                raise ConnectionLost("no server of yours runs on this machine: start one with chat serve")
            if again and (folder / STOPPED).exists():
                raise ConnectionLost("your server was stopped (chat stop): start it again with chat serve")
            killed = _read(folder)
            if killed and killed.encrypted:
                raise ConnectionLost(
                    "your server with TLS is gone: start it again with chat serve --tls-cert --tls-key, "
                    "or forget it with chat stop"
                )
            if killed and (public := killed.public()):
                raise ConnectionLost(
                    f"your server for other machines is gone: start it again with chat serve "
                    f"--host {public[0].host}, or forget it with chat stop"
                )
            record = _start(folder)
    if technique in record.off:
        raise ChatError(
            f"your server (process {record.pid}) does not offer {technique}: {record.off[technique]}"
        )
    if record.encrypted and not encrypted:
        raise ChatError(
            f"your server (process {record.pid}) speaks TLS: give --ca the certificate of its authority"
        )
    if encrypted and not record.encrypted:
        raise ChatError(f"your server (process {record.pid}) does not speak TLS: leave out --ca")
    for listening in record.listening:
        if listening.technique == technique:
            return own_address(Address(listening.host, listening.port)), record.access
    raise ChatError(f"your server (process {record.pid}) does not offer {technique}: it was not asked to")


def stop(folder: Path) -> Record | None:
    """End the running server and wait until it is gone; None when there was none. Raises `ChatError`.

    Clients that had it do not start it again; a new one does, or ``chat serve``.
    """
    with _door(folder):
        record = _running(folder)
        if record is None:
            (folder / "server.json").unlink(missing_ok=True)  # of one that was killed
            return None
        (folder / STOPPED).touch()
        with suppress(ProcessLookupError):
            os.kill(record.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT
        while _held(folder):
            if time.monotonic() > deadline:
                raise ChatError(
                    f"process {record.pid} did not end within {STOP_TIMEOUT:.0f} s: it is stopped or stuck; "
                    "kill -9 ends it, and loses nothing that was acknowledged"
                )
            time.sleep(0.02)
    return record


@contextmanager
def _door(folder: Path) -> Iterator[None]:
    """One client at a time: looking at the server's lock takes it for a moment."""
    try:
        with FileLock(folder / "spawn.lock", timeout=START_TIMEOUT, thread_local=False):
            yield
    except Timeout:
        raise ConnectionLost("somebody else is starting the server, and it does not get ready") from None
    except OSError as error:
        raise ChatError(f"cannot use the state folder {folder}: {error.strerror}") from None


def _running(folder: Path) -> Record | None:
    deadline = time.monotonic() + START_TIMEOUT
    while _held(folder):
        if record := _read(folder):
            return record
        if time.monotonic() > deadline:
            raise ConnectionLost(f"a server holds {folder / 'server.lock'} but does not get ready")
        time.sleep(0.02)
    return None


def _start(folder: Path) -> Record:
    output = folder / "server.log"
    command = [sys.executable, "-m", "chat", "serve", "--background"]
    detached = 0
    if sys.platform == "win32":
        detached = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
    environment = {**clean_environment(), "CHAT_STATE_DIR": str(folder)}
    (folder / "server.json").unlink(missing_ok=True)  # of one that was killed
    with output.open("wb") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
            start_new_session=True,
            creationflags=detached,
        )
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if record := _read(folder):
            _forget(child)
            return record
        if child.poll() is not None:
            said = output.read_text(errors="replace").strip().splitlines()
            why = said[-1].removeprefix("chat: ") if said else f"exit code {child.returncode}"
            raise ChatError(f"the server did not start: {why}")
        time.sleep(0.02)
    child.kill()
    child.wait()
    raise ConnectionLost(f"the server did not get ready within {START_TIMEOUT:.0f} s: see {output}")


def _forget(child: subprocess.Popen[bytes]) -> None:
    """Let the child outlive us without a warning; should it end before us, nobody reaps it but init."""
    child.returncode = 0


def _held(folder: Path) -> bool:
    lock = FileLock(folder / "server.lock", thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


def _read(folder: Path) -> Record | None:
    try:
        return msgspec.json.decode((folder / "server.json").read_bytes(), type=Record)
    except (OSError, msgspec.MsgspecError):
        return None
