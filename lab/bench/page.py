"""Writes a report that compares servers, for a terminal and for `docs/performance.md`."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from backends import KNOWN
from lab.bench.dialects import TEXT_BYTES
from lab.bench.goals import Verdict, per_cpu, per_second
from lab.bench.load import Measured
from lab.bench.regimes import BEHIND, Regime
from lab.bench.report import CLIENTS, Compared, Report
from lab.bench.section import Section, about, aligned, table

Figure = Callable[[Measured], float]
FIGURES: dict[str, dict[str, tuple[Figure, str]]] = {
    "fanout": {
        "messages/s": (lambda one: one.messages / one.seconds, "{:,.0f}"),
        "deliveries/s": (per_second, "{:,.0f}"),
        "server CPU per delivery": (lambda one: 1e6 / per_cpu(one), "{:.3f} us"),
        "last p50": (lambda one: one.p50, "{:.1f} ms"),
        "last p99": (lambda one: one.p99, "{:.1f} ms"),
        "generator busy": (lambda one: one.sink_busy, "{:.0%}"),
    },
    "workers": {
        "messages/s": (lambda one: one.messages / one.seconds, "{:,.0f}"),
        "CPU per delivery, all processes": (lambda one: 1e6 / per_cpu(one), "{:.3f} us"),
        "the busiest": (lambda one: 1e6 * one.busiest / one.deliveries, "{:.3f} us"),
        "last p50": (lambda one: one.p50, "{:.1f} ms"),
        "last p99": (lambda one: one.p99, "{:.1f} ms"),
        "generator busy": (lambda one: one.sink_busy, "{:.0%}"),
    },
    "calls": {
        "calls/s": (per_second, "{:,.0f}"),
        "server CPU per call": (lambda one: 1e6 / per_cpu(one), "{:.1f} us"),
        "p50": (lambda one: 1000 * one.p50, "{:,.0f} us"),
        "p99": (lambda one: 1000 * one.p99, "{:,.0f} us"),
        "generator busy": (lambda one: one.sink_busy, "{:.0%}"),
    },
}
LOSS: dict[str, tuple[Figure, str]] = {
    "lost": (lambda one: one.lost / max(1, one.lost + one.deliveries), "{:.2%}"),
}
JOINING = ["server", "joins/s", "range", "server CPU per join", "memory per client"]


def section(report: Report) -> Section:
    """Return what was found, to be shown."""
    return Section(
        report.plan.section,
        as_text(report),
        as_page(report),
        report.json(),
        report.verdicts(),
        report.left_out,
    )


def as_text(report: Report) -> str:
    """Return the report for a terminal."""
    what = f"{report.clients} clients, {TEXT_BYTES}-byte texts" if _fans_out(report) else report.plan.heading
    lines = [
        f"{what}, {report.seconds:g} s a regime and server" if report.series else report.plan.heading,
        "",
    ]
    lines += aligned(["goal", "found", "range", ""], [_goal(verdict) for verdict in report.verdicts()])
    for regime in _measured(report):
        lines += ["", f"{regime.name}: {regime.title}"]
        lines += aligned(_head(report), _figures(report, regime))
    if scaled := report.scaled():
        lines += ["", "two workers, divided by one process"]
        lines += aligned(["figure", "median", "range"], [_beside(one) for one in scaled])
    if report.joins:
        lines += ["", f"joining: {_crowds(report)}"]
        lines += aligned(JOINING, _joining(report))
    if compared := report.compared():
        lines += ["", "this build, divided by the other one"]
        lines += aligned(["figure", "median", "range"], [_beside(one) for one in compared])
    return "\n".join([*lines, "", *_notes(report)])


def as_page(report: Report) -> str:
    """Return the report as a section of `docs/performance.md`."""
    plan = report.plan
    log = f"; log on {report.machine.disk}" if report.logged is not None else ""
    parts = [
        f"""## {plan.heading}

