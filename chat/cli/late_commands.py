"""The commands of ``chat``, each imported when somebody asks for it: the screen needs none of them."""

from __future__ import annotations

from collections import UserDict
from importlib import import_module
from typing import Any

import click


class LateCommands(UserDict[str, Any]):
    """Commands by their names, for a `click.Group`; made of the modules that they are in.

    A command has the same name in its module. The help of the group asks for all of them.
    """

    def __getitem__(self, name: str) -> click.Command:
        command = super().__getitem__(name)
        if isinstance(command, str):
            command = self[name] = getattr(import_module(command), name)
        assert isinstance(command, click.Command)
        return command
