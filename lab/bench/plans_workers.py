"""The plans of several workers beside one process."""

from __future__ import annotations

import backends
from lab.bench import regimes, servers
from lab.bench.dialects import TEXT_BYTES
from lab.bench.goals import Goal, capacity_ratio
from lab.bench.plan import IN_TURN, Plan
from lab.bench.regimes import Regime

CAPACITY = "deliveries per CPU second of the busiest process, ratio to one process's"


def _plan(technique: str, dialect: str, sink: str, its: tuple[Regime, ...], reason: str) -> Plan:
    return Plan(
        "workers",
        f"workers-{technique}",
        f"Two workers: {backends.technique(technique).title}",
        f"""\
One room, {{clients}} clients, texts of {TEXT_BYTES} bytes. *One* is `chat serve {technique} --rate off`,
*two* the same with `--workers 2`: a process that has the log, and two that serve. Both have the durable
SQLite log (WAL, synchronous=FULL). One client sends, so its worker has more to do than the other. Each worker
has as many readers; the system chooses by chance, and would give one of them 106 of 200 on average. {IN_TURN}
The busiest process decides how many readers there may be, because each may have a core of its own. Here they
share one, and their CPU time is counted.
""",
        sink,
        servers.one_process(technique, dialect),
        servers.two_workers(technique, dialect),
        its,
        regimes.WARM_UP if technique == "tcp" else regimes.WARM_UP_RPC,
        (Goal("saturation", CAPACITY, capacity_ratio, 1.7, " times", True, reason, server="two"),),
    )


TCP = _plan(
    "tcp",
    "chat",
    "lab.bench.sink",
    regimes.WORKERS_TCP,
    """\
The goal for saturation is missed. A write carries up to 256 messages there, so to write to its 100 readers
takes the sender's worker a third of its time. The rest does not depend on the readers: it reads, checks and
sends each message on, and decides about it when it comes back. One process does that, too. What a worker is
spared, the log and half of the readers, is less than that. In the open loop a write carries few messages, and
the readers are most of the work.""",
)
RPYC = _plan(
    "rpyc",
    "rpyc",
    "lab.bench.rpc_sink",
    regimes.WORKERS_RPYC,
    """\
The goal for saturation is missed. The sender's worker reads each message, and decides about it, as one
process does.""",
)
GRPC = _plan(
    "grpc",
    "grpc",
    "lab.bench.rpc_sink",
    regimes.WORKERS_RPC,
    """\
The goal for saturation is missed. The sender's worker reads each message through the library, which takes as
long as frames to two readers. And a message is over when the readers of both workers have it. Their frames go
out at different times, so of those in flight fewer wait for the same frame, and it carries fewer.""",
)
