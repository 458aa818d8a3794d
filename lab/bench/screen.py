"""The benchmark of the TUI: `chat` in a pseudo-terminal, in a room with thousands of messages."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec

from chat.domain.errors import ChatError
from lab.bench import revision
from lab.bench.goals import Bound, Verdict
from lab.bench.machine import Machine, cpu_seconds, machine
from lab.bench.section import Section, about, aligned, table
from lab.bench.servers import HOST, OURS, environment, running
from lab.bench.start import FIRST_FRAME, FIRST_PAINT, first_paints
from lab.bench.terminal import TIMEOUT, Terminal

MESSAGES = 10_000
APPENDS = 50
KEYS = 100
PAINTS = 9
LANES = ("tcp", "grpc", "rest", "soap")
"""Techniques side by side, with the largest libraries among them."""
KEY = "\N{CYRILLIC CAPITAL LETTER ZHE}".encode()
"""A key whose letter is nowhere else on the screen."""
BUSY_RATE = 50.0
"""Messages a second that arrive while keys are pressed."""
CONNECTED = 5.0
"""Seconds after which every lane is in its room, and has loaded what it needs for that."""


class Report(msgspec.Struct):
    at: str
    machine: Machine
    messages: int
    fill: float
    """CPU seconds for all messages, sent as fast as possible."""
    grown: float
    """Growth of the resident memory for them, in bytes."""
    appends: list[float]
    """CPU milliseconds for each message that comes alone while the list is full."""
    paints: list[float]
    """Milliseconds from sending such a message until it is on the screen."""
    keys: list[float]
    """Milliseconds from a key to its letter on the screen."""
    busy_keys: list[float]
    """The same while messages arrive."""
    first_paints: list[float]
    """Milliseconds from the start to the first frame."""
    empty: float
    """Resident memory of the screen without messages, in bytes."""
    lanes: float
    """The same with techniques side by side."""
    before: Report | None = None
    """Of another revision; None: it was not measured."""


class Speaker:
    """A client that sends messages and waits until the room has accepted them."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ask(b'{"kind":"hello","nick":"speaker","room":"lab"}\n', b'"welcome"')

    def say(self, *texts: str) -> None:
        lines = b"".join(b'{"kind":"say","text":"%b"}\n' % text.encode() for text in texts)
        self._ask(lines, texts[-1].encode() + b'"')

    def _ask(self, lines: bytes, answer: bytes) -> None:
        self._socket.sendall(lines)
        heard = b""
        while answer not in heard:
            data = self._socket.recv(256 * 1024)
            if not data:
                raise ChatError("the server has closed the connection")
            heard = heard[-len(answer) :] + data

    def close(self) -> None:
        self._socket.close()


