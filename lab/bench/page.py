"""How the fan-out benchmark's report is written down: for a terminal, and for `docs/performance.md`."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

from chat.model import ChatError
from lab.bench.dialects import TEXT_BYTES
from lab.bench.machine import Machine
from lab.bench.regimes import BEHIND, REGIMES, Regime
from lab.bench.report import CLIENTS, Report, Verdict, per_cpu, per_second
from lab.bench.sink import Measured

FIGURES = [
    "server",
    "messages/s",
    "deliveries/s",
    "server CPU a delivery",
    "last p50",
    "last p99",
    "sink busy",
]
COMING_IN = ["server", "connects/s", "memory a client"]
REASONS = {
    "saturation": """\
Saturation falls short. About half of what a message costs is the kernel's: it copies every event for
every receiver. The rest is parsing, the rules and the log.""",
    "open": """\
The open loop falls short: the last receiver waits for the commit, for the gap of 5 ms after a burst
and for the writes to all the others. A disk that stalls shows here first.""",
    "lockstep": """\
Lock-step falls short. With one message under way nothing can be gathered: the kernel's send for each
receiver costs both servers the same, and before them ours waits for a commit to the disk, which the
textbook's does not make.""",
    "chat": """\
At 20 messages/s ours falls short by the commit to the disk before the fan-out.""",
}


def as_text(report: Report) -> str:
    """Return the report for a terminal."""
    lines = [
        f"{report.clients} clients, {TEXT_BYTES}-byte texts, {report.seconds:g} s a regime and server",
        "",
    ]
    lines += _aligned(["goal", "found", "range", ""], [_goal(verdict) for verdict in report.verdicts()])
    for regime in _measured(report):
        lines += ["", f"{regime.name}: {regime.title}"]
        lines += _aligned(FIGURES, _figures(report, regime))
    lines += ["", "coming in"]
    lines += _aligned(COMING_IN, _coming_in(report))
    return "\n".join([*lines, "", *_notes(report)])


def as_page(report: Report) -> str:
    """Return the report as a section of `docs/performance.md`."""
    parts = [
        f"""## Fan-out

Made by `chat bench fanout --clients {report.clients} --seconds {report.seconds:g}` on {report.at} UTC.
One room, {report.clients} clients, texts of {TEXT_BYTES} bytes. The textbook server is
`lab/bench/textbook.py`: asyncio streams, one write for each receiver and message, no log, no rules.
Ours is `chat serve tcp --rate off`: every other rule, and the durable SQLite log (WAL,
synchronous=FULL) before the fan-out. Each regime is measured in short rounds, the servers in
turn; what is shown is the median of the rounds. "Last" is the receiver that gets a
message last; its time counts from when the message was due to be sent. Ratios hold better than
absolute figures.
""",
        *about(report.machine),
        f"- pinning: {report.machine.pinned}; log on {report.machine.disk}",
        "",
        "### Goals\n",
        *_table(["regime", "what", "goal", "found", "range of the rounds", ""], _goal_rows(report)),
        "",
        *[f"{reason}\n" for reason in _reasons(report)],
        "### Figures\n",
    ]
    for regime in _measured(report):
        parts += [
            f"{regime.name}: {regime.title}, {regime.rounds} rounds\n",
            *_table(FIGURES, _figures(report, regime)),
            "",
        ]
    parts += ["coming in\n", *_table(COMING_IN, _coming_in(report)), ""]
    parts += [f"- {note}" for note in _notes(report)]
    return "\n".join(parts) + "\n"


def about(machine: Machine) -> list[str]:
    """Return what a page tells about the machine."""
    return [
        f"- machine: {machine.cpu}, {machine.cores} cores, load {machine.load} at the start",
        f"- system: {machine.system}",
        f"- software: {machine.python}, {machine.libraries}",
    ]


def _reasons(report: Report) -> list[str]:
    return [REASONS[verdict.regime] for verdict in report.verdicts() if not verdict.met]


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
    return [regime for regime in REGIMES if regime.name in names]


def _figures(report: Report, regime: Regime) -> list[list[str]]:
    rows = []
    for series in report.series:
        if series.regime == regime.name:

            def middle(figure: Callable[[Measured], float], rounds: list[Measured] = series.rounds) -> float:
                return statistics.median(map(figure, rounds))

            overrun = any(measured.overrun for measured in series.rounds)
            rows.append(
                [
                    series.server,
                    f"{middle(lambda one: one.messages / one.seconds):,.0f}"
                    + (" (overrun)" if overrun else ""),
                    f"{middle(per_second):,.0f}",
                    f"{middle(lambda one: 1e6 / per_cpu(one)):.3f} us",
                    f"{middle(lambda one: one.p50):.1f} ms",
                    f"{middle(lambda one: one.p99):.1f} ms",
                    f"{middle(lambda one: one.sink_busy):.0%}",
                ]
            )
    return rows


def _coming_in(report: Report) -> list[list[str]]:
    return [
        [
            f"{server.name} ({server.title})",
            f"{server.connects:,.0f}",
            f"{server.client_bytes / 1024:.1f} KiB",
        ]
        for server in report.servers
    ]


def _notes(report: Report) -> list[str]:
    return [
        "Every receiver got every message once and in order; "
        f"of {report.sent:,} sent to ours its log holds {report.logged:,}.",
        *([] if report.clients == CLIENTS else [f"The goals are meant for {CLIENTS} clients."]),
        "Where the sink is near 100 % busy it limits the rate: compare CPU a delivery there.",
        f"An open loop is overrun when {BEHIND:,} messages are under way: sending stops there.",
        *(f"Left out: {reason}." for reason in report.left_out),
    ]


def _aligned(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in (head, *rows)
    ]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def write_section(path: Path, name: str, text: str) -> None:
    """Put the text in the page's section of this name, or at its end. Raises `ChatError`."""
    begin, end = f"<!-- {name}: written by chat bench -->\n", f"<!-- {name} ends -->\n"
    try:
        page = path.read_text(encoding="utf-8") if path.exists() else "# Performance\n"
        before, found, rest = page.partition(begin)
        after = rest.partition(end)[2] if found else ""
        path.write_text(before + ("" if found else "\n") + begin + text + end + after, encoding="utf-8")
    except OSError as error:
        raise ChatError(f"cannot write {path}: {error.strerror}") from None
