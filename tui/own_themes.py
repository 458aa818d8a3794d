"""Themes that the user has written: one TOML file each, in the folder ``themes`` beside the settings file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

from chat.domain.text_file import decoded
from chat.domain.validation import printable
from chat.language import N_
from chat.language.translation import translate
from tui import themes

MOST = 50
"""Files that are read."""
MAX_BYTES = 64 * 1024
MAIN = ("primary", "secondary", "accent", "foreground", "background", "surface", "panel")
STATES = ("success", "warning", "error")
COLOURS = (*MAIN, *STATES, *themes.FALLBACK)
"""The names that a file may give a colour."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class Broken(Exception):
    """A file is no theme; the text says why."""


def load(folder: Path) -> list[str]:
    """Add the themes in a folder to those that can be chosen.

    Returns:
        A line about each file that is left out. A folder that is not there has no themes.
    """
    complaints = []
    for path in sorted(folder.glob("*.toml"))[:MOST]:
        try:
            themes.add(read(path))
        except Broken as reason:
            complaints.append(translate(f"the theme {printable(str(path))} is left out: {reason}"))
    return complaints


def read(path: Path) -> Theme:
    """Return the theme in a file. Raises `Broken`."""
    import tomllib

    if not _NAME.fullmatch(path.stem):
        raise Broken(translate("its name may have 1 to 32 of a-z, 0-9, - and _"))
    if path.stem in themes.NAMES:
        raise Broken(translate("there is a theme of that name already; rename the file"))
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Broken(translate(f"it has more than {MAX_BYTES} bytes"))
        table = tomllib.loads(decoded(path.read_bytes()))
    except OSError as error:
        raise Broken(str(error.strerror)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        raise Broken(translate("it is not TOML")) from None
    return theme_of(path.stem, table)


def theme_of(name: str, table: Mapping[str, Any]) -> Theme:
    """Return a theme: the colours of the table, and for the others those of its ``base``. Raises `Broken`."""
    base = table.get("base", themes.DEFAULT)
    known = {theme.name: theme for theme in themes.BUILT_IN}
    if not isinstance(base, str) or base not in known:
        raise Broken(translate(f"its base is one of {', '.join(known)}"))
    colours = {key: _hex(key, value) for key, value in table.items() if key != "base"}
    dark = Color.parse(colours.get("background", known[base].background or "#000000")).brightness < 0.5
    main: dict[str, Any] = {key: value for key, value in colours.items() if key in (*MAIN, *STATES)}
    variables = known[base].variables | {key: colours[key] for key in colours.keys() - main.keys()}
    return replace(known[base], name=name, dark=dark, variables=variables, **main)


def _hex(key: str, value: object) -> str:
    if key not in COLOURS:
        close = get_close_matches(key, COLOURS, n=1)
        hint = N_(f"; did you mean {close[0]}?") if close else ""
        raise Broken(translate(f"{key!r} is no colour of a theme{hint}"))
    try:
        return Color.parse(str(value)).hex6
    except ColorParseError:
        raise Broken(translate(f"the colour of {key} is no colour; write it like #5aa9e6")) from None
