"""Generates docs/peers.md and the end of each chapter from what the tests compare: the ``peer.toml`` files.

`make docs` writes them, and `make check` fails if a page and the files differ.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.interop.peers.catalog import STEPS, Peer, peers

CAN, CANNOT = "✓", "–"
PROGRAMS = "tests/interop/peers"
RUNTIMES = {"JavaScript": "Node"}
"""What a version counts, where that is not the language itself."""


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table(technique: str) -> str:
    """Return a row for each peer of a technique, and under it why something can't work."""
    heads = ["language", "library", "version", *STEPS]
    lines = [row(*heads), row(*(["---"] * 3 + [":-:"] * len(STEPS)))]
    for peer in peers(technique):
        cells = [CANNOT if peer.why_not(step) else CAN for step in STEPS]
        name = f"[{peer.library}](../{PROGRAMS}/{technique}/{peer.name}/)"
        lines.append(row(peer.language, name, _version(peer), *cells))
    return "\n".join([*lines, "", *_reasons(technique)]).rstrip()


def _reasons(technique: str) -> Iterator[str]:
    for reason, who in _by_reason(technique).items():
        names = "; ".join(f"{name} ({', '.join(steps)})" for name, steps in who.items())
        yield f"- {names}: {reason}."


def _by_reason(technique: str) -> dict[str, dict[str, list[str]]]:
    """Return for each reason the peers that have it, with their steps."""
    found: dict[str, dict[str, list[str]]] = {}
    for peer in peers(technique):
        if "joins" in peer.cannot:
            found.setdefault(peer.cannot["joins"], {})[_called(peer)] = ["everything"]
            continue
        for step in STEPS:
            if reason := peer.why_not(step):
                found.setdefault(reason, {}).setdefault(_called(peer), []).append(step)
    return found


def _called(peer: Peer) -> str:
    return f"{peer.language}, {peer.library} {peer.version}"


def _version(peer: Peer) -> str:
    if peer.source == "its language":
        return f"comes with {RUNTIMES.get(peer.language, peer.language)} {peer.version}"
    return f"{peer.version}, {peer.source}"


def tried(technique: str) -> str:
    """Return the end of a chapter: its peers, each with what it can't do and what its users should know."""
    lines = [
        "Programs on libraries that are not ours, which joined a real server and did what is listed in",
        "[docs/peers.md](../../docs/peers.md). Each is a test, and a beginning for one of your own.",
        "",
    ]
    for peer in peers(technique):
        place = f"../../{PROGRAMS}/{technique}/{peer.name}/"
        line = f"- **{peer.language}**: [{peer.library}]({place}) ({_version(peer)})"
        lines.append(f"{line}{_cannot(peer)}. {peer.note}".rstrip())
    return "\n".join(lines)


def _cannot(peer: Peer) -> str:
    if "joins" in peer.cannot:
        return " can't join"
    return f"; not: {', '.join(peer.cannot)}" if peer.cannot else ""
