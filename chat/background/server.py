"""The background server: the one server of this user on this machine.

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
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct, structs

from chat.background.process import BackgroundProcess, clean_environment
from chat.domain.errors import ChatError, ConnectionLost
from chat.interfaces.address import Address, is_loopback, own_address
from chat.interfaces.tls import Trust
from chat.language import N_

IDLE = 30.0
"""Seconds after its last user until a background server ends itself."""
START_TIMEOUT = 15.0
STOPPED = "server.stopped"
"""A file that exists after ``chat stop``, until the next start."""
STOP_TIMEOUT = 5.0


class Listening(Struct, frozen=True):
    technique: str
    host: str
    port: int


class Record(Struct, frozen=True):
    """What ``server.json`` holds."""

    pid: int
    instance: str
    """A random name, new at each start."""
    started: int
    """Milliseconds since the epoch."""
    log: str
    listening: tuple[Listening, ...]
    off: dict[str, str]
    """Techniques that do not run, and why."""
    access: str = ""
    """The access token; this user's own clients read it here."""
    encrypted: bool = False
    """It speaks TLS only."""
    fingerprint: str = ""
    """Of its certificate, or of the authority, as clients may be given it."""
    authority: str = ""
    """The certificate (PEM) of the authority that this user's own clients trust; "": they must be told."""
    teacher: str = ""
    """The teacher's token: this user is a teacher there."""

    def public(self) -> list[Listening]:
        """Return the addresses that other machines can reach."""
        return [one for one in self.listening if not is_loopback(one.host)]


@dataclass(frozen=True, slots=True)
class Found:
    """Where the background server is, and what a client needs there."""

    address: Address
    access: str
    """The access token."""
    trust: Trust | None = None
    """None: it speaks no TLS, or the client must know whom to trust."""


def default_log(folder: Path) -> str:
    return f"sqlite:{folder / 'chat.sqlite3'}"


def _process(folder: Path) -> BackgroundProcess[Record]:
    return BackgroundProcess(
        folder, "server", Record, "server", guard="spawn.lock", start_timeout=START_TIMEOUT
    )


class RunsAlready(ChatError):
    """This user has a server on this machine already. ``fact`` says which; the text also says what to do."""

    def __init__(self, fact: str) -> None:
        super().__init__(
            N_(f"{fact}: use it, end it with chat stop, or give this one a log of its own with --log")
        )
        self.fact = fact


class Registration:
    """Held by the server process: makes it the server that this user's clients find."""

    def __init__(self, folder: Path, log: str) -> None:
        """Claim the place.

        Args:
            folder: the state folder.
            log: the log, as users may read it.

        Raises:
            RunsAlready: another process has the place.
            ChatError: the folder can't be written.
        """
        self._log = log
        self._process = _process(folder)
        if not self._process.claim():
            record = self._process.read()
            pid = N_(f" (process {record.pid})") if record else ""
            raise RunsAlready(N_(f"your server on this machine runs already{pid}"))
        (folder / STOPPED).unlink(missing_ok=True)

    def announce(
        self,
        listening: Sequence[Listening],
        off: Mapping[str, str],
        access: str = "",
        *,
        fingerprint: str = "",
        authority: str = "",
        teacher: str = "",
    ) -> None:
        """Tell clients where each technique listens, and why the others do not run.

        Args:
            listening: where.
            off: reasons by technique.
            access: the access token.
            fingerprint: of the certificate; "": it speaks no TLS.
            authority: see `Record.authority`.
            teacher: the teacher's token.
        """
        self._process.announce(
            Record(
                pid=os.getpid(),
                instance=os.urandom(8).hex(),
                started=int(time.time() * 1000),
                log=self._log,
                listening=tuple(listening),
                off=dict(off),
                access=access,
                encrypted=bool(fingerprint),
                fingerprint=fingerprint,
                authority=authority,
                teacher=teacher,
            )
        )

    def renew(self, access: str, *, fingerprint: str, authority: str) -> None:
        """Tell clients the token and the certificate of now; the rest stays. Raises `ChatError`."""
        record = self._process.read()
        if record is None:
            return
        changed = structs.replace(record, access=access, fingerprint=fingerprint, authority=authority)
        try:
            self._process.announce(changed)
        except OSError as error:
            raise ChatError(f"your own clients can't be told of the new token: {error.strerror}") from None

    def end(self) -> None:
        self._process.end()


