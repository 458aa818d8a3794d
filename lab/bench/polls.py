"""The benchmark of long polls: a server holds many of them, and one message answers all."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec
import psutil

import backends
from chat.domain.errors import ChatError
from lab.bench import revision, servers
from lab.bench.checker import DeliveryError
from lab.bench.goals import Bound, Verdict
from lab.bench.http_client import HttpClient
from lab.bench.http_wire import POLLED, Polled, text
from lab.bench.load import poller
from lab.bench.machine import Machine, cpu_seconds, machine, pinned, usable_cores
from lab.bench.section import Section, about, aligned, table
from lab.bench.servers import HOST, Candidate, Running, running

CLIENTS = 1000
ROUNDS = 10
WAIT = 20
"""Seconds that the server may keep a poll open."""
HELD = 0.1
"""Seconds over which the server's CPU time is measured, to see whether it is idle."""
IDLE_CPU = 0.02
"""It is idle if it uses less than this share of a core."""
TIMEOUT = 15.0
"""Seconds until every answer must have come; less than `WAIT`."""
GOAL = Bound(25, " ms")
"""Until the last poll is answered."""
REASON = """\
The goal for the last poll is missed: an answer is a request of HTTP from its beginning to its end, for each
client, and they are written one after the other."""
SERVERS = {"rest": servers.OURS_REST, "soap": servers.OURS_SOAP}


class Round(msgspec.Struct):
    """The times for one message, in milliseconds from the beginning of its sending."""

    first: float
    """Until the first poll was answered."""
    median: float
    last: float
    sender: float
    """Until the sender was answered."""
    server_cpu: float
    """The server's CPU time for all answers."""


class Report(msgspec.Struct):
    at: str
    backend: str
    clients: int
    machine: Machine
    joins: float
    """Clients that joined in a second."""
    threads: int
    """The server's threads while it holds the polls."""
    idle_threads: int
    """The server's threads before any client joined."""
    client_bytes: float
    """Growth of the server's resident memory for each client: a connection and a seat. In bytes."""
    poll_bytes: float
    """The same for each poll that it holds."""
    rounds: list[Round]
    before: list[Round] = []
    """Of another revision; empty: it was not measured."""

    def of(self, figure: str) -> list[float]:
        """Return the figure of each round."""
        return [getattr(one, figure) for one in self.rounds]

    def verdict(self) -> Verdict:
        """Return what came of the goal."""
        then = [one.last for one in self.before]
        title = f"the last of {self.clients:,} is answered"
        return GOAL.judge(title, self.of("last"), reason=REASON, before=then)


def run(backend: str, clients: int = CLIENTS, rounds: int = ROUNDS, against: str = "") -> Report:
    """Measure one technique, and with ``against`` another revision after it.

    Raises:
        ChatError: it can't be measured, or a poll was not answered correctly.
    """
    candidate = SERVERS.get(backend)
    if candidate is None:
        raise ChatError(f"{backend} has no long polls that can be measured: {', '.join(SERVERS)} have some")
    cores = usable_cores()
    server_core, sink_core = (cores[:1], cores[1:2]) if len(cores) > 1 else ([], [])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-bench-")))
        here = machine(folder, server_core, sink_core, ("uvicorn", "httptools", backend))

        def measured(candidate: Candidate) -> Report:
            with running(candidate, folder / candidate.name, server_core) as server, pinned(sink_core):
                try:
                    return _measure(candidate, server, here, backend, clients, rounds)
                except (DeliveryError, OSError) as error:
                    raise ChatError(f"{candidate.title}: {error}") from None

        report = measured(candidate)
        if against:
            tree = stack.enter_context(revision.checkout(against, folder))
            report.before = measured(revision.before(candidate, tree)).rounds
        return report


def _measure(
    candidate: Candidate, server: Running, here: Machine, backend: str, clients: int, rounds: int
) -> Report:
    process = psutil.Process(server.pid)
    threads = process.num_threads()
    web = POLLED[candidate.dialect](f"{HOST}:{server.port}")
    with closing(Readers(process, web, server.port)) as readers:
        readers.enter(1)  # memory that the server allocates only once is not counted
        before = process.memory_info().rss
        start = time.perf_counter()
        readers.enter(clients)
        joins = (clients - 1) / (time.perf_counter() - start)
        joined = process.memory_info().rss
        readers.hold()
        held, held_threads = process.memory_info().rss, process.num_threads()
        measured = [readers.tell(0)]
        for number in range(1, rounds):
            readers.hold()
            measured.append(readers.tell(number))
    return Report(
        at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        backend=backend,
        clients=clients,
        machine=here,
        joins=joins,
        threads=held_threads,
        idle_threads=threads,
        client_bytes=(joined - before) / max(1, clients - 1),
        poll_bytes=(held - joined) / clients,
        rounds=measured,
    )


