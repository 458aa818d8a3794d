"""The checker: judges histories against the log of the room, and every receiver against it.

The log has one total order, so nothing is searched: each check is one pass. It never talks to a server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lab.check import delivered
from lab.check.history import Fail, Line, Ok
from lab.check.reading import Histories, sort
from lab.check.stored import StoredChecks
from lab.check.verdict import Kind, Verdict, Violation


def judge(lines: Iterable[tuple[Line, str]]) -> Verdict:
    """Return the verdict about all lines together.

    It is *unknown* when the histories could not have shown a fault of the server: a fault on the wire never
    hit, or one after which something must be indefinite left nothing indefinite, or nothing happened at all.

    Args:
        lines: of all histories and the log, each with its room; the lines of one client in their order.

    Raises:
        BadRequest: the lines contradict each other.
    """
    histories = sort(lines)
    counted = _counted(histories)
    if not histories.log:
        return Verdict("unknown", ("the log of the room is not among the files",), counted=counted)
    found = [*StoredChecks(histories).violations(), *delivered.violations(histories)]
    if found:
        kinds: Counter[Kind] = Counter(one.kind for one in found)
        shortest: dict[Kind, Violation] = {}
        for one in found:
            if one.kind not in shortest or one.size < shortest[one.kind].size:
                shortest[one.kind] = one
        ordered = tuple(sorted(shortest.values(), key=lambda one: one.size))
        return Verdict("invalid", (), ordered, dict(kinds), counted)
    if reasons := tuple(_unknown(histories, counted["indefinite"])):
        return Verdict("unknown", reasons, counted=counted)
    return Verdict("valid", counted=counted)


def _unknown(histories: Histories, indefinite: int) -> Iterable[str]:
    if not histories.operations:
        yield "nobody asked for anything"
    if not any(client.end and client.end.whole for client in histories.clients.values()):
        yield "no client waited until everything had come"
    for fault in histories.faults:
        if not fault.fired:
            yield f"the fault {fault.name} never hit"
        elif fault.indefinite and not indefinite:
            yield f"after {fault.name} something must be indefinite, and nothing is"


def _counted(histories: Histories) -> dict[str, int]:
    outcomes = [one.outcome for one in histories.operations]
    return {
        "clients": len(histories.clients),
        "operations": len(outcomes),
        "entries": len(histories.log),
        "deliveries": sum(len(client.saw) for client in histories.clients.values()),
        "indefinite": sum(not isinstance(one, Ok | Fail) for one in outcomes),
        "fault hits": sum(fault.fired for fault in histories.faults),
    }
