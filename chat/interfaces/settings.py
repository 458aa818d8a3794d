"""Settings of a single technique. The command line makes an option of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

TEXT = "TEXT"
"""The name of a value that has none of its own."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that the user may choose about a technique; it becomes an option of the command line."""

    name: str
    """A standard term: ``transport`` becomes ``--transport``."""
    summary: str
    """The option's help, one line."""
    choices: tuple[str, ...] = ()
    """Its possible values, the default first. `SWITCH` makes a flag of it. Empty: any text that ``check``
    accepts."""
    default: str = ""
    """The default, if there are no ``choices``."""
    metavar: str = TEXT
    """The name of the value in the help, if there are no ``choices``, or too many to stand there."""
    check: Callable[[str], object] = str
    """Without ``choices``: raises ValueError, with a text for the user, for a value that is not allowed."""
    client: bool = True
    """It can be chosen for a client."""
    server: bool = False
    """It can be chosen for ``chat serve``."""

    @property
    def usual(self) -> str:
        """The default."""
        return self.choices[0] if self.choices else self.default

    def among(self, settings: Mapping[str, str]) -> str:
        """Return the value in these settings, or the default."""
        return settings.get(self.name, self.usual)


SWITCH = ("off", "on")
"""The choices of a `Setting` that is off unless it is asked for: a flag without a value."""
