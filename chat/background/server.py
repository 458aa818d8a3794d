"""The background server: the one server of this user on this machine, found, started and stopped.

It is the server on the log in the state folder, or on the broker that was found here, whoever started it
(`chat.background.process`: ``server.lock``, ``server.json``). Everything here blocks for a moment: call it
from a thread.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from chat.background.process import Daemon, clean_environment
from chat.domain.errors import ChatError, ConnectionLost
from chat.interfaces.address import Address, is_loopback, own_address

IDLE = 30.0
"""Seconds after its last user until a background server ends itself."""
START_TIMEOUT = 15.0
STOPPED = "server.stopped"  # a file that is there after chat stop, until the next start
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


def _daemon(folder: Path) -> Daemon[Record]:
    return Daemon(folder, "server", Record, "server", door="spawn.lock", start_timeout=START_TIMEOUT)


class RunsAlready(ChatError):
    """This user has a server on this machine; ``fact`` says which, the whole text what to do as well."""

    def __init__(self, fact: str) -> None:
        super().__init__(
            f"{fact}: use it, end it with chat stop, or give this one a log of its own with --log"
        )
        self.fact = fact


class Registration:
    """Held by the server itself: makes it *the* server of this user."""

    def __init__(self, folder: Path, log: str) -> None:
        """``log``: as users may read it. Raises `RunsAlready`, or `ChatError`: nothing can be written."""
        self._log = log
        self._daemon = _daemon(folder)
        if not self._daemon.claim():
            record = self._daemon.read()
            pid = f" (process {record.pid})" if record else ""
            raise RunsAlready(f"your server on this machine runs already{pid}")
        (folder / STOPPED).unlink(missing_ok=True)

    def announce(
        self,
        listening: Sequence[Listening],
        off: Mapping[str, str],
        access: str = "",
        *,
        encrypted: bool = False,
    ) -> None:
        """Tell the clients where to come, and of the other techniques why they do not run."""
        self._daemon.announce(
            Record(
                pid=os.getpid(),
                instance=os.urandom(8).hex(),
                started=int(time.time() * 1000),
                log=self._log,
                listening=tuple(listening),
                off=dict(off),
                access=access,
                encrypted=encrypted,
            )
        )

    def end(self) -> None:
        self._daemon.end()


def running(folder: Path) -> Record | None:
    """Return the record of the server that runs now, ready or about to be; None when none does."""
    daemon = _daemon(folder)
    with daemon.door():
        return daemon.running()


def find(
    folder: Path, technique: str, spawn: bool, again: bool = False, *, encrypted: bool = False
) -> tuple[Address, str]:
    """Return where the background server listens, and its access token; start it when there is none.

    ``spawn``: it may be started. A server for other machines is not, nor one with TLS or on a broker: only
    its user can do that. ``encrypted``: the client wants TLS, and gets no server without.

    ``again``: this client had it before, and does not start it if it was stopped on purpose. Of several
    clients that notice at once, one starts it and the others wait for it. Raises `ConnectionLost` when there
    is none, or a `ChatError` that says why it can't be started.
    """
    daemon = _daemon(folder)
    with daemon.door():
        record = daemon.running()
        if record is None:
            if encrypted:
                raise ConnectionLost(
                    "no server of yours runs on this machine: start one with chat serve --tls-cert --tls-key"
                )
            if not spawn:
                raise ConnectionLost("no server of yours runs on this machine: start one with chat serve")
            if again and (folder / STOPPED).exists():
                raise ConnectionLost("your server was stopped (chat stop): start it again with chat serve")
            killed = daemon.read()
            if killed and not killed.log.startswith("sqlite:"):  # no room changes its log unasked
                raise ConnectionLost(
                    "your server on a broker is gone: start it again with chat serve --broker, "
                    "or forget it with chat stop"
                )
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
            environment = {**clean_environment(), "CHAT_STATE_DIR": str(folder)}
            record = daemon.start(["chat", "serve", "--background"], environment)
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
    daemon = _daemon(folder)
    with daemon.door():
        record = daemon.running()
        if record is None:
            daemon.forget()  # that of one which was killed
            return None
        (folder / STOPPED).touch()
        with suppress(ProcessLookupError):
            os.kill(record.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT
        while daemon.held():
            if time.monotonic() > deadline:
                raise ChatError(
                    f"process {record.pid} did not end within {STOP_TIMEOUT:.0f} s: it is stopped or stuck; "
                    "kill -9 ends it, and loses nothing that was acknowledged"
                )
            time.sleep(0.02)
    return record
