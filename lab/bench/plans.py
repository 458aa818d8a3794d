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
turn; what is shown is the median of the rounds."""
LAST = """\
"Last" is the receiver that gets a
message last; its time counts from when the message was due to be sent. Ratios hold better than
absolute figures."""
DURABLE = """\
every other rule, and the durable SQLite log (WAL,
synchronous=FULL) before the fan-out."""
COMMIT = """\
At 20 messages/s ours falls short by the commit to the disk before the fan-out."""

HTTP = ("fastapi", "pydantic", "uvicorn", "httptools")

TCP = Plan(
    "fanout",
    "fan-out",
    "Fan-out",
    f"""\
One room, {{clients}} clients, texts of {TEXT_BYTES} bytes. The textbook server is
`lab/bench/textbook.py`: asyncio streams, one write for each receiver and message, no log, no rules.
Ours is `chat serve tcp --rate off`: {DURABLE} {IN_TURN} {LAST}
""",
    "lab.bench.sink",
    servers.TEXTBOOK,
    servers.OURS,
    regimes.TCP,
    regimes.WARM_UP,
    (
        Goal(
            "saturation",
            "deliveries per server CPU second, to the textbook's",
            cpu_ratio,
            40,
            " times",
            True,
            """\
Saturation falls short. About half of what a message costs is the kernel's: it copies every event for
every receiver. The rest is parsing, the rules and the log.""",
        ),
        Goal(
            "open",
            "last receiver's p99",
            lambda ours, _: ours.p99,
            20,
            " ms",
            False,
            """\
The open loop falls short: the last receiver waits for the commit, for the gap of 5 ms after a burst
and for the writes to all the others. A disk that stalls shows here first.""",
        ),
        Goal(
            "lockstep",
            "deliveries a second, to the textbook's",
            speed_ratio,
            0.9,
            " times",
            True,
            """\
Lock-step falls short. With one message under way nothing can be gathered: the kernel's send for each
receiver costs both servers the same, and before them ours waits for a commit to the disk, which the
textbook's does not make.""",
        ),
        Goal("chat", "last receiver's p50, to the textbook's", p50_ratio, 1.2, " times", False, COMMIT),
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
Ours is `chat serve udp --rate off`: {DURABLE}
Nothing is sent again. What arrived is counted, at every receiver and by every message's number; what did not
is lost. The sender has so few messages under way that they fit into the receivers' buffers.
{IN_TURN} {LAST}
A message that did not reach everybody counts as there when everybody has a later one.
""",
    "lab.bench.udp_sink",
    servers.TEXTBOOK_UDP,
    servers.OURS_UDP,
    regimes.UDP,
    regimes.WARM_UP_UDP,
    (
        Goal(
            "saturation",
            "deliveries per server CPU second, to the textbook's",
            cpu_ratio,
            3,
            " times",
            True,
            """\
