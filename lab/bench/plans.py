"""The plan of each benchmark and technique: servers, regimes, goals, and the text on the page."""

from __future__ import annotations

from dataclasses import dataclass

from chat.domain.errors import ChatError
from lab.bench import regimes, servers
from lab.bench.dialects import TEXT_BYTES
from lab.bench.goals import Goal, cpu_ratio, p50_ratio, speed_ratio
from lab.bench.regimes import Regime
from lab.bench.servers import Candidate


@dataclass(frozen=True)
class Plan:
    benchmark: str
    """The command that uses it: ``fanout`` or ``calls``."""
    section: str
    """The section of the page."""
    heading: str
    about: str
    """What is measured, for the page; may contain ``{clients}``."""
    sink: str
    """The module of the load generator."""
    yardstick: Candidate
    ours: Candidate
    regimes: tuple[Regime, ...]
    warm_up: Regime
    goals: tuple[Goal, ...]
    others: tuple[Candidate, ...] = ()
    """Measured too, if they are installed."""
    libraries: tuple[str, ...] = ()
    """Libraries whose versions are on the page."""
    lossy: bool = False
    """Messages may be lost; the page says how many."""


def find(benchmark: str, backend: str) -> Plan:
    """Return the plan. Raises `ChatError` if there is none."""
    plan = PLANS.get((benchmark, backend))
    if plan is None:
        known = ", ".join(name for kind, name in PLANS if kind == benchmark)
        raise ChatError(f"the load generator does not speak {backend} yet: it can measure {known}")
    return plan


IN_TURN = """\
Each regime is measured in short rounds, the servers in
turn. The tables show the medians of the rounds."""
LAST = """\
"Last" is the receiver that gets a
message last. Its time counts from when the message was due to be sent. Ratios are more reliable than
absolute figures."""
DURABLE = """\
with all other rules, and with the durable SQLite log (WAL,
synchronous=FULL) before the fan-out."""
COMMIT = """\
At 20 messages/s our server misses the goal because it commits to the disk before the fan-out."""

HTTP = ("fastapi", "pydantic", "uvicorn", "httptools")

TCP = Plan(
    "fanout",
    "fan-out",
    "Fan-out",
    f"""\
One room, {{clients}} clients, texts of {TEXT_BYTES} bytes. The textbook server is
`lab/bench/textbook.py`: asyncio streams, one write for each receiver and message, no log, no rules.
Ours is `chat serve tcp --rate off`, {DURABLE} {IN_TURN} {LAST}
""",
    "lab.bench.sink",
    servers.TEXTBOOK,
    servers.OURS,
    regimes.TCP,
    regimes.WARM_UP,
    (
        Goal(
            "saturation",
            "deliveries per CPU second of the server, ratio to the textbook's",
            cpu_ratio,
            40,
            " times",
            True,
            """\
The goal for saturation is missed. About half of the time for a message is spent in the kernel, which copies
every event for every receiver. The rest is parsing, the rules and the log.""",
        ),
        Goal(
            "open",
            "last receiver's p99",
            lambda ours, _: ours.p99,
            20,
            " ms",
            False,
            """\
The goal for the open loop is missed: the last receiver waits for the commit, for the write coalescing of
5 ms after a burst, and for the writes to all others. A slow disk has its first effect here.""",
        ),
        Goal(
            "lockstep",
            "deliveries a second, ratio to the textbook's",
            speed_ratio,
            0.9,
            " times",
            True,
            """\
The goal for lock-step is missed. With one message in flight there is nothing to coalesce. The kernel's send
for each receiver costs both servers the same, and ours first waits for a commit to the disk, which the
textbook server does not make.""",
        ),
        Goal("chat", "last receiver's p50, ratio to the textbook's", p50_ratio, 1.2, " times", False, COMMIT),
    ),
    others=servers.PEERS,
)

