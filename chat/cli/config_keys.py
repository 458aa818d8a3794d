"""The names in the settings file: one for each option of each command, as on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from chat.language import N_
from chat.language.translation import about, colon, translate

KEYS = "keys"
"""The table with the keys of the screen: ``find = "f12"``."""


def options(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    """Yield the options that can stand in the file, each with its name there: ``token-file``."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not (parameter.hidden or parameter.is_eager):
            yield max(parameter.opts, key=len).lstrip("-"), parameter


def commands(command: click.Command) -> Mapping[str, click.Command]:
    """Return the commands in a command; each has a table in the file."""
    return command.commands if isinstance(command, click.Group) else {}


def for_click(config: Mapping[str, Any], command: click.Command) -> tuple[dict[str, Any], list[str]]:
    """Translate a settings file into what click reads (`default_map`).

    Returns:
        The values by the names of click's parameters, and a line about each key that is left out.
    """
    inner = commands(command)
    known = dict(options(command))
    known |= {option.name: option for _, option in options(command) if option.name}
    found: dict[str, Any] = {}
    complaints: list[str] = []
    for name, value in config.items():
        if name in inner:
            if isinstance(value, Mapping):
                found[name], more = for_click(value, inner[name])
                complaints += [f"{name}.{line}" for line in more]
            else:
                complaints.append(about(name, N_("it is a command: write its settings into a table")))
        elif isinstance(value, Mapping):
            complaints.append(f"{name}{colon()}{unknown(name, inner, N_('there is no such command'))}")
        elif (option := known.get(name)) is not None:
            if wrong := _wrong(option, value):
                complaints.append(about(name, wrong))
            elif option.name is not None and (taken := _taken(option, value)) is not None:
                found[option.name] = taken
        else:
            complaints.append(f"{name}{colon()}{unknown(name, known, N_('there is no such setting'))}")
    return found, complaints


def _wrong(option: click.Option, value: object) -> str:
    """Return what is wrong with the type of a value; what else may be, click says of the option."""
    if option.is_flag:
        return "" if isinstance(value, bool | str) else N_("write true or false")
    values = value if option.multiple and isinstance(value, list) else [value]
    if all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in values):
        return ""
    return N_("write a text in quotation marks, or a number")


def _taken(option: click.Option, value: object) -> object:
    """Return a value as click wants it; None: it is as if there was none."""
    if option.multiple and not isinstance(value, list):
        return [value]
    if option.is_flag and not option.is_bool_flag and isinstance(value, bool):  # a setting of a technique
        return option.flag_value if value else None
    return value


def unknown(name: str, known: Mapping[str, object], what: str) -> str:
    """Return what is wrong with a name that nobody knows, and which one may be meant."""
    from difflib import get_close_matches  # only where something is wrong

    close = get_close_matches(name, known, n=1)
    return translate(f"{what}; did you mean {close[0]}?") if close else translate(what)
