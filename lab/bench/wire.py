"""The benchmark of the wire: what looking costs, beside the same without a tap in the same run."""

from __future__ import annotations

import asyncio
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec

from backends import technique
from chat.domain.model import Event, Hello, Say
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from lab.bench.goals import Bound, Verdict
from lab.bench.machine import Machine, cpu_seconds, machine
from lab.bench.screen import Speaker, percentile, press_key
from lab.bench.section import Section, about, aligned, table
from lab.bench.servers import (
    HOST,
    OURS,
    OURS_GRPC,
    OURS_REST,
    OURS_SOAP,
    Candidate,
    environment,
    module,
    running,
)
from lab.bench.start import FIRST_FRAME
from lab.bench.terminal import Terminal
from lab.wire.tap import Tap
from lab.wire.trace import Trace
from lab.wire.wiretap import Wiretap

ROUNDS = 5
TRIPS = 300
"""Messages, or echoes, in each round."""
BULK = 64 * 2**20
"""Bytes of each round."""
FRAMES = 5_000
APPENDS = 30
KEYS = 30
DECODE_EVERY = 0.1
ECHO = Candidate("echo", "asyncio streams on uvloop", "echo", module("lab.bench.echo", "uvloop"))
SINK = Candidate("sink", "asyncio streams", "", module("lab.bench.bulk_sink"))
QUICK = ClientOptions(settings={"poll": "long"})


class Pair(msgspec.Struct):
    """Medians of the rounds, direct and through a tap that records and decodes."""

    what: str
    direct: list[float]
    tapped: list[float]
    unit: str

    @property
    def ratio(self) -> float:
        return statistics.median(self.tapped) / statistics.median(self.direct)

    @property
    def ratios(self) -> list[float]:
        """Of each round."""
        return [a / b for a, b in zip(self.tapped, self.direct, strict=True)]


class Report(msgspec.Struct):
    at: str
    machine: Machine
    trips: list[Pair]
    bulk: Pair
    appends: list[list[float]]
    """CPU milliseconds for each message: without the inspector, and while it shows 5,000 frames."""
    keys: list[float]
    """Milliseconds from a key to its letter on the screen, then."""
    panel: float
    """Bytes of memory that opening the inspector adds."""


def run() -> Report:
    """Measure everything. Raises `ChatError`."""
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as name:
        folder = Path(name)
        trips = [_echoes(folder)]
        for candidate in (OURS_GRPC, OURS_REST, OURS_SOAP, OURS):
            trips.append(_messages(candidate, folder))
        appends, keys, panel = _inspector(folder)
        return Report(
            at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
            machine=machine(folder),
            trips=trips,
            bulk=_bulk(folder),
            appends=appends,
            keys=keys,
            panel=panel,
        )


# --- round trips -------------------------------------------------------------------------------


@contextmanager
def _tapped(port: int, name: str) -> Iterator[tuple[Address, Trace]]:
    """Stand in the way of another program, as `chat wire` does."""
    with Tap() as tap:
        trace = Trace(tap.capture, technique(name).load_decoder())
        yield tap.relay(Address(HOST, port)), trace


def _echoes(folder: Path) -> Pair:
    direct, tapped = [], []
    with running(ECHO, folder / "echo", []) as server:
        for _ in range(ROUNDS):
            direct.append(_echo(server.port, None))
            with _tapped(server.port, "oncrpc") as (here, trace):
                tapped.append(_echo(here.port, trace))
    return Pair("an echo over TCP", direct, tapped, "µs")