def running(folder: Path) -> Record | None:
    """Return the record of the running server; wait until it is ready. None: none runs."""
    process = _process(folder)
    with process.guard():
        return process.running()


def port(folder: Path, technique: str) -> int:
    """Return the port of a technique on the running server.

    Raises:
        ChatError: none runs, or without this technique; the text says what to do.
    """
    record = running(folder)
    if record is None:
        raise ChatError("no server of yours runs on this machine: start one with chat serve")
    for listening in record.listening:
        if listening.technique == technique:
            return listening.port
    why = record.off.get(technique, N_("it was started without it"))
    raise ChatError(f"your server (process {record.pid}) does not offer {technique}: {why}")


def find(folder: Path, technique: str, spawn: bool, again: bool = False, *, encrypted: bool = False) -> Found:
    """Find the background server, or start it.

    Of several clients that look at the same time, one starts it and the others wait. A server for other
    machines, with TLS or on a broker is never started here: only its user can do that.

    Args:
        folder: the state folder.
        technique: its name.
        spawn: start the server if none runs.
        again: the client was connected to it before: do not start it if it was stopped on purpose.
        encrypted: the client wants TLS, and connects to no server without.

    Raises:
        ConnectionLost: no server runs.
        ChatError: it does not fit, or can't be started; the text says why.
    """
    process = _process(folder)
    with process.guard():
        record = process.running()
        if record is None:
            if encrypted:
                raise ConnectionLost(
                    "no server of yours runs on this machine: start one with chat serve --tls auto"
                )
            if not spawn:
                raise ConnectionLost("no server of yours runs on this machine: start one with chat serve")
            if again and (folder / STOPPED).exists():
                raise ConnectionLost("your server was stopped (chat stop): start it again with chat serve")
            killed = process.read()
            if killed and not killed.log.startswith("sqlite:"):  # a new one would have another log
                raise ConnectionLost(
                    "your server on a broker is gone: start it again with chat serve --broker, "
                    "or remove it with chat stop"
                )
            if killed and killed.encrypted:
                how = "--tls auto" if killed.authority else "--tls-cert --tls-key"
                how = "--lan" if 0 < len(killed.public()) < len(killed.listening) else how
                raise ConnectionLost(
                    f"your server with TLS is gone: start it again with chat serve {how}, "
                    "or remove it with chat stop"
                )
            if killed and (public := killed.public()):
                raise ConnectionLost(
                    f"your server for other machines is gone: start it again with chat serve "
                    f"--host {public[0].host}, or remove it with chat stop"
                )
            environment = {**clean_environment(), "CHAT_STATE_DIR": str(folder)}
            record = process.start(["chat", "serve", "--background"], environment)
    if technique in record.off:
        raise ChatError(
            f"your server (process {record.pid}) does not offer {technique}: {record.off[technique]}"
        )
    if record.encrypted and not (encrypted or record.authority):
        raise ChatError(
            f"your server (process {record.pid}) speaks TLS: give --ca the certificate of its authority"
        )
    if encrypted and not record.encrypted:
        raise ChatError(
            f"your server (process {record.pid}) does not speak TLS: leave out --ca and --fingerprint"
        )
    for listening in record.listening:
        if listening.technique == technique:
            address = own_address(Address(listening.host, listening.port))
            return Found(address, record.access, own_trust(record))
    raise ChatError(
        N_(f"your server (process {record.pid}) does not offer {technique}: it was started without it")
    )


def own_trust(record: Record) -> Trust | None:
    """Return what this user's clients trust without being told; None: nothing. Raises `ChatError`."""
    if not record.authority:
        return None
    return Trust.of(record.authority.encode(), "the record of your server")


def stop(folder: Path) -> Record | None:
    """End the running server, and wait until it has ended.

    Clients that were connected to it do not start it again; a new client does, or ``chat serve``.

    Returns:
        Its record; None: none ran.

    Raises:
        ChatError: it did not end in time.
    """
    process = _process(folder)
    with process.guard():
        record = process.running()
        if record is None:
            process.forget()  # the record of one that was killed
            return None
        (folder / STOPPED).touch()
        with suppress(ProcessLookupError):
            os.kill(record.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT
        while process.held():
            if time.monotonic() > deadline:
                raise ChatError(
                    f"process {record.pid} did not end within {STOP_TIMEOUT:.0f} s: it is stopped or stuck; "
                    "kill -9 ends it, and loses nothing that was acknowledged"
                )
            time.sleep(0.02)
    return record