UDP = Plan(
    "fanout",
    "fan-out-udp",
    "Fan-out over UDP",
    f"""\
One room, {{clients}} clients, each with a socket; texts of {TEXT_BYTES} bytes. The textbook server is
`lab/bench/textbook_udp.py`: a `DatagramProtocol`, one `json.dumps` and one `sendto` for each receiver and
message, no log, no rules; *encoded-once* is the same with one `json.dumps` for each message.
Ours is `chat serve udp --rate off`, {DURABLE}
Nothing is sent again. At every receiver, the messages that arrived are counted by their numbers; the others
are lost. The sender has so few messages in flight that they fit in the receivers' buffers.
{IN_TURN} {LAST}
A message that did not reach everybody counts as delivered when everybody has a later one.
""",
    "lab.bench.udp_sink",
    servers.TEXTBOOK_UDP,
    servers.OURS_UDP,
    regimes.UDP,
    regimes.WARM_UP_UDP,
    (
        Goal(
            "saturation",
            "deliveries per CPU second of the server, ratio to the textbook's",
            cpu_ratio,
            3,
            " times",
            True,
            """\
The goal for saturation is missed. According to a profile, four fifths of the time for the fan-out are spent
in the kernel, for each datagram. Under load several texts of this size share a datagram, in a quiet room none
do.""",
        ),
    ),
    others=(servers.ONCE_UDP,),
    lossy=True,
)

GRPC = Plan(
    "fanout",
    "fan-out-grpc",
    "Fan-out over gRPC",
    f"""\
One room, {{clients}} clients, each with a connection and one stream; texts of {TEXT_BYTES} bytes. The
textbook server is `lab/bench/textbook_grpc.py`: `grpc.aio`, the generated classes, a queue for each client,
one message to each receiver for each text, no log, no rules.
Ours is `chat serve grpc --rate off`, {DURABLE}
Both get the same calls from a load generator with its own HTTP/2. It respects the servers' flow-control
windows, and sends ours the acks that `Welcome.window` requires. {IN_TURN} {LAST}
If our server happens to run in step with the load generator, it sends every event in a frame of its own. Such
a round is no better than the textbook's: see the range of the rounds.
""",
    "lab.bench.rpc_sink",
    servers.TEXTBOOK_GRPC,
    servers.OURS_GRPC,
    regimes.RPC,
    regimes.WARM_UP_RPC,
    (
        Goal(
            "saturation",
            "deliveries per CPU second of the server, ratio to the textbook's",
            cpu_ratio,
            8,
            " times",
            True,
            """\
The goal for saturation is missed. gRPC takes the same time for a frame, however many events are in it, and
the first event of a burst is sent alone.""",
        ),
        Goal("chat", "last receiver's p50, ratio to the textbook's", p50_ratio, 1.2, " times", False, COMMIT),
    ),
    libraries=("grpcio", "protobuf"),
)

RPYC = Plan(
    "fanout",
    "fan-out-rpyc",
    "Fan-out over RPyC",
    f"""\
One room, {{clients}} clients, texts of {TEXT_BYTES} bytes. The textbook server is
`lab/bench/textbook_rpyc.py`: a `ThreadedServer`, a thread for each client, one `async_` call of each
callback for each text, no log, no rules.
Ours is `chat serve rpyc --rate off`, {DURABLE}
Both get the same calls. The load generator answers every callback, as RPyC does, and our server waits when 64
answers are missing. {IN_TURN} {LAST}
""",
    "lab.bench.rpc_sink",
    servers.TEXTBOOK_RPYC,
    servers.OURS_RPYC,
    regimes.RPC,
    regimes.WARM_UP_RPC,
    (
        Goal(
            "saturation",
            "deliveries per CPU second of the server, ratio to the textbook's",
            cpu_ratio,
            3.5,
            " times",
            True,
            """\
The goal for saturation is missed. RPyC calls back for each event and receiver, and every call is answered:
for each delivery the server writes and reads a frame, in Python.""",
        ),
    ),
    libraries=("rpyc",),
)

