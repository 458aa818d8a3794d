"""Runs of people who come and go: a class of thirty must not fill the screen with thirty lines."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from chat.language import N_

FOLDED = 4
"""Events from which a run is one line."""
NAMED = 3
"""Names that the line has for each kind of event, before "and 27 more"."""
SIGNS = {"joined": "→", "resumed": "↻", "left": "←"}


class Going(NamedTuple):
    """One event of somebody who came or went."""

    seq: int
    kind: str
    name: str
    """Made safe to be shown."""
    via: str
    """The technique, also made safe."""

    @property
    def text(self) -> str:
        name, via = self.name, self.via
        if self.kind == "left":
            return N_(f"{name} left")
        back = self.kind == "resumed"
        if via:
            return N_(f"{name} {'is back' if back else 'joined'} ({via})")
        return N_(f"{name} {'is back' if back else 'joined'}")


def folded(run: Iterable[Going]) -> tuple[str, str]:
    """Return the sign and the text of a run, e.g. ``30 joined: ann, bob, cho and 27 more; 1 left: zoe``."""
    order = list(SIGNS)
    going = sorted(run, key=lambda one: (order.index(one.kind), one.seq))
    parts = []
    for kind, group in groupby(going, key=lambda one: one.kind):
        names = [one.name for one in group]
        more, shown = len(names) - NAMED, ", ".join(names[:NAMED])
        n = len(names)
        what = {"joined": N_(f"{n} joined"), "resumed": N_(f"{n} back"), "left": N_(f"{n} left")}[kind]
        if n == 1:  # languages have another word for one
            what = {"joined": N_("1 joined"), "resumed": N_("1 back"), "left": N_("1 left")}[kind]
        parts.append(N_(f"{what}: {shown} and {more} more") if more > 0 else f"{what}: {shown}")
    kinds = {one.kind for one in going}
    return SIGNS[kinds.pop()] if len(kinds) == 1 else "⇄", "; ".join(parts)
