"""`chat serve --naive`: a broken twin in place of the real server."""

from __future__ import annotations

from dataclasses import replace

import click

from chat.interfaces.address import is_loopback
from chat.interfaces.technique import Technique

OFF = "off"


def naive_label(techniques: list[Technique], flaw: str, host: str, others: dict[str, bool]) -> Technique:
    """Return the label of the one technique that is served, with the broken twin as its server.

    Args:
        techniques: those that the user named.
        flaw: what shall be wrong with it.
        host: where it listens.
        others: options that have no meaning for it, and whether they are given.

    Raises:
        UsageError: it can't be served like this.
    """
    from lab.check.twins import TWINS, find

    if len(techniques) != 1:
        raise click.UsageError("--naive needs exactly one technique: a broken twin is served alone")
    (label,) = techniques
    twin = find(label.name, flaw)
    if twin is None:
        known = ", ".join(one.flaw for one in TWINS if one.technique == label.name)
        raise click.UsageError(f"{label.name} has no --naive {flaw}: it has {known}")
    if not is_loopback(host):
        raise click.UsageError("--naive serves this machine only: a broken twin asks for no access token")
    for option, given in others.items():
        if given:
            raise click.UsageError(
                f"--naive and {option} contradict each other: a twin keeps its log in memory"
            )
    return replace(label, server=twin.server)


def naive_lines(label: Technique, flaw: str) -> list[str]:
    """Return what is wrong with it, what one sees, and how the real one does it."""
    from lab.check.twins import explanation, find

    twin = find(label.name, flaw)
    assert twin is not None
    return explanation(twin)
