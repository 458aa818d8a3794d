"""What only one technique has to choose: the command line makes an option of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that a user may choose about a technique; the command line makes an option of it."""

    name: str
    """In the field's own words: ``transport`` becomes ``--transport``."""
    summary: str
    """The option's help, one line."""
    choices: tuple[str, ...] = ()
    """What it may be; the first is what it is unless the user says otherwise. `SWITCH` makes a flag of it.
    Empty: any text that ``check`` takes."""
    default: str = ""
    """Without ``choices``: what it is unless the user says otherwise."""
    metavar: str = "TEXT"
    """Without ``choices``: what stands for the value in the help."""
    check: Callable[[str], object] = str
    """Without ``choices``: raises ValueError, with a text for the user, for what it may not be."""
    client: bool = True
    """It can be chosen where a client is started, ..."""
    server: bool = False
    """... and with ``chat serve``."""

    @property
    def usual(self) -> str:
        """What it is unless the user says otherwise."""
        return self.choices[0] if self.choices else self.default

    def among(self, settings: Mapping[str, str]) -> str:
        """Return what was chosen."""
        return settings.get(self.name, self.usual)


SWITCH = ("off", "on")
"""The choices of a `Setting` that is off unless it is asked for: a flag without a value."""