class Readers:
    """All clients.

    Each has a seat and a connection for its polls; the first one has another one for sending.
    """

    def __init__(self, process: psutil.Process, web: Polled, port: int) -> None:
        self._process = process
        self._web = web
        self._port = port
        self._clients: list[HttpClient] = []
        self._by_fd: dict[int, HttpClient] = {}
        self._poll, self._register = poller()
        self._head = 0  # the seq of the room's newest event
        self._told = 0  # the seq of the newest event that every client knows
        self._second: HttpClient | None = None

    def close(self) -> None:
        for client in (*self._clients, *filter(None, [self._second])):
            client.close()

    def enter(self, until: int) -> None:
        """Let clients join until there are so many."""
        for number in range(len(self._clients), until):
            client = HttpClient(HOST, self._port, self._web, f"b{number}")
            self._clients.append(client)
            self._by_fd[client.fd] = client
            self._register(client.fd)
            self._head = client.head  # its own joined event

    def hold(self) -> None:
        """Send a poll from every client, and wait until the server is idle."""
        for client in self._clients:
            client.ask(self._web.poll(client.key, self._head, WAIT))
        self._told = self._head
        deadline = time.perf_counter() + TIMEOUT
        used = cpu_seconds(self._process)
        while True:
            if self._poll(HELD):
                raise DeliveryError(
                    "a poll was answered, or its connection closed, although nothing was sent"
                )
            before, used = used, cpu_seconds(self._process)
            if used - before < IDLE_CPU * HELD:
                return
            if time.perf_counter() > deadline:
                raise DeliveryError(f"the server was not idle within {TIMEOUT:.0f} s of the last poll")

    def tell(self, number: int) -> Round:
        """Send a message, and wait until every poll is answered with it."""
        clock, said = time.perf_counter, text(number)
        speaker, waiting, came = self._speaker(), dict(self._by_fd), list[float]()
        sender = 0.0
        speaker.n += 1
        used = cpu_seconds(self._process)
        start = clock()
        speaker.ask(self._web.send(speaker.key, speaker.n, said))
        while waiting or not sender:
            for fd in self._poll(0.0):
                if fd == speaker.fd:
                    if (body := speaker.take(self._web.taken)) is not None:
                        sender = clock() - start
                        self._head = max(self._head, self._web.sent(body, speaker.n))
                    continue
                client = waiting.get(fd)
                if client is None:
                    raise DeliveryError("a poll was answered twice, or its connection closed")
                if (body := client.take(self._web.polled)) is not None:
                    came.append(clock() - start)
                    del waiting[fd]
                    self._check(self._web.heard(body), said)
            if clock() - start > TIMEOUT:
                raise DeliveryError(f"{len(waiting)} polls were not answered within {TIMEOUT:.0f} s")
        used = cpu_seconds(self._process) - used
        return Round(
            *(1000 * seconds for seconds in (came[0], statistics.median(came), came[-1], sender, used))
        )

    def _speaker(self) -> HttpClient:
        """Return the first client's connection for sending."""
        if self._second is None:
            self._second = HttpClient(HOST, self._port, self._web)
            self._second.key = self._clients[0].key
            self._register(self._second.fd)
        return self._second

    def _check(self, news: list[tuple[int, bytes]], said: bytes) -> None:
        if len(news) != 1 or news[0][1] != said or news[0][0] <= self._told:
            raise DeliveryError(f"a poll was answered with {news!r:.300}, not with the message")


# --- what was found ----------------------------------------------------------------------------

FIGURES = {"first": "first", "median": "median", "last": "last", "sender": "sender answered"}


def section(report: Report) -> Section:
    """Return what was found, to be shown."""
    found = msgspec.to_builtins(report) | {"met": report.verdict().met}
    encoded = msgspec.json.encode(found).decode()
    name = f"polls-{report.backend}"
    return Section(name, as_text(report), as_page(report), encoded, [report.verdict()])


def as_text(report: Report) -> str:
    """Return the report for a terminal."""
    lines = [f"{report.clients:,} long polls held over {report.backend}, {len(report.rounds)} messages", ""]
    lines += aligned(["answered", "median", "range"], _times(report))
    lines += ["", _verdict(report), *_notes(report)]
    return "\n".join(lines)


def as_page(report: Report) -> str:
    """Return the report as a section of `docs/performance.md`."""
    title = backends.technique(report.backend).title
    return "\n".join(
        [
            f"## Long polls: {title}\n",
            f"""Made by `chat bench polls -b {report.backend}` on {report.at} UTC.
{report.clients:,} clients, each with a seat and a connection for polling. There are no new events, so
the server holds every poll. When the server is idle, one client sends a message. Times count from then.
Every poll was answered once, with that message only. This was done for {len(report.rounds)} messages. Ours is
`chat serve {report.backend} --log memory --rate off`.
""",
            *about(report.machine),
            f"- pinning: {report.machine.pinned}",
            "",
            *table(["answered", "median of the messages", "range"], _times(report)),
            "",
            *[f"- {line}" for line in (_verdict(report), *_notes(report))],
            *([f"\n{reason}"] if (reason := report.verdict().reason) else []),
            "",
        ]
    )


def _times(report: Report) -> list[list[str]]:
    rows = []
    for figure, title in FIGURES.items():
        found = report.of(figure)
        rows.append([title, f"{statistics.median(found):.0f} ms", f"{min(found):.0f}-{max(found):.0f} ms"])
    return rows


def _verdict(report: Report) -> str:
    verdict = report.verdict()
    return (
        f"Goal: {verdict.title} within {GOAL.limit:g} ms, the median of the messages: "
        f"{'met' if verdict.met else 'missed'}."
    )


def _notes(report: Report) -> list[str]:
    cpu = 1000 * statistics.median(report.of("server_cpu")) / report.clients
    return [
        f"Threads of the server: {report.threads} while it holds the polls, {report.idle_threads} before.",
        f"Memory: {report.poll_bytes / 1024:.1f} KiB for each held poll, and "
        f"{report.client_bytes / 1024:.1f} KiB for each client, with its seat and connection.",
        f"Server CPU: {cpu:.0f} us per answer. {report.joins:,.0f} clients joined in a second.",
    ]
