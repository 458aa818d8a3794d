"""The benchmark of acknowledged messages: ours, with its log in SQLite, beside nats-server with JetStream.

One publisher on a raw socket, the same for all. At the end each server is killed while it is busy, and
started again: what it had acknowledged must be there.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import psutil

from chat.domain.errors import ChatError
from lab.bench import revision
from lab.bench.dialects import DIALECTS, TEXT_BYTES
from lab.bench.fanout import count_log
from lab.bench.goals import Verdict
from lab.bench.machine import Machine, machine, pinned, usable_cores
from lab.bench.section import Section, about, aligned, table
from lab.bench.servers import HOST, OURS, Candidate, Running, jetstream, running

OUTSTANDING = (1, 32)
"""Messages that wait for their acknowledgement, at most."""
SECONDS = 1.0
"""Of a round."""
ROUNDS = 5
PAGE = 4096
"""Bytes; SQLite's own."""
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


class Row(msgspec.Struct):
    """What was found of one server."""

    name: str
    title: str
    means: str
    rates: dict[int, list[float]]
    """Acknowledged messages a second in each round, by `OUTSTANDING`."""
    acknowledged: int = 0
    """Messages up to the kill."""
    lost: int = 0
    """Of these, not there after it."""


class Report(msgspec.Struct):
    at: str
    machine: Machine
    rows: list[Row]
    syncs: list[float]
    """What the disk alone does in a second, in each round: one page of a file is overwritten and synced."""
    left_out: list[str]
    """Why a server was not measured."""


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


def _durables() -> tuple[list[Durable], list[str]]:
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


def run(rounds: int = ROUNDS, seconds: float = SECONDS, against: str = "") -> Report:
    """Measure every server in turn, round by round, and then kill each.

    Args:
        rounds: how many.
        seconds: of a round, for each server and each number of `OUTSTANDING`.
        against: a revision of this project whose server is measured too; "": none.

    Raises:
        ChatError: a server can't be measured.
    """
    cores = usable_cores()
    servers, own = (cores[:1], cores[1:2]) if len(cores) > 1 else ([], [])
    durables, left_out = _durables()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-bench-")))
        if against:
            tree = stack.enter_context(revision.checkout(against, folder))
            durables.append(replace(durables[0], server=revision.before(OURS, tree)))
        stack.enter_context(pinned(own))
        rows, syncs = _measured(durables, folder, servers, rounds, seconds)
        return Report(
            at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
            machine=machine(folder, servers, own),
            rows=rows,
            syncs=syncs,
            left_out=left_out,
        )


def _syncs(folder: Path, seconds: float) -> float:
    """Overwrite a page of a file and sync it, again and again; return how often in a second."""
    sync = getattr(os, "fdatasync", os.fsync)  # not everywhere
    with (folder / "page").open("wb", buffering=0) as file:
        count = 0
        begin = time.perf_counter()
        while (took := time.perf_counter() - begin) < seconds:
            file.seek(0)
            file.write(count.to_bytes(PAGE))
            sync(file.fileno())
            count += 1
    return count / took


def _measured(
    durables: list[Durable], folder: Path, cores: list[int], rounds: int, seconds: float
) -> tuple[list[Row], list[float]]:
    rows = [
        Row(one.server.name, one.server.title, one.means, {count: [] for count in OUTSTANDING})
        for one in durables
    ]
    syncs = []
    for number in range(rounds):
        syncs.append(_syncs(folder, seconds))
        for one, row in zip(durables, rows, strict=True):
            with running(one.server, folder / f"{one.server.name}-{number}", cores) as server:
                publisher = Publisher(server.port, one.speech)
                publisher.run(seconds / 5, OUTSTANDING[-1])  # to warm up
                for outstanding in OUTSTANDING:
                    row.rates[outstanding].append(publisher.run(seconds, outstanding))
                publisher.close()
    for one, row in zip(durables, rows, strict=True):
        row.acknowledged, row.lost = _killed(one, folder / f"{one.server.name}-killed", cores, seconds)
    return rows, syncs