def run(
    messages: int = MESSAGES,
    appends: int = APPENDS,
    keys: int = KEYS,
    paints: int = PAINTS,
    lanes: Sequence[str] = LANES,
    against: str = "",
) -> Report:
    """Fill the list and measure; with ``against`` the screen of another revision after it.

    Raises:
        ChatError: the system has no pseudo-terminals, or the screen does not show what it should.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-bench-")))
        report = _measure(folder / "now", messages, appends, keys, paints, lanes)
        if against:
            tree = stack.enter_context(revision.checkout(against, folder))
            report.before = _measure(folder / "before", messages, appends, keys, paints, lanes, tree)
        return report


def _measure(
    folder: Path,
    messages: int,
    appends: int,
    keys: int,
    paints: int,
    lanes: Sequence[str],
    tree: Path | None = None,
) -> Report:
    folder.mkdir()
    chat = [sys.executable, *(["-P"] if tree else []), "-m", "chat"]  # -P: not the chat of this folder
    with running(OURS, folder / "server", []) as server, closing(Speaker(server.port)) as speaker:
        command = [*chat, "--backend", "tcp", "--as", "bench", "--server", f"{HOST}:{server.port}"]
        painted = first_paints([*command, "--room", "paint"], folder, paints, tree)
        with Terminal(command, environment(folder / "state", tree)) as terminal:
            terminal.shows(FIRST_FRAME)
            terminal.settle(1.0)
            process = terminal.process
            before, memory = cpu_seconds(process), process.memory_info().rss
            for start in range(0, messages, 100):
                speaker.say(*(f"line {start + i} of many, as people write" for i in range(100)))
                terminal.settle(0.01)  # at 10,000 a second the server would disconnect us as a slow reader
            terminal.shows(f"line {messages - 1} of".encode())
            terminal.settle(1.0)
            fill, grown = cpu_seconds(process) - before, process.memory_info().rss - memory
            appended = [_append(terminal, speaker, number) for number in range(appends)]
            return Report(
                at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
                machine=machine(folder),
                messages=messages,
                fill=fill,
                grown=grown,
                appends=[cpu for cpu, _ in appended],
                paints=[wall for _, wall in appended],
                keys=[press_key(terminal) for _ in range(keys)],
                busy_keys=_keys_while_busy(terminal, speaker, keys),
                first_paints=painted,
                empty=memory,
                lanes=_memory_of_lanes(chat, folder, tree, lanes),
            )


def _append(terminal: Terminal, speaker: Speaker, number: int) -> tuple[float, float]:
    """Return the CPU time and the time that one message takes, in milliseconds."""
    cpu, start = cpu_seconds(terminal.process), time.perf_counter()
    speaker.say(f"alone-{number:04}")
    took = terminal.shows(f"alone-{number:04}".encode()) - start
    terminal.settle(0.1)
    return 1000 * (cpu_seconds(terminal.process) - cpu), 1000 * took


def press_key(terminal: Terminal) -> float:
    """Return the milliseconds from a key to its letter on the screen."""
    start = time.perf_counter()
    terminal.press(KEY)
    took = terminal.shows(KEY) - start
    terminal.press(b"\x7f")  # so that the line does not grow
    terminal.settle(0.05)
    return 1000 * took


def _keys_while_busy(terminal: Terminal, speaker: Speaker, keys: int) -> list[float]:
    """Press keys, each at another time after a message."""
    taken = []
    with _talking(speaker):
        for number in range(keys):
            terminal.settle(number % 10 / 10 / BUSY_RATE)
            taken.append(press_key(terminal))
    return taken


@contextmanager
def _talking(speaker: Speaker) -> Iterator[None]:
    """Let the speaker say `BUSY_RATE` messages a second meanwhile."""
    ended = threading.Event()

    def talk() -> None:
        start, said = time.perf_counter(), 0
        while not ended.wait(max(0.0, start + said / BUSY_RATE - time.perf_counter())):
            speaker.say(f"meanwhile {said}")
            said += 1

    with ThreadPoolExecutor(1) as pool:
        talking = pool.submit(talk)
        try:
            yield
        finally:
            ended.set()
            talking.result()


def _memory_of_lanes(chat: list[str], folder: Path, tree: Path | None, lanes: Sequence[str]) -> float:
    """Return the resident memory with these techniques side by side, on a server that the screen starts."""
    settings = {**environment(folder, tree), "CHAT_STATE_DIR": str(folder / "lanes")}
    try:
        with Terminal([*chat, "--as", "bench", "--lanes", ",".join(lanes)], settings) as terminal:
            terminal.shows(b"essage to the lanes")
            terminal.settle(CONNECTED)
            memory: float = terminal.process.memory_info().rss
            return memory
    finally:
        subprocess.run([*chat, "stop"], env=settings, stdout=subprocess.DEVNULL, check=False)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share of the values is."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


APPEND = Bound(4, " ms")
"""CPU for one more message."""
BUSY_KEY = Bound(16, " ms")
"""From a key to its letter while messages arrive: 95 percent take no longer."""
EMPTY, WITH_LANES = Bound(70, " MB"), Bound(120, " MB")
REASON = """\
The goal for one more message is missed: its line is laid out and painted, in Python.
"""
BUSY_REASON = """\
The goal for a key while messages arrive is missed: a key that comes while a message is painted waits for it.
"""


def verdicts(report: Report) -> list[Verdict]:
    """Return what came of the goals."""

    def judged(title: str, bound: Bound, of: Callable[[Report], list[float]], reason: str = "") -> Verdict:
        before = of(report.before) if report.before else []
        return bound.judge(title, of(report), reason=reason, before=before)

    return [
        judged("one more message, CPU", APPEND, lambda one: one.appends, REASON),
        judged(
            f"a key while {BUSY_RATE:.0f} messages/s arrive, p95",
            BUSY_KEY,
            lambda one: [percentile(one.busy_keys, 0.95)],
            BUSY_REASON,
        ),
        judged("first paint", FIRST_PAINT, lambda one: one.first_paints),
        judged("memory of an empty screen", EMPTY, lambda one: [one.empty / 1e6]),
        judged(f"memory with {len(LANES)} lanes", WITH_LANES, lambda one: [one.lanes / 1e6]),
    ]


def section(report: Report) -> Section:
    """Return what was found, to be shown."""

    def of(values: list[float]) -> str:
        return f"{statistics.median(values):.1f} ms, p95 {percentile(values, 0.95):.1f} ms"

    fill = f"{1000 * report.fill / report.messages:.2f} ms CPU each"
    paint = f"{statistics.median(report.first_paints):.0f} ms, best {min(report.first_paints):.0f} ms"
    rows = [
        [f"{report.messages:,} messages at once", fill, ""],
        ["memory for them", f"{report.grown / 2**20:.1f} MiB", ""],
        ["one more message, CPU", of(report.appends), str(APPEND)],
        ["one more message, sent to painted", of(report.paints), ""],
        ["a key, pressed to painted", of(report.keys), ""],
        [f"a key while {BUSY_RATE:.0f} messages/s arrive", of(report.busy_keys), f"p95 {BUSY_KEY}"],
        ["first paint", paint, str(FIRST_PAINT)],
        ["memory of an empty screen", f"{report.empty / 1e6:.1f} MB", str(EMPTY)],
        [f"memory with {len(LANES)} lanes", f"{report.lanes / 1e6:.1f} MB", str(WITH_LANES)],
    ]
    head = ["what", "found", "goal"]
    judged = verdicts(report)
    page = [
        "## The screen\n",
        f"Made by `chat bench tui` on {report.at} UTC: `chat` in a terminal of 100 by 30.\n",
        *about(report.machine),
        "",
        *table(head, rows),
        "",
        *(verdict.reason for verdict in judged if verdict.reason),
    ]
    encoded = msgspec.json.encode(report).decode()
    return Section("screen", "\n".join(aligned(head, rows)), "\n".join(page), encoded, judged)
