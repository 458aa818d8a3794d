"""The report of the benchmark of growth: its figures and goals, for a terminal and for the page."""

from __future__ import annotations

import msgspec

from lab.bench.curve import LINEAR, Curve, Point
from lab.bench.goals import Bound, Verdict
from lab.bench.growth import COMPARED, Group, Report
from lab.bench.growth_picture import draw
from lab.bench.section import Section, about, aligned, table

GOAL = Bound(1.5)
"""Of the longest history to a short one."""
REASON = """\
The goal for a long history is missed: what is searched is a larger tree, whose pages are not all in the cache
of SQLite."""
FITTED = f"""\
The exponent is that of the whole cost: 1 is linear, 0 is constant. It is fitted by least squares of the
logarithms, each point with equal weight; up to {LINEAR:g} counts as linear."""


def verdicts(report: Report) -> list[Verdict]:
    """Return what came of the goals for a long history."""
    short, long = COMPARED
    found = []
    for group in report.groups:
        if group.name != "history":
            continue
        for curve in group.curves:
            points = {point.size: point for point in curve.points}
            if curve.title != "join" and short in points and long in points:
                a, b = points[short], points[long]
                title = f"{curve.title}: {long:,} entries, ratio to {short:,}"
                before = [y / x for x, y in zip(a.before, b.before, strict=True)]
                values = [y / x for x, y in zip(a.totals, b.totals, strict=True)]
                found.append(GOAL.judge(title, values, reason=REASON, before=before))
    return found


def section(report: Report) -> Section:
    """Return what was found, to be shown."""
    encoded = msgspec.json.encode(report).decode()
    pictures = {_file(group): draw(group.title, group.size, group.curves) for group in report.groups}
    return Section(
        "growth", as_text(report), as_page(report), encoded, verdicts(report), report.left_out, pictures
    )


def as_text(report: Report) -> str:
    """Return the report for a terminal."""
    lines = []
    for group in report.groups:
        lines += [group.title, *aligned(_head(group), _rows(group)), *_whys(group), ""]
    return "\n".join([*lines, *_goals(report)])


def as_page(report: Report) -> str:
    """Return the report as a section of `docs/performance.md`."""
    beside = f" Behind a figure stands its ratio to that of {report.against}." if report.against else ""
    lines = [
        "## Growth\n",
        f"""Made by `chat bench growth` on {report.at} UTC: `chat serve tcp --rate off`, with more seats and
rooms than it usually allows, texts of 100 bytes where nothing else is said, and the durable log.
{FITTED}{beside}
""",
        *about(report.machine),
        f"- pinning: {report.machine.pinned}; log on {report.machine.disk}",
        "",
    ]
    for group in report.groups:
        shown = "; ".join(curve.title for curve in group.curves)
        lines += [
            f"### {group.title}\n",
            f"{group.about}\n",
            f"![{group.title}: {shown}; the figures are in the table below](pictures/{_file(group)})\n",
            *table(_head(group), _rows(group)),
            "",
            *(f"{why}\n" for why in _whys(group)),
        ]
    return "\n".join([*lines, *_goals(report), ""])


def _file(group: Group) -> str:
    return f"growth-{group.name}.svg"


def _head(group: Group) -> list[str]:
    return [group.size, *(curve.title for curve in group.curves)]


def _rows(group: Group) -> list[list[str]]:
    rows = [
        [f"{points[0].size:,.0f}", *(_shown(*pair) for pair in zip(group.curves, points, strict=True))]
        for points in zip(*(curve.points for curve in group.curves), strict=True)
    ]
    return [*rows, ["exponent", *(f"{curve.line[0]:.2f}" if curve.line else "" for curve in group.curves)]]


def _shown(curve: Curve, point: Point) -> str:
    value = curve.shown(point)
    figure = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    beside = ""
    if point.ratio is not None:
        beside = f" ({1 / point.ratio if curve.rate else point.ratio:.2f})"
    return f"{figure} {curve.unit}".rstrip() + beside


def _whys(group: Group) -> list[str]:
    return [f"{curve.title}: {curve.why}" for curve in group.curves if curve.steep]


def _goals(report: Report) -> list[str]:
    found = verdicts(report)
    return [
        *(
            f"- {one.title}: {one.value:.2f} ({one.low:.2f}-{one.high:.2f}), {one.goal}: "
            f"{'met' if one.met else 'missed'}"
            for one in found
        ),
        *(f"- not measured: {reason}" for reason in report.left_out),
        *([f"\n{found[0].reason or found[-1].reason}"] if any(one.reason for one in found) else []),
    ]
