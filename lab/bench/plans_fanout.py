"""The plans of the fan-out, and of clients that are idle."""

from __future__ import annotations

from lab.bench import regimes, servers
from lab.bench.dialects import TEXT_BYTES
from lab.bench.goals import JOINING, Goal, cpu_ratio, joins_ratio, memory_ratio, p50_ratio, speed_ratio
from lab.bench.plan import IN_TURN, Plan

LAST = """\
"Last" is the receiver that gets a
message last. Its time counts from when the message was due to be sent. Ratios are more reliable than
absolute figures."""
DURABLE = """\
with all other rules, and with the durable SQLite log (WAL,
synchronous=FULL) before the fan-out."""
DISK = """\
How long the disk alone takes for that is in "Acknowledged messages"."""
COMMIT = f"""\
At 20 messages/s our server misses the goal because it commits to the disk before the fan-out. {DISK}"""


def _saturation(limit: float, reason: str, *, peer: str = "") -> Goal:
    """Return the goal for the CPU of a delivery under load, compared with the textbook's or a peer's."""
    title = f"deliveries per CPU second of the server, ratio to {peer or 'the textbook'}'s"
    return Goal("saturation", title, cpu_ratio, limit, " times", True, reason, beside=peer)


def _joins(limit: float, reason: str, *, peer: str = "") -> Goal:
    """Return the goal for how many clients join in a second."""
    title = f"joins a second, ratio to {peer or 'the textbook'}'s"
    return Goal(JOINING, title, joins_ratio, limit, " times", True, reason, beside=peer)


def _memory(limit: float, reason: str, *, peer: str = "") -> Goal:
    """Return the goal for the memory of a client that is idle."""
    title = f"memory for each client, ratio to {peer or 'the textbook'}'s"
    return Goal(JOINING, title, memory_ratio, limit, " times", False, reason, beside=peer)


QUIET = Goal("chat", "last receiver's p50, ratio to the textbook's", p50_ratio, 1.1, " times", False, COMMIT)
JOINS = """\
The goal for joining is missed: a seat is an entry of the log, which is committed before the welcome, and
every member is told of it. The other server only adds the connection to a list."""

CROWDS = 4
"""How often the clients join: in so few milliseconds that one time would be luck."""

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
        _saturation(
            40,
            """\
The goal for saturation is missed. According to a profile, two fifths of the time for a message are spent in
the kernel, mostly for sending to each receiver, and a quarter in the thread of the log. The rest is parsing,
the rules and the calls for each receiver, in Python.""",
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
            1.0,
            " times",
            True,
            f"""\
The goal for lock-step is missed. With one message in flight there is nothing to coalesce. The kernel's send
for each receiver costs both servers the same, and ours first waits for a commit to the disk, which the
textbook server does not make. {DISK}""",
        ),
        QUIET,
        _saturation(
            2.5,
            """\
Beside nats the goal for the CPU is missed. Both write once for each receiver and batch, and the kernel's part
is the same; our batches must be larger to make up for Python.""",
            peer="nats",
        ),
        Goal(
            "saturation",
            "messages a second, ratio to nats's",
            speed_ratio,
            1.3,
            " times",
            True,
            """\
Beside nats the goal for messages a second is missed: ours parses, checks and commits each message on one core
before the fan-out.""",
            beside="nats",
        ),
        _joins(0.8, JOINS, peer="nats"),
    ),
    crowds=CROWDS,
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
        _saturation(
            12,
            """\
The goal for saturation is missed. According to a profile, four fifths of the time for the fan-out are spent
in the kernel, for each datagram. Under load several texts of this size share a datagram, in a quiet room none
do.""",
        ),
        _joins(0.5, JOINS),
    ),
    crowds=CROWDS,
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
""",
    "lab.bench.rpc_sink",
    servers.TEXTBOOK_GRPC,
    servers.OURS_GRPC,
    regimes.RPC,
    regimes.WARM_UP_RPC,
    (
        _saturation(
            16,
            """\
The goal for saturation is missed. gRPC takes the same time for a frame, however many events are in it, and
hardly less for each message of a client. A fourth of the rounds takes a third longer than the others: in
these, every client acknowledges.""",
        ),
        QUIET,
        _joins(0.5, JOINS),
    ),
    crowds=CROWDS,
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
        _saturation(
            12,
            """\
The goal for saturation is missed. RPyC calls back for each event and receiver, and every call is answered:
for each delivery the server writes and reads a frame, in Python.""",
        ),
        _joins(0.5, JOINS),
    ),
    crowds=CROWDS,
    libraries=("rpyc",),
)

CROWDED = 1000
"""Clients from which on the yardstick is nats: the textbook server takes seconds for a batch."""

CROWD = Plan(
    "fanout",
    "fan-out-crowd",
    "Fan-out to a crowd",
    f"""\
One room, {{clients:,}} clients, texts of {TEXT_BYTES} bytes. The yardstick is nats-server: the textbook
server takes seconds for what is in flight. Ours is `chat serve tcp --rate off`, {DURABLE}
{IN_TURN} {LAST}
""",
    "lab.bench.sink",
    servers.NATS,
    servers.OURS,
    regimes.CROWD,
    regimes.WARM_UP,
    (
        _saturation(
            4,
            """\
The goal for the CPU is missed. A crowd makes both servers spend nearly all their time in the kernel, which
copies the same bytes for both.""",
            peer="nats",
        ),
    ),
)


def _idle(text: str) -> str:
    return f"""\
{{clients:,}} clients connect and join, {regimes.TABLE} in a room, and nobody says anything. Memory is the
growth of the server's resident memory for each client, the kernel's buffers excluded. {text}
"""


IDLE_TCP = Plan(
    "idle",
    "idle-tcp",
    "Idle clients over TCP",
    _idle("""\
Ours is `chat serve tcp --rate off` with more seats than it usually allows; nats-server has
one subscription for each client."""),
    "lab.bench.sink",
    servers.NATS,
    servers.ROOMY_TCP,
    (),
    regimes.WARM_UP,
    (
        _memory(
            0.2,
            """\
The goal for the memory is missed: a seat, its connection, and what the room knows of its member are Python
objects.""",
            peer="nats",
        ),
    ),
)

IDLE_GRPC = Plan(
    "idle",
    "idle-grpc",
    "Idle clients over gRPC",
    _idle("""\
Each has one stream. Ours is `chat serve grpc --rate off` with more seats than it usually
allows; the textbook server is `lab/bench/textbook_grpc.py`."""),
    "lab.bench.rpc_sink",
    servers.TEXTBOOK_GRPC,
    servers.ROOMY_GRPC,
    (),
    regimes.WARM_UP_RPC,
    (
        _memory(
            1.1,
            """\
The goal for the memory is missed: most of it is grpc's own, for a connection and a stream, and ours has a
seat besides.""",
        ),
    ),
    libraries=("grpcio", "protobuf"),
)
