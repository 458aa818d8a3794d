"""The keys of the commands, as this user wants them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from textual.keys import Keys

from chat.language import N_
from chat.language.translation import translate
from tui.commands import TABLE, Command, key_name

TAKEN = frozenset(
    (
        *("enter", "tab", "shift+tab", "escape", "space", "backspace", "delete", "alt+enter"),
        *("up", "down", "left", "right", "home", "end", "pageup", "pagedown"),
        *("alt+up", "alt+down", "alt+left", "alt+right", *(f"alt+{digit}" for digit in range(1, 10))),
        *("ctrl+c", "ctrl+i", "ctrl+j", "ctrl+m", "ctrl+p", "ctrl+v", "ctrl+z", "ctrl+underscore"),
    )
)
"""Keys that are no command's: of the composer, the list, the rooms, the palette and the terminal."""
QUIT = "ctrl+q"
"""It leaves from every screen, whatever else does."""
_NAMED = frozenset(key.value for key in Keys if len(key.value) > 1 and not key.value.startswith("<"))
_LETTER = re.compile(r"alt\+[a-z0]")


def rebound(
    commands: Sequence[Command], wanted: Mapping[str, object]
) -> tuple[tuple[Command, ...], list[str]]:
    """Give commands other keys.

    Args:
        commands: with the keys that they have.
        wanted: by the names of commands, a key as Textual names it (``ctrl+f``, ``f7``), or "" for none.

    Returns:
        The commands, and a line about each wish that can't be fulfilled; such a command keeps its key.
    """
    names = [command.name for command in commands]
    keys = {command.name: command.key for command in commands}
    new: dict[str, str] = {}
    complaints: list[str] = []
    for name, wish in wanted.items():
        key = str(wish).strip().lower()
        if name not in keys:
            close = get_close_matches(name, names, n=1)
            hint = N_(f"; did you mean {close[0]}?") if close else ""
            complaints.append(translate(f"there is no command {name!r}{hint}"))
        elif key and key not in _NAMED and not _LETTER.fullmatch(key):
            complaints.append(translate(f"{name}: {key!r} is no key; write one like ctrl+f, alt+f or f7"))
        elif key in TAKEN or (key == QUIT and name != "quit"):
            complaints.append(translate(f"{name}: {key_name(key)} has a use of its own; choose another key"))
        else:
            new[name] = key
    while clash := _clash(keys | new, new):
        name, other = clash
        key = key_name(new.pop(name))
        complaints.append(translate(f"{name}: {key} is the key of {other}; give that one another key, too"))
    return tuple(replace(one, key=new.get(one.name, one.key)) for one in commands), complaints


def use(wanted: Mapping[str, object]) -> list[str]:
    """Give the commands of the screen these keys, before it is made; return like `rebound` what is wrong."""
    commands, complaints = rebound(tuple(TABLE.values()), wanted)
    TABLE.update({command.name: command for command in commands})
    return complaints


def _clash(keys: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, str] | None:
    """Return a command whose new key another one has, and that one."""
    count = Counter(keys.values())
    for name, key in reversed(list(new.items())):
        if key and count[key] > 1:
            return name, next(other for other, its in keys.items() if its == key and other != name)
    return None
