"""Finds the plan of a benchmark and a technique."""

from __future__ import annotations

from chat.domain.errors import ChatError
from lab.bench import plans_calls, plans_fanout, plans_workers
from lab.bench.plan import Plan

PLANS = {
    ("fanout", "tcp"): plans_fanout.TCP,
    ("fanout", "udp"): plans_fanout.UDP,
    ("fanout", "rpyc"): plans_fanout.RPYC,
    ("fanout", "grpc"): plans_fanout.GRPC,
    ("workers", "tcp"): plans_workers.TCP,
    ("workers", "rpyc"): plans_workers.RPYC,
    ("workers", "grpc"): plans_workers.GRPC,
    ("idle", "tcp"): plans_fanout.IDLE_TCP,
    ("idle", "grpc"): plans_fanout.IDLE_GRPC,
    ("calls", "oncrpc"): plans_calls.ONCRPC,
    ("calls", "rest"): plans_calls.REST,
    ("calls", "soap"): plans_calls.SOAP,
}
CROWDS = {("fanout", "tcp"): plans_fanout.CROWD}
"""Used instead from `plans_fanout.CROWDED` clients on."""


def find(benchmark: str, backend: str, clients: int = 0) -> Plan:
    """Return the plan. Raises `ChatError` if there is none."""
    if clients >= plans_fanout.CROWDED and (benchmark, backend) in CROWDS:
        return CROWDS[benchmark, backend]
    plan = PLANS.get((benchmark, backend))
    if plan is None:
        known = ", ".join(name for kind, name in PLANS if kind == benchmark)
        raise ChatError(f"the load generator does not speak {backend} yet: it can measure {known}")
    return plan