def _echo(port: int, trace: Trace | None) -> float:
    """Return the median of round trips, in microseconds."""
    record = (0x80000000 | 40).to_bytes(4) + bytes(40)
    taken = []
    looked = time.perf_counter()
    with socket.create_connection((HOST, port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(TRIPS * 5):
            start = time.perf_counter()
            line.sendall(record)
            line.recv(1024)
            taken.append(time.perf_counter() - start)
            if trace is not None and start - looked > DECODE_EVERY:
                trace.update()
                looked = time.perf_counter()
    return 1e6 * statistics.median(taken)


def _messages(candidate: Candidate, folder: Path) -> Pair:
    name = candidate.dialect if candidate.dialect != "chat" else "tcp"
    direct, tapped = [], []
    with running(candidate, folder / name, []) as server:
        for number in range(ROUNDS):
            direct.append(asyncio.run(_talk(name, Address(HOST, server.port), f"a{number}")))
            tapped.append(asyncio.run(_talk_through_tap(name, Address(HOST, server.port), f"b{number}")))
    return Pair(f"a message over {name}, acknowledged", direct, tapped, "µs")


async def _talk_through_tap(name: str, address: Address, nick: str) -> float:
    """Talk as the chat does while somebody looks at its wire."""
    wiretap = Wiretap(technique(name), {}, Path())
    await wiretap.start()
    (here,), _ = await wiretap.detour([address], None)
    looking = asyncio.create_task(_look(wiretap))
    try:
        return await _talk(name, here, nick)
    finally:
        looking.cancel()
        await wiretap.stop()


async def _talk(name: str, address: Address, nick: str) -> float:
    """Return the median of the times from sending to the acknowledgement, in microseconds."""
    client = technique(name).load_client()(address, QUICK)
    welcome = await client.connect(Hello("lab", nick))
    reading = asyncio.create_task(_read(client, welcome.seat))
    taken = []
    for number in range(TRIPS):
        start = time.perf_counter()
        await client.send(Say(f"message {number}", number + 1))
        taken.append(time.perf_counter() - start)
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    await client.close()
    return 1e6 * statistics.median(taken)


async def _read(client: ChatClient, seat: str) -> None:
    async for batch in client.events():
        for event in batch:
            if isinstance(event, Event) and event.n and event.seat == seat:
                client.answered(event.n)


async def _look(wiretap: Wiretap) -> None:
    while wiretap.trace is not None:
        wiretap.trace.update()
        await asyncio.sleep(DECODE_EVERY)


# --- bulk --------------------------------------------------------------------------------------


def _bulk(folder: Path) -> Pair:
    direct, tapped = [], []
    with running(SINK, folder / "sink", []) as server:
        for _ in range(ROUNDS):
            direct.append(_pour(server.port))
            with _tapped(server.port, "tcp") as (here, _):
                tapped.append(_pour(here.port))
    return Pair("bytes in one direction", direct, tapped, "MiB/s")


def _pour(port: int) -> float:
    block = bytes(1 << 18)
    start = time.perf_counter()
    with socket.create_connection((HOST, port)) as line:
        for _ in range(BULK // len(block)):
            line.sendall(block)
        line.shutdown(socket.SHUT_WR)
        line.recv(8)
    return BULK / 2**20 / (time.perf_counter() - start)


# --- the inspector -----------------------------------------------------------------------------


def _inspector(folder: Path) -> tuple[list[list[float]], list[float], float]:
    with running(OURS, folder / "screen", []) as server, closing(Speaker(server.port)) as speaker:
        command = [sys.executable, "-m", "chat", "--backend", "tcp", "--as", "bench"]
        command += ["--server", f"{HOST}:{server.port}"]
        with Terminal(command, environment(folder / "state")) as terminal:
            terminal.shows(FIRST_FRAME)
            _fill(terminal, speaker)
            alone = _appends(terminal, speaker, "before")
            memory = terminal.process.memory_info().rss
            terminal.press(b"\x1bOQ")  # F2
            terminal.shows(b"envelope")
            terminal.settle(1.5)
            panel = terminal.process.memory_info().rss - memory
            terminal.press(b"\x1b")
            terminal.settle(0.5)
            _fill(terminal, speaker)
            shown = _appends(terminal, speaker, "after")
            keys = [press_key(terminal) for _ in range(KEYS)]
            return [alone, shown], keys, panel


def _fill(terminal: Terminal, speaker: Speaker) -> None:
    for start in range(0, FRAMES, 100):
        speaker.say(*(f"line {start + i} of many, as people write" for i in range(100)))
        terminal.settle(0.05)
    terminal.settle(3.0)


def _appends(terminal: Terminal, speaker: Speaker, name: str) -> list[float]:
    """Return the CPU milliseconds of messages that come alone."""
    taken = []
    for number in range(APPENDS):
        cpu = cpu_seconds(terminal.process)
        speaker.say(f"{name}-{number:04}")
        terminal.settle(0.25)
        taken.append(1000 * (cpu_seconds(terminal.process) - cpu))
    return taken


# --- the report --------------------------------------------------------------------------------


ECHO_GOAL, MESSAGE_GOAL = Bound(4), Bound(1.15)
BULK_GOAL = Bound(0.5, at_least=True)
APPEND_GOAL, KEY_GOAL = Bound(10, " ms"), Bound(30, " ms")
MEMORY_GOAL = Bound(40, " MiB")


EXPLAINED = """\
The messages are those of our client: its tap runs on its own event loop, as in the chat. In a thread of its
own it would need the interpreter's lock several times for each piece that it hands on, while the client holds
it: that doubles the time of a message over REST, with 21 context switches for each. What is left is the work
itself: each piece is read, written and recorded in Python, and the client waits for one that goes and one
that comes.

The echo and the bytes in one direction are another program's: in its way is a relay in a thread, as with
`chat wire`. Of the relay's CPU for the bytes three quarters are the kernel's, which copies each of them in
and out once more; a seventh copies what is kept, and a tenth is Python and the event loop. Larger reads,
reads into a buffer that is used again, and asyncio's loop change nothing. With two cores, three programs also
share what two have alone: so half is about the most on an idle machine.
"""


def verdicts(report: Report) -> list[Verdict]:
    """Return what came of the goals, in the order of the table."""
    echo, *messages = report.trips
    goals = [(echo, ECHO_GOAL), *((pair, MESSAGE_GOAL) for pair in messages), (report.bulk, BULK_GOAL)]
    alone = statistics.median(report.appends[0])
    return [
        *(
            goal.judge(f"{pair.what}, through a tap, ratio to direct", pair.ratios)
            for pair, goal in goals
            if "over tcp" not in pair.what
        ),
        APPEND_GOAL.judge("the inspector: more CPU a message", [one - alone for one in report.appends[1]]),
        KEY_GOAL.judge("the inspector: a key, pressed to painted", report.keys),
        MEMORY_GOAL.judge("the inspector: memory", [report.panel / 2**20]),
    ]


def _rows(report: Report) -> list[list[str]]:
    def of(values: list[float]) -> str:
        return f"{statistics.median(values):,.0f}"

    rows = []
    for pair in [*report.trips, report.bulk]:
        echo, tcp = pair.what.startswith("an echo"), "over tcp" in pair.what
        goal = ECHO_GOAL if echo else BULK_GOAL if pair is report.bulk else MESSAGE_GOAL
        figures = f"{of(pair.direct)} / {of(pair.tapped)} {pair.unit}"
        rows.append([pair.what, figures, f"{pair.ratio:.2f}", "" if tcp else str(goal)])
    alone, shown = map(statistics.median, report.appends)
    figures, more = f"{alone:.1f} / {shown:.1f} ms", f"+{shown - alone:.1f} ms"
    keys = f"{statistics.median(report.keys):.1f} ms, p95 {percentile(report.keys, 0.95):.1f}"
    return [
        *rows,
        ["one more message at 5,000 frames, CPU", figures, more, str(APPEND_GOAL)],
        ["a key, pressed to painted, then", keys, "", str(KEY_GOAL)],
        ["memory that opening it adds", f"{report.panel / 2**20:.1f} MiB", "", str(MEMORY_GOAL)],
    ]


def section(report: Report) -> Section:
    """Return what was found, to be shown."""
    head, rows = ["what", "direct / through the tap", "ratio", "goal"], _rows(report)
    page = [
        "## Looking at the wire\n",
        f"Made by `chat bench wire` on {report.at} UTC: {ROUNDS} rounds, direct and through a tap that "
        "records and decodes, one after the other; medians.\n",
        *about(report.machine),
        "",
        *table(head, rows),
        "",
        EXPLAINED,
    ]
    encoded = msgspec.json.encode(report).decode()
    return Section("wire", "\n".join(aligned(head, rows)), "\n".join(page), encoded, verdicts(report))