Saturation falls short. By a profile, four fifths of what the fan-out costs ours is the kernel's, once for
each datagram: several texts of this size share one under load, and none do in a quiet room.""",
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
Ours is `chat serve grpc --rate off`: {DURABLE}
Both get the same calls from a sink that speaks HTTP/2 itself. It keeps to the servers' windows, and sends
ours the acks that `Welcome.window` asks for. {IN_TURN} {LAST}
Where ours falls into step with the sink, every event goes out in a frame of its own, and such a round is no
better than the textbook's: see the range of the rounds.
""",
    "lab.bench.rpc_sink",
    servers.TEXTBOOK_GRPC,
    servers.OURS_GRPC,
    regimes.RPC,
    regimes.WARM_UP_RPC,
    (
        Goal(
            "saturation",
            "deliveries per server CPU second, to the textbook's",
            cpu_ratio,
            8,
            " times",
            True,
            """\
Saturation falls short. What a frame costs is gRPC's, however many events are in it, and the first event of a
burst goes out alone.""",
        ),
        Goal("chat", "last receiver's p50, to the textbook's", p50_ratio, 1.2, " times", False, COMMIT),
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
Ours is `chat serve rpyc --rate off`: {DURABLE}
Both get the same calls; the sink answers every callback, as RPyC does, and ours waits for these answers
when 64 are missing. {IN_TURN} {LAST}
""",
    "lab.bench.rpc_sink",
    servers.TEXTBOOK_RPYC,
    servers.OURS_RPYC,
    regimes.RPC,
    regimes.WARM_UP_RPC,
    (
        Goal(
            "saturation",
            "deliveries per server CPU second, to the textbook's",
            cpu_ratio,
            3.5,
            " times",
            True,
            """\
Saturation falls short. RPyC calls back once for each event and receiver, and every call is answered: the
server makes a frame and reads one for each delivery, in Python.""",
        ),
    ),
    libraries=("rpyc",),
)

ONCRPC = Plan(
    "calls",
    "calls-oncrpc",
    "Calls over ONC RPC",
    f"""\
One connection; the next call goes out when one under way is answered. The yardstick, *echo*, is
`lab/bench/echo.py`: asyncio streams, a length and so many bytes, and as answer as many of them as a SEND's
reply has. It gets exactly the bytes of the SENDs, and checks, stores and decides nothing. Ours is
`chat serve oncrpc --log memory --rate off`. *chat* is SEND, with texts of 42 bytes: the call is decoded, the
draft checked, appended to a log in memory that hands it back on a later turn of the loop, decided by the
room, and answered with its seq. *null* is procedure 0 of the same program, which has no argument and does
nothing: the protocol alone, with smaller records. The goal is held against both. Our server runs
on uvloop, as it always does; *echo-uvloop* is the echo on that.
{IN_TURN} Ratios hold better than absolute figures.
""",
    "lab.bench.calls_sink",
    servers.ECHO,
    servers.OURS_ONCRPC,
    regimes.CALLS,
    regimes.WARM_UP_CALLS,
    (
        Goal(
            "pipelined",
            "SEND: calls a second, to the echo's",
            speed_ratio,
            0.75,
            " times",
            True,
            """\
SEND falls short by what it is more than an echo, all in Python. By a profile, not half of its time is the
event loop's, as all of the echo's is; three tenths go into reading and checking the call, two into deciding
about the draft and answering.""",
        ),
        Goal(
            "pipelined",
            "NULL: calls a second, to the echo's",
            speed_ratio,
            0.75,
            " times",
            True,
            """NULL falls short by its header: ten words are read and checked, in Python.""",
            server=servers.NULL_ONCRPC.name,
        ),
    ),
    others=(servers.NULL_ONCRPC, servers.ECHO_UVLOOP),
)


def _http(what: str) -> str:
    return f"""\
Every caller has a connection that is kept alive and one call outstanding; the next goes out when it is
answered. Texts have 42 bytes. The yardstick, *bare*, is `lab/bench/bare_fastapi.py`: a FastAPI route that
takes a text, counts, and answers with the number; it checks, stores and decides nothing. {what}
Both are served by uvicorn with httptools on uvloop. The goals are about *chat*, whose log is in memory and
hands back what is appended on a later turn of the loop; *sqlite* is the same with the durable log (WAL,
synchronous=FULL), committed before the answer.
{IN_TURN} Ratios hold better than absolute figures.
"""


def _sends(backend: str, limit: float, reason: str) -> tuple[Goal, ...]:
    return tuple(
        Goal(
            regime.name,
            f"{backend} sends a second, to the bare route's",
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
the headers that ours gets. Ours is `chat serve rest --log memory --rate off`, asked for
`POST /rooms/bench/messages` with a seat key and an idempotency key: the draft is checked, logged, decided by
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
REST falls short by what it does more than the route: the seat, the draft's number, the rules, the log.""",
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
envelope is parsed and held against the schema, the draft is checked, logged, decided by the room, and
answered with its seq in another envelope."""
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
SOAP falls short by its XML: an envelope is parsed, held against the schema, and another one written. The rest
is what REST does, too: the seat, the draft's number, the rules, the log.""",
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
