"""What publishes to a server that stores, the same for all, and which servers these are."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chat.domain.errors import ChatError
from lab.bench.dialects import DIALECTS, TEXT_BYTES
from lab.bench.fanout import count_log
from lab.bench.servers import HOST, OURS, Candidate, Running, jetstream

TIMEOUT = 20.0
"""Seconds until the next answer must have come."""
INBOX = b"_INBOX.bench."
STREAM = b'{"name":"bench","subjects":["bench"],"storage":"file","num_replicas":1}'


@dataclass(frozen=True)
class Speech:
    """How a message is published and acknowledged."""

    hello: bytes
    ready: bytes
    publish: Callable[[int], bytes]
    acknowledged: re.Pattern[bytes]
    """Matches an acknowledgement; group 1 is the number of the message."""
    stored: Callable[[Running], int]
    """Returns how many messages the server has stored."""


@dataclass(frozen=True)
class Durable:
    """A server that stores, and what it promises."""

    server: Candidate
    speech: Speech
    means: str
    """What "acknowledged" means."""


class Publisher:
    """One connection that publishes, and counts acknowledgements."""

    def __init__(self, port: int, speech: Speech) -> None:
        self.speech = speech
        self.acknowledged = 0
        self._sent = 0
        self._unread = b""
        self._socket = socket.create_connection((HOST, port), timeout=TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(speech.hello)
        while speech.ready not in self._unread:
            self._receive()
        self._unread = b""

    def run(self, seconds: float, outstanding: int) -> float:
        """Publish for so long; return the acknowledged messages a second."""
        begin, before = time.perf_counter(), self.acknowledged
        while time.perf_counter() - begin < seconds:
            self.publish(outstanding)
            self.read()
        while self.acknowledged < self._sent:
            self.read()
        return (self.acknowledged - before) / (time.perf_counter() - begin)

    def publish(self, outstanding: int) -> None:
        """Send messages until so many wait for their acknowledgement."""
        if (count := outstanding - (self._sent - self.acknowledged)) > 0:
            numbers = range(self._sent, self._sent + count)
            self._socket.sendall(b"".join(map(self.speech.publish, numbers)))
            self._sent += count

    def read(self) -> None:
        """Wait for what comes next, and count the acknowledgements in it. Raises `ChatError`."""
        self._receive()
        end = 0
        for found in self.speech.acknowledged.finditer(self._unread):
            if int(found[1]) != self.acknowledged:
                due, number = self.acknowledged, int(found[1])
                raise ChatError(f"message {due} was to be acknowledged, and {number} was")
            self.acknowledged += 1
            end = found.end()
        self._unread = self._unread[end:]

    def _receive(self) -> None:
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise ChatError(f"no answer came within {TIMEOUT:.0f} s") from None
        if not data:
            raise ConnectionResetError
        self._unread += data

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


# --- the servers ---------------------------------------------------------------------------------


def _in_our_log(server: Running) -> int:
    return count_log(server.folder)


def _in_the_stream(server: Running) -> int:
    with socket.create_connection((HOST, server.port), timeout=TIMEOUT) as asking:
        asking.sendall(NATS_HELLO + b"PUB $JS.API.STREAM.INFO.bench " + INBOX + b"info 0\r\n\r\n")
        answer = b""
        while not (found := re.search(rb'"messages":\s*(\d+)', answer)):
            if b'"error"' in answer:  # there is no such stream any more
                return 0
            if not (data := asking.recv(65536)):
                raise ChatError("nats-server has ended the connection")
            answer += data
    return int(found[1])


def _to_nats(number: int) -> bytes:
    text = b"%010d" % number + b"." * (TEXT_BYTES - 10)
    return b"PUB bench %b%010d %d\r\n%b\r\n" % (INBOX, number, TEXT_BYTES, text)


CHAT = DIALECTS["chat"]
OUR_SPEECH = Speech(CHAT.join(0), CHAT.ready, CHAT.text, CHAT.message, _in_our_log)
NATS_HELLO = b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB ' + INBOX + b"> 1\r\n"
NATS_SPEECH = Speech(
    NATS_HELLO + b"PUB $JS.API.STREAM.CREATE.bench %bnew %d\r\n%b\r\n" % (INBOX, len(STREAM), STREAM),
    b'"did_create"',
    _to_nats,
    re.compile(rb"MSG _INBOX\.bench\.(\d{10}) 1 +\d+\r\n\{\"stream\":\s*\"bench\",\s*\"seq\":[^\r\n]*\r\n"),
    _in_the_stream,
)
ALWAYS = partial(jetstream, always=True)


def durables() -> tuple[list[Durable], list[str]]:
    """Return what can be measured here, and why the rest can't."""
    ours = Durable(OURS, OUR_SPEECH, "committed and synced (WAL, synchronous=FULL), before anybody sees it")
    if shutil.which("nats-server") is None:
        return [ours], ["nats-server is not installed: apt install nats-server"]
    said = subprocess.run(["nats-server", "--version"], capture_output=True, text=True, check=False)
    version = said.stdout.strip().replace(": v", " ")
    default = Durable(
        Candidate("jetstream", f"{version}, JetStream", "nats", jetstream, "nats-server"),
        NATS_SPEECH,
        "written to a file; synced every two minutes",
    )
    always = Durable(
        Candidate("jetstream-always", f"{version}, sync_interval: always", "nats", ALWAYS, "nats-server"),
        NATS_SPEECH,
        "written to a file and synced",
    )
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as name:
        command = [*ALWAYS(Path(name), 4222), "-t"]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return [ours, default], [f"{version} does not know sync_interval: always (2.10 and newer do)"]
    return [ours, default, always], []
