"""The language of a command: chosen before click reads the options, because help and errors are texts too."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from inspect import cleandoc
from typing import Any

import click

import backends
from chat.language import N_
from chat.language.translation import LANGUAGES, colon, preferred, translate, use

WORDS_OF_CLICK = (
    N_("Usage:"),
    N_("Options"),
    N_("Commands"),
    N_("default: {default}"),
    N_("env var: {var}"),
    N_("required"),
    N_("Show this message and exit."),
    N_("Show the version and exit."),
    N_("Missing command."),
)
"""What click asks gettext for."""
ERRORS_OF_CLICK = (
    N_("No such option {name}."),
    N_("No such option {name}. Did you mean {close}?"),
    N_("No such option {name}. (Did you mean one of: {close}?)"),
    N_("No such command {name}."),
    N_("No such command {name}. Did you mean {close}?"),
    N_("No such command {name}. (Did you mean one of: {close}?)"),
    N_("Missing argument {name}."),
    N_("Missing option {name}."),
    N_("Option {name} requires an argument."),
    N_("Option {name} does not take a value."),
    N_("Got unexpected extra argument ({given})"),
    N_("Got unexpected extra arguments ({given})"),
    N_("Invalid value for {name}: {why}"),
    N_("Invalid value: {why}"),
    N_("{given} is not one of {choices}."),
    N_("{given} is not in the range {range}."),
    N_("{given} is not a valid {kind}."),
    N_("integer"),
    N_("integer range"),
    N_("float"),
    N_("float range"),
)
"""What click says in English: it puts values and sentences together, so these are templates of the result."""


def choose_language(arguments: Sequence[str], settings: Mapping[str, Any]) -> str:
    """Use the language that ``--lang`` names, else ``CHAT_LANG``, else the settings file, else the locale.

    What names none that there is counts as not given: click says so of the option.

    Returns:
        Why the texts stay English, if that language can't be used; else "".
    """
    given = (_option(arguments), os.environ.get("CHAT_LANG"), settings.get("lang"))
    return use(next((one for one in given if one in LANGUAGES), preferred()))


def _option(arguments: Sequence[str]) -> str | None:
    for number, argument in enumerate(arguments):
        if argument == "--lang" and number + 1 < len(arguments):
            return arguments[number + 1]
        if argument.startswith("--lang="):
            return argument.partition("=")[2]
    return None


def translate_help(command: click.Command) -> None:
    """Translate the help of a command, of its options and of the commands in it, in place."""
    command.help = command.help and _bound(translate(cleandoc(command.help)))
    command.short_help = command.short_help and _bound(translate(command.short_help))
    command.epilog = command.epilog and _bound(translate(command.epilog))
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.help:
            parameter.help = _bound(_translated(parameter.help))
    for inner in _within(command):
        translate_help(inner)


def _bound(text: str) -> str:
    """Return a text of which no line begins with a colon or a semicolon, where a blank stands before them."""
    return re.sub(r"(?<=\S) (?=[:;])", "\N{NO-BREAK SPACE}", text) if colon() != ": " else text


def _translated(help: str) -> str:
    """Return the help of an option; that of a technique's setting begins with the technique's name."""
    names, sign, about = help.partition(": ")
    if not sign or not set(names.split(", ")) <= set(backends.KNOWN):
        return translate(help)
    whole = translate(about)
    return names + colon() + (whole if whole != about else translate(about.removesuffix(".")) + ".")


def _within(command: click.Command) -> Iterable[click.Command]:
    return command.commands.values() if isinstance(command, click.Group) else ()