ONCRPC = Plan(
    "calls",
    "calls-oncrpc",
    "Calls over ONC RPC",
    f"""\
One connection; the next call is sent when an outstanding one is answered. The yardstick, *echo*, is
`lab/bench/echo.py`: asyncio streams, records with a length before them. It answers each record with as many
bytes as a SEND's reply has. It gets exactly the bytes of the SENDs, but checks, stores and decides nothing.
Ours is `chat serve oncrpc --log memory --rate off`. *chat* is SEND, with texts of 42 bytes: the call is
decoded, and the draft is checked, appended to a log in memory that returns it in a later iteration of the
loop, decided by the room, and answered with its seq. *null* is procedure 0 of the same program, which has no
argument and does nothing: it measures the protocol alone, with smaller records. There is a goal for both. Our
server runs on uvloop, as it always does; *echo-uvloop* is the echo server on uvloop. {IN_TURN} Ratios are
more reliable than absolute figures.
""",
    "lab.bench.calls_sink",
    servers.ECHO,
    servers.OURS_ONCRPC,
    regimes.CALLS,
    regimes.WARM_UP_CALLS,
    (
        Goal(
            "pipelined",
            "SEND: calls a second, ratio to the echo's",
            speed_ratio,
            0.75,
            " times",
            True,
            """\
The goal for SEND is missed because it does more than an echo, all of it in Python. According to a profile,
less than half of its time is spent in the event loop, as all of the echo's is. Three tenths are reading and
checking the call, two tenths deciding about the draft and answering.""",
        ),
        Goal(
            "pipelined",
            "NULL: calls a second, ratio to the echo's",
            speed_ratio,
            0.75,
            " times",
            True,
            """\
The goal for NULL is missed because of its header: ten words are read and checked, in Python.""",
            server=servers.NULL_ONCRPC.name,
        ),
    ),
    others=(servers.NULL_ONCRPC, servers.ECHO_UVLOOP),
)


def _http(what: str) -> str:
    return f"""\
Every caller has a connection that is kept alive and one call outstanding. It sends the next one when that is
answered. Texts have 42 bytes. The yardstick, *bare*, is `lab/bench/bare_fastapi.py`: a FastAPI route that
takes a text, counts, and answers with the number; it checks, stores and decides nothing. {what}
Both are served by uvicorn with httptools on uvloop. The goals are about *chat*, whose log is in memory and
returns an entry in a later iteration of the loop. *sqlite* is the same with the durable log (WAL,
synchronous=FULL), which commits before the answer.
{IN_TURN} Ratios are more reliable than absolute figures.
"""


def _sends(backend: str, limit: float, reason: str) -> tuple[Goal, ...]:
    return tuple(
        Goal(
            regime.name,
            f"{backend} sends a second, ratio to the bare route's",
            speed_ratio,
            limit,
            " times",
            True,
            reason,
        )
        for regime in regimes.HTTP_CALLS
    )


REST = Plan(
    "calls",
    "calls-rest",
    "Sends over REST",
    _http(
        """It gets
the same headers as ours. Ours is `chat serve rest --log memory --rate off`, called with
`POST /rooms/bench/messages`, a seat key and an idempotency key: the draft is checked, logged, decided by
the room, and answered with its seq."""
    ),
    "lab.bench.http_sink",
    servers.BARE,
    servers.OURS_REST,
    regimes.HTTP_CALLS,
    regimes.WARM_UP_HTTP,
    _sends(
        "REST",
        0.8,
        """\
The goal for REST is missed because it does more than the route: the seat, the draft's number, the rules, the
log.""",
    ),
    others=(servers.SQLITE_REST,),
    libraries=HTTP,
)

SOAP = Plan(
    "calls",
    "calls-soap",
    "Sends over SOAP",
    _http(
        """It gets
the text as JSON. Ours is `chat serve soap --log memory --rate off`, called in SOAP 1.1 with `Send`: the
envelope is parsed and validated against the schema, and the draft is checked, logged, decided by the room,
and answered with its seq in another envelope."""
    ),
    "lab.bench.http_sink",
    servers.BARE,
    servers.OURS_SOAP,
    regimes.HTTP_CALLS,
    regimes.WARM_UP_HTTP,
    _sends(
        "SOAP",
        0.5,
        """\
The goal for SOAP is missed because of its XML: an envelope is parsed and validated against the schema, and
another one is written. The rest is as for REST: the seat, the draft's number, the rules, the log.""",
    ),
    others=(servers.SQLITE_SOAP,),
    libraries=(*HTTP, "spyne", "lxml"),
)

PLANS = {
    ("fanout", "tcp"): TCP,
    ("fanout", "udp"): UDP,
    ("fanout", "rpyc"): RPYC,
    ("fanout", "grpc"): GRPC,
    ("calls", "oncrpc"): ONCRPC,
    ("calls", "rest"): REST,
    ("calls", "soap"): SOAP,
}
