"""The one table of commands: /help, the palette, completion and the keys are all made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from chat.domain.validation import clean_text
from tui.themes import NAMES

if TYPE_CHECKING:
    from tui.rows import Row
    from tui.screens.chat import ChatScreen


class Refused(Exception):
    """What the user typed can't be done; the text says why and stays in the composer."""


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    usage: str
    """What follows the name; empty: nothing."""
    summary: str
    run: Callable[[ChatScreen, str], Awaitable[None] | None]
    """Gets what follows the name. Raises `Refused` or `BadText`."""
    key: str = ""
    """The key that does the same, in Textual's words."""
    ask: bool = False
    """The key and the palette put the name into the composer, because something must follow it."""
    values: tuple[str, ...] = ()
    """What may follow, where that is a choice."""


# --- what the commands do ----------------------------------------------------------------------


def _help(screen: ChatScreen, argument: str) -> None:
    screen.show_help()


def _target(screen: ChatScreen, argument: str) -> tuple[Row, str]:
    """Return the own message that ``[#ID] REST`` means, and REST."""
    word, _, rest = argument.partition(" ")
    number = None
    if word.startswith("#"):
        if not (word[1:].isascii() and word[1:].isdigit()):
            raise Refused(f"{word} is no message: write its number, like #12 (/ids shows them)")
        number, argument = int(word[1:]), rest
    row = screen.timeline.own_message(number)
    if row is None:
        if number is None:
            raise Refused("there is no message of yours to change")
        raise Refused(f"#{number} is not a message of yours that can be changed (/ids shows the numbers)")
    return row, argument.strip()


def _edit(screen: ChatScreen, argument: str) -> None:
    row, text = _target(screen, argument)
    if not text:
        screen.composer.load_edit(row.id, row.text)
        return
    session = screen.session
    text = clean_text(text, session.limits.text_bytes)
    screen.timeline.changing(session.edit(row.id, text), row.id, "edit")


def _delete(screen: ChatScreen, argument: str) -> None:
    row, rest = _target(screen, argument)
    if rest:
        raise Refused("write /delete for your last message, or /delete #ID")
    screen.timeline.changing(screen.session.delete(row.id), row.id, "delete")


def _who(screen: ChatScreen, argument: str) -> None:
    members = screen.session.members.values()
    names = ", ".join(f"{member.nick} ({member.technique})" for member in members)
    screen.timeline.note(f"{len(members)} here: {names}")


def _find(screen: ChatScreen, argument: str) -> None:
    screen.find(argument)


def _history(screen: ChatScreen, argument: str) -> None:
    screen.load_history()


def _copy(screen: ChatScreen, argument: str) -> None:
    screen.copy(argument)


def _ms(screen: ChatScreen, argument: str) -> None:
    screen.toggle_times()


def _ids(screen: ChatScreen, argument: str) -> None:
    screen.toggle_ids()


def _theme(screen: ChatScreen, argument: str) -> None:
    if argument not in NAMES:
        raise Refused(f"there is no theme {argument!r}: choose {', '.join(NAMES)}")
    screen.app.theme = argument


def _clear(screen: ChatScreen, argument: str) -> None:
    screen.clear()


def _top(screen: ChatScreen, argument: str) -> None:
    screen.view.to_top()


def _end(screen: ChatScreen, argument: str) -> None:
    screen.view.to_end()


async def _retry(screen: ChatScreen, argument: str) -> None:
    screen.retry(argument)


async def _quit(screen: ChatScreen, argument: str) -> None:
    await screen.app.action_quit()


COMMANDS = (
    Command("help", "", "what can be typed, and the keys", _help, "f1"),
    Command("edit", "[#ID] [TEXT]", "change your last message, or this one", _edit, "ctrl+up"),
    Command("delete", "[#ID]", "take your last message back, or this one", _delete),
    Command("who", "", "who is here, and over which technique", _who, "ctrl+o"),
    Command("find", "[TEXT]", "mark a text; again: the next older one", _find, "ctrl+f", ask=True),
    Command("copy", "[#ID]", "copy the newest message, or this one", _copy),
    Command("history", "", "fetch older messages", _history),
    Command("top", "", "go to the oldest message", _top, "ctrl+home"),
    Command("end", "", "go to the newest message", _end, "ctrl+end"),
    Command("ms", "", "show or hide how long your messages took", _ms, "ctrl+t"),
    Command("ids", "", "show the messages' numbers, not the time", _ids),
    Command("theme", "NAME", "|".join(NAMES), _theme, ask=True, values=NAMES),
    Command("clear", "", "empty the screen; the room keeps everything", _clear, "ctrl+l"),
    Command("retry", "[NAME]", "connect now, or again as NAME", _retry, "ctrl+r"),
    Command("quit", "", "leave the room", _quit, "ctrl+q"),
)

TABLE = {command.name: command for command in COMMANDS}
"""The commands by name. A program around the chat may add some before the app starts, like the demo."""

KEYS = (
    ("Enter", "send"),
    ("Ctrl+J", "a new line (often Alt+Enter too)"),
    ("Tab", "complete /command, name or @name"),
    ("Up, Down", "what you wrote before"),
    ("PgUp, PgDn", "scroll"),
    ("Drag, Ctrl+C", "select with the mouse, and copy"),
    ("Ctrl+P", "every command by name"),
    ("Esc", "close, cancel an edit, unmark"),
)
"""Keys of the composer and the list, which need no command."""


def parse(text: str) -> tuple[Command, str] | str:
    """Return the command and its argument, or the message to send. Raises `Refused`.

    A message that begins with a slash is written with two.
    """
    if not text.startswith("/"):
        return text
    if text.startswith("//"):
        return text[1:]
    name, _, argument = text[1:].partition(" ")
    name = name.strip()
    if name not in TABLE:
        close = get_close_matches(name, TABLE, n=1)
        hint = f"did you mean /{close[0]}?" if close else "/help shows all"
        raise Refused(f"there is no command /{name}: {hint} (//{name} sends it as text)")
    command, argument = TABLE[name], argument.strip()
    if argument and not command.usage:
        raise Refused(f"/{name} takes nothing after it")
    return command, argument


def key_name(key: str) -> str:
    """Write a key as people do: ``ctrl+up`` becomes ``Ctrl+Up``."""
    return "+".join(part.capitalize() for part in key.split("+"))
