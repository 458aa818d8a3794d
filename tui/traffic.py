"""Runs of people who come and go: a class of thirty must not fill the screen with thirty lines."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

FOLDED = 4
"""Events from which a run is one line."""
NAMED = 3
"""Names that the line has for each kind of event, before "and 27 more"."""
SIGNS = {"joined": "→", "resumed": "↻", "left": "←"}
_WORDS = {"joined": "joined", "resumed": "back", "left": "left"}


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
        what = "is back" if self.kind == "resumed" else self.kind
        return f"{self.name} {what}" + (f" ({self.via})" if self.via and self.kind != "left" else "")


def folded(run: Iterable[Going]) -> tuple[str, str]:
    """Return the sign and the text of a run, e.g. ``30 joined: ann, bob, cho and 27 more; 1 left: zoe``."""
    order = list(SIGNS)
    going = sorted(run, key=lambda one: (order.index(one.kind), one.seq))
    parts = []
    for kind, group in groupby(going, key=lambda one: one.kind):
        names = [one.name for one in group]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        parts.append(f"{len(names)} {_WORDS[kind]}: {', '.join(names[:NAMED])}{more}")
    kinds = {one.kind for one in going}
    return SIGNS[kinds.pop()] if len(kinds) == 1 else "⇄", "; ".join(parts)