def _killed(one: Durable, folder: Path, cores: list[int], seconds: float) -> tuple[int, int]:
    """Kill a busy server, and start it again; return how many messages were acknowledged, and are lost."""
    with running(one.server, folder, cores) as server:
        publisher = Publisher(server.port, one.speech)
        publisher.run(seconds, OUTSTANDING[-1])
        publisher.publish(OUTSTANDING[-1])
        psutil.Process(server.pid).kill()
        try:
            while True:
                publisher.read()  # an acknowledgement that was sent before counts
        except OSError:
            publisher.close()
    with running(one.server, folder, cores) as server:
        stored = one.speech.stored(server)
    return publisher.acknowledged, max(0, publisher.acknowledged - stored)


# --- the report ----------------------------------------------------------------------------------

HEAD = ["server", *(f"{count} outstanding" for count in OUTSTANDING), "lost by kill -9", "acknowledged means"]


def _rows(report: Report) -> list[list[str]]:
    def rate(values: list[float]) -> str:
        return f"{statistics.median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"

    found = [
        [
            row.title,
            *(rate(row.rates[count]) for count in OUTSTANDING),
            f"{row.lost:,} of {row.acknowledged:,}",
            row.means,
        ]
        for row in report.rows
    ]
    if report.syncs:
        found.append(
            ["the disk alone", rate(report.syncs), "", "", "a page of a file is overwritten and synced"]
        )
    return found


def as_page(report: Report) -> str:
    """Return the report as a section of `docs/performance.md`."""
    lines = [
        f"""## Acknowledged messages

Made by `chat bench durable` on {report.at} UTC: messages a second that are acknowledged, the median of
the rounds and their range.
One publisher on a raw socket, the same code for all, and nobody else reads; texts of {TEXT_BYTES} bytes.
Ours is `chat serve tcp --rate off` with its log in SQLite; JetStream has one stream in a file, one replica.
Each round has a fresh server. At the end each is killed with SIGKILL while it is busy, and started again.
Who syncs each message, and has one outstanding, can't be faster than the disk alone.
""",
        *about(report.machine),
        f"- pinning: {report.machine.pinned}; log on {report.machine.disk}",
        "",
        *table(HEAD, _rows(report)),
        "",
        *(f"- {reason}" for reason in report.left_out),
        "- A server that is killed loses what it had not written: the operating system keeps the rest. A",
        "  power failure also takes what was not synced. For ours that is tried with rebuilt disks",
        "  (`tests/faults/test_crash_images.py`); for nats-server it was not measured.",
    ]
    return "\n".join(lines) + "\n"


def verdicts(report: Report) -> list[Verdict]:
    """Return our rates beside JetStream's; there is no goal for them."""
    rows = {row.name: row for row in report.rows}
    ours, then = rows[OURS.name], rows.get(revision.name_of(OURS.name))
    found = []
    for theirs in (row for row in report.rows if row.name.startswith("jetstream")):
        for count in OUTSTANDING:
            ratios = _ratios(ours, theirs, count)
            before = statistics.median(_ratios(ours, then, count)) if then else None
            title = f"acknowledged a second, {count} outstanding, ratio to {theirs.title}"
            value = statistics.median(ratios)
            found.append(Verdict("", title, "", value, min(ratios), max(ratios), True, "", before))
    return found


def _ratios(ours: Row, theirs: Row, count: int) -> list[float]:
    return [a / b for a, b in zip(ours.rates[count], theirs.rates[count], strict=True)]


def section(report: Report) -> Section:
    """Return what was found, to be shown."""
    lines = [*aligned(HEAD, _rows(report)), "", *report.left_out]
    encoded = msgspec.json.encode(report).decode()
    text = "\n".join(lines).rstrip()
    return Section("durable", text, as_page(report), encoded, verdicts(report), report.left_out)
