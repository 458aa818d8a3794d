"""What is tried: a technique with the settings of its clients."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from chat.interfaces.settings import SWITCH
from chat.interfaces.technique import Technique
from chat.transport.polling import POLL
from lab.wire.capture import Transport


@dataclass(frozen=True, slots=True)
class Subject:
    """A technique, and how its clients are set."""

    technique: Technique
    settings: Mapping[str, str] = field(default_factory=dict)
    """By `Setting.name`."""

    @property
    def options(self) -> str:
        """Return the options that name it on a command line, after ``-b``."""
        flags = {one.name for one in self.technique.settings if one.choices == SWITCH}
        chosen = (
            f"--{name}" if name in flags else f"--{name} {shlex.quote(value)}"
            for name, value in self.settings.items()
            if value != "off" or name not in flags
        )
        return " ".join([self.technique.name, *chosen])

    def polling(self, how: str) -> Subject:
        """Return it with this way to poll, if it polls and nothing else was chosen."""
        if not any(one.name == POLL.name for one in self.technique.settings):
            return self
        return replace(self, settings={POLL.name: how, **self.settings})

    @property
    def transport(self) -> Transport:
        """What carries the bytes."""
        return self.technique.transport(self.settings)

    @property
    def promised(self) -> Technique:
        """Return the technique with what it promises with these settings (docs/datagrams.md)."""
        if self.settings.get("repair") != "on":
            return self.technique
        traits = replace(self.technique.traits, ordered=True, lossless=True)
        return replace(self.technique, traits=traits)


def subjects(techniques: Sequence[Technique]) -> list[Subject]:
    """Return all that is tried without being asked for: each technique, and the one that repairs, twice."""
    found = []
    for one in techniques:
        found.append(Subject(one))
        if any(setting.name == "repair" for setting in one.settings):
            found.append(Subject(one, {"repair": "on"}))
    return found