Made by `chat bench {_command(report)}` on {report.at} UTC.
{plan.about.format(clients=report.clients)}""",
        *about(report.machine),
        f"- pinning: {report.machine.pinned}{log}",
        "",
        "### Goals\n",
        *table(["regime", "what", "goal", "found", "range of the rounds", ""], _goal_rows(report)),
        "",
        *[f"{verdict.reason}\n" for verdict in report.verdicts() if verdict.reason],
        "### Figures\n",
    ]
    for regime in _measured(report):
        parts += [
            f"{regime.name}: {regime.title}, {regime.rounds} rounds\n",
            *table(_head(report), _figures(report, regime)),
            "",
        ]
    if scaled := report.scaled():
        parts += ["two workers, divided by one process\n"]
        parts += [*table(["figure", "median", "range"], [_beside(one) for one in scaled]), ""]
    if report.joins:
        parts += [f"joining: {_crowds(report)}\n", *table(JOINING, _joining(report)), ""]
    parts += [f"- {note}" for note in _notes(report)]
    return "\n".join(parts) + "\n"


def _fans_out(report: Report) -> bool:
    return report.benchmark != "calls"


def _command(report: Report) -> str:
    backend = "" if report.backend == KNOWN[0] else f" -b {report.backend}"
    clients = f" --clients {report.clients}" if _fans_out(report) else ""
    seconds = f" --seconds {report.seconds:g}" if report.series else ""
    return f"{report.benchmark}{backend}{clients}{seconds}"


def _goal(verdict: Verdict) -> list[str]:
    return [
        f"{verdict.regime}: {verdict.title} {verdict.goal}",
        f"{verdict.value:.3g}",
        f"{verdict.low:.3g}-{verdict.high:.3g}",
        "met" if verdict.met else "missed",
    ]


def _goal_rows(report: Report) -> list[list[str]]:
    return [
        [verdict.regime, verdict.title, verdict.goal, *_goal(verdict)[1:]] for verdict in report.verdicts()
    ]


def _measured(report: Report) -> list[Regime]:
    names = {series.regime for series in report.series}
    return [regime for regime in report.plan.regimes if regime.name in names]


def _head(report: Report) -> list[str]:
    return ["server", *_shown(report)]


def _shown(report: Report) -> dict[str, tuple[Figure, str]]:
    return FIGURES["fanout" if report.joins else report.benchmark] | (LOSS if report.plan.lossy else {})


def _beside(one: Compared) -> list[str]:
    return [f"{one.regime}: {one.title}", f"{one.value:.3g}", f"{one.low:.3g}-{one.high:.3g}"]


def _figures(report: Report, regime: Regime) -> list[list[str]]:
    """Return a row for each server with the medians of its rounds."""
    rows = []
    for series in report.series:
        if series.regime == regime.name:
            cells = [
                shape.format(statistics.median(map(figure, series.rounds)))
                for figure, shape in _shown(report).values()
            ]
            if any(measured.overrun for measured in series.rounds):
                cells[0] += " (overrun)"
            rows.append([series.server, *cells])
    return rows


def _crowds(report: Report) -> str:
    crowds = len(report.servers[0].joined)
    return f"{report.clients:,} clients at once" + (f", {crowds} times, each in an empty room" * (crowds > 1))


def _joining(report: Report) -> list[list[str]]:
    """Return a row for each server with the medians of its crowds; of the memory, what the first took."""
    rows = []
    for server in report.servers:
        connects = [crowd.connects for crowd in server.joined]
        cpu = statistics.median(crowd.server_cpu for crowd in server.joined) / (report.clients - 1)
        rows.append(
            [
                f"{server.name} ({server.title})",
                f"{statistics.median(connects):,.0f}",
                f"{min(connects):,.0f}-{max(connects):,.0f}",
                f"{1e6 * cpu:.0f} us",
                f"{server.joined[0].client_bytes / 1024:.1f} KiB",
            ]
        )
    return rows


def _notes(report: Report) -> list[str]:
    left_out = [f"Left out: {reason}." for reason in report.left_out]
    if not _fans_out(report):
        return [
            "Every call was answered once and successfully, and each SEND with a seq of its own.",
            "If the load generator is nearly 100 % busy, it limits the rate.",
            *left_out,
        ]
    if not report.series:
        return left_out
    came = (
        "No receiver got a message twice. In all rounds of our server, "
        f"{report.lost:,} of {report.lost + report.arrived:,} deliveries were lost"
        if report.plan.lossy
        else "Every receiver got every message once and in order"
    )
    return [
        f"{came}. Of {report.sent:,} messages to our server its log contains {report.logged:,}.",
        *([] if report.clients >= CLIENTS else [f"The goals are meant for {CLIENTS} clients."]),
        "If the load generator is nearly 100 % busy, it limits the rate: compare the CPU per delivery.",
        f"An open loop is overrun when {BEHIND:,} messages are in flight: then sending stops.",
        *left_out,
    ]
