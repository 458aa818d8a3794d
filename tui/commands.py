"""The table of commands: /help, the palette, completion and the keys are generated from it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from rich.cells import cell_len

from backends import KNOWN
from chat.domain.classroom import VERBS
from chat.domain.validation import clean_text, nick_key
from chat.language import N_
from chat.language.translation import translate
from tui.command_target import CommandTarget
from tui.rows import DOES, Row, one_line
from tui.themes import NAMES


class Refused(Exception):
    """A command or a message is not accepted; the error text says why, and the composer keeps the input."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the chat screen."""

    name: str
    """Without the slash."""
    usage: str
    """The argument, as help shows it; empty: there is none."""
    summary: str
    run: Callable[[CommandTarget, str], Awaitable[None] | None]
    """Called with the argument. Raises `Refused` or a `ChatError`."""
    key: str = ""
    """The key that runs the command, as Textual names it."""
    ask: bool = False
    """Whether the key and the palette put the name into the composer, because an argument must follow."""
    values: Sequence[str] = ()
    """The possible arguments, if they are a fixed choice."""
    names_room: bool = False
    """Whether the argument is any room, so that those that are known are offered."""

    @property
    def writes(self) -> bool:
        """Whether the key decides what becomes of the next letters."""
        return self.ask or self.name == "read"


# --- what the commands do ----------------------------------------------------------------------


def _help(target: CommandTarget, argument: str) -> None:
    target.show_help()


def _own_row(target: CommandTarget, argument: str) -> tuple[Row, str]:
    """Return the own message that ``[#ID] REST`` names, and REST. Raises `Refused`."""
    word, _, rest = argument.partition(" ")
    number = None
    if word.startswith("#"):
        if not (word[1:].isascii() and word[1:].isdigit()):
            raise Refused(f"{word} is not a message number: write it like #12 (/ids shows the numbers)")
        number, argument = int(word[1:]), rest
    row = target.timeline.own_message(number)
    if row is None:
        if number is None:
            raise Refused("there is no message of yours to change")
        raise Refused(f"#{number} is not a message of yours that can be changed (/ids shows the numbers)")
    return row, argument.strip()


def _edit(target: CommandTarget, argument: str) -> None:
    row, text = _own_row(target, argument)
    if not text:
        target.edit_in_composer(row.id, row.text)
        return
    session = target.session
    text = clean_text(text, session.limits.text_bytes)
    target.timeline.changing(session.edit(row.id, text), row.id, "edit")


def _delete(target: CommandTarget, argument: str) -> None:
    row, rest = _own_row(target, argument)
    if rest:
        raise Refused("write /delete for your last message, or /delete #ID")
    target.timeline.changing(target.session.delete(row.id), row.id, "delete")


def _who(target: CommandTarget, argument: str) -> None:
    members = sorted(target.session.members.values(), key=lambda member: nick_key(member.nick))
    groups: dict[str, list[str]] = {}
    for member in members:
        groups.setdefault(one_line(member.technique), []).append(one_line(member.nick))
    wide = max((len(technique) for technique in groups), default=0)
    lines = (f"{technique:{wide}}  {', '.join(names)}" for technique, names in sorted(groups.items()))
    target.timeline.note("\n".join([translate(f"{len(members)} here"), *lines]))


def _me(target: CommandTarget, argument: str) -> None:
    if not argument:
        raise Refused("write /me WHAT YOU DO")
    target.say(f"{DOES}{argument}")


def _read(target: CommandTarget, argument: str) -> None:
    target.start_reading()


def _new(target: CommandTarget, argument: str) -> None:
    target.to_new()


def _find(target: CommandTarget, argument: str) -> None:
    target.find(argument)


def _history(target: CommandTarget, argument: str) -> None:
    target.load_history()


def _copy(target: CommandTarget, argument: str) -> None:
    target.copy(argument)


def _ms(target: CommandTarget, argument: str) -> None:
    target.toggle_times()


def _ids(target: CommandTarget, argument: str) -> None:
    target.toggle_ids()


def _backend(target: CommandTarget, argument: str) -> Awaitable[None]:
    return target.switch(argument)


def _class(target: CommandTarget, argument: str) -> Awaitable[None]:
    return target.teach(argument)


def _hand(target: CommandTarget, argument: str) -> None:
    target.raise_hand(argument)


def _follow(target: CommandTarget, argument: str) -> Awaitable[None]:
    return target.follow()


def _join(target: CommandTarget, argument: str) -> None:
    if not argument:
        raise Refused("write /join ROOM; /rooms lists those that are open")
    target.join(argument)


def _leave(target: CommandTarget, argument: str) -> None:
    target.leave_room(argument)


def _rooms(target: CommandTarget, argument: str) -> None:
    target.list_rooms()


def _go(target: CommandTarget, argument: str) -> None:
    target.go_to_room(argument)


def _lanes(target: CommandTarget, argument: str) -> Awaitable[None]:
    return target.open_lanes(argument)


def _split(target: CommandTarget, argument: str) -> None:
    target.toggle_split()


def _wire(target: CommandTarget, argument: str) -> Awaitable[None]:
    return target.show_wire(argument)


def _whole(target: CommandTarget, argument: str) -> Awaitable[None]:
    return target.show_wire_whole()


def _receipt(target: CommandTarget, argument: str) -> Awaitable[None]:
    return target.toggle_receipts()


def _compare(target: CommandTarget, argument: str) -> Awaitable[None]:
    return target.compare(argument)


def _fault(target: CommandTarget, argument: str) -> Awaitable[None]:
    return target.set_fault(argument)


def _card(target: CommandTarget, argument: str) -> Awaitable[None]:
    return target.show_card()


def _ladder(target: CommandTarget, argument: str) -> Awaitable[None]:
    return target.show_ladder()


def _export(target: CommandTarget, argument: str) -> Awaitable[None]:
    return target.export_wire(argument)


def _bare(target: CommandTarget, argument: str) -> None:
    target.toggle_bare()


def _theme(target: CommandTarget, argument: str) -> None:
    if not argument:
        raise Refused(f"write /theme NAME: {', '.join(NAMES)}")
    if argument not in NAMES:
        raise Refused(f"there is no theme {argument!r}: choose {', '.join(NAMES)}")
    target.set_theme(argument)


def _clear(target: CommandTarget, argument: str) -> None:
    target.clear()


def _top(target: CommandTarget, argument: str) -> None:
    target.to_top()


def _end(target: CommandTarget, argument: str) -> None:
    target.to_end()


async def _retry(target: CommandTarget, argument: str) -> None:
    target.retry(argument)


async def _quit(target: CommandTarget, argument: str) -> None:
    await target.quit()


TEACHER = tuple(name for name, verb in VERBS.items() if not verb.anybody)

COMMANDS = (
    Command("help", "", "commands and keys", _help, "f1"),
    Command("edit", "[#ID] [TEXT]", "edit your last message, or message #ID", _edit),
    Command("delete", "[#ID]", "delete your last message, or message #ID", _delete),
    Command("who", "", "who is here, and with which technique", _who, "ctrl+o"),
    Command("me", "TEXT", "say what you do: * ann TEXT", _me, ask=True),
    Command("read", "", "choose a message with keys: reply, edit, copy ...", _read, "ctrl+up"),
    Command("new", "", "go to the first message that is new", _new, "alt+u"),
    Command("find", "[TEXT]", "find a text; again: the next older match", _find, "ctrl+f", ask=True),
    Command("copy", "[#ID]", "copy the newest message, or message #ID", _copy),
    Command("history", "", "load older messages", _history),
    Command("top", "", "go to the oldest message", _top, "ctrl+home"),
    Command("end", "", "go to the newest message", _end, "ctrl+end"),
    Command("split", "", "history above, the newest lines below; or not", _split, "f9"),
    Command("ms", "", "show or hide how long your messages took", _ms, "ctrl+t"),
    Command("wire", "[#ID]", "see what passes on the wire, or a message's frames", _wire, "f2"),
    Command("whole", "", "the wire on the whole screen, or beside the chat", _whole, "f3"),
    Command("receipt", "", "show or hide what messages cost on the wire", _receipt, "f4"),
    Command("compare", "[#ID] NAME", "a message beside the same over technique NAME", _compare, ask=True),
    Command("card", "", "this technique: what it is, and its code", _card),
    Command("ladder", "", "who sent what to whom, and when", _ladder, "f5"),
    Command("fault", "[FAULT|off]", "let your own wire fail; alone: which faults there are", _fault),
    Command("export", "FILE", "write what passed: .pcapng .jsonl .svg .mmd", _export, ask=True),
    Command(
        "backend",
        "[NAME]",
        "go on over technique NAME; alone: which there are",
        _backend,
        "f6",
        ask=True,
        values=KNOWN,
    ),
    Command("lanes", "NAME ...", "up to four techniques side by side", _lanes, "f8", ask=True, values=KNOWN),
    Command("hand", "[down]", "raise your hand, or take it down", _hand, values=("down",)),
    Command("follow", "", "go on over the technique that the teacher asks for", _follow, "f7"),
    Command("class", "[WHAT]", "the teacher's means; alone: which there are", _class, values=TEACHER),
    Command("join", "ROOM", "open another room, or go there", _join, ask=True, names_room=True),
    Command("leave", "[ROOM]", "leave this room or another; the others stay", _leave),
    Command("rooms", "", "list the open rooms, and what came there", _rooms),
    Command("go", "[ROOM]", "go to an open room by some letters of its name", _go, "ctrl+g"),
    Command("ids", "", "show message numbers instead of times", _ids),
    Command("bare", "", "texts only, for the terminal's own selection", _bare, "alt+l"),
    Command("theme", "NAME", "|".join(NAMES), _theme, ask=True, values=NAMES),
    Command("clear", "", "clear the screen, not the room's history", _clear, "ctrl+l"),
    Command("retry", "[NAME]", "connect now, or as NAME", _retry, "ctrl+r"),
    Command("quit", "", "leave every room and the program", _quit, "ctrl+q"),
)

TABLE = {command.name: command for command in COMMANDS}
"""The commands by name. The demo adds one before the app starts."""

KEYS = (
    ("Enter", N_("send")),
    ("Ctrl+J, Alt+Enter", N_("a new line")),
    ("Tab", N_("complete /command @name #room :joy:")),
    ("Up, Down", N_("edit the last one; texts before")),
    ("PgUp, PgDn", N_("scroll")),
    ("Alt+1 to Alt+9", N_("go to an open room")),
    ("Alt+Up, Alt+Down", N_("go to the room before or behind")),
    ("Drag, Ctrl+C", N_("select with the mouse, and copy")),
    ("Ctrl+P", N_("list of all commands")),
    ("Ctrl+Z, Ctrl+_", N_("suspend; undo")),
    ("Esc", N_("close, cancel an edit, remove marks")),
)
"""Keys of the composer and the list that are not commands."""


def parse(text: str) -> tuple[Command, str] | str:
    """Return the command and its argument, or the message to send.

    Two slashes at the beginning stand for a message that begins with one.

    Raises:
        Refused: there is no such command, or it takes no argument.
    """
    if not text.startswith("/"):
        return text
    if text.startswith("//"):
        return text[1:]
    name, _, argument = text[1:].partition(" ")
    name = name.strip()
    if name not in TABLE:
        close = get_close_matches(name, TABLE, n=1)
        hint = N_(f"did you mean /{close[0]}?" if close else "/help shows all")
        raise Refused(f"there is no command /{name}: {hint} (//{name} sends it as text)")
    command, argument = TABLE[name], argument.strip()
    if argument and not command.usage:
        raise Refused(f"/{name} takes no argument")
    return command, argument


KEYS_IN_WORDS = N_("Enter Esc Shift Up Down Home End PgUp PgDn Drag to")
USAGE_IN_WORDS = N_("NAME NICK ROOM TEXT FILE FAULT WHAT SECONDS BYTES")
"""What keys and usages are made of; in a translation, each word stands where its English one does."""
_WORD = re.compile(r"\b[A-Z][A-Za-z]+\b|\bto\b")


def in_words(text: str) -> str:
    """Return the names of keys, or the usage of a command, in the language in use; ``off`` is no word."""
    words: dict[str, str] = {}
    for known in (KEYS_IN_WORDS, USAGE_IN_WORDS):
        words |= zip(known.split(), translate(known).split(), strict=False)
    return _WORD.sub(lambda word: words.get(word[0], word[0]), text)


def in_columns(shown: Mapping[str, str], width: int) -> list[str]:
    """Return lines with what is typed, and what it does, in two columns; what does not fit is no table.

    Args:
        shown: what it does, by what is typed.
        width: cells of a line.
    """
    wide = max(map(cell_len, shown))
    table = [f"{how:{wide}}  {does}" for how, does in shown.items()]
    fits = max(map(cell_len, table)) <= width
    return table if fits else [f"{how} · {does}" for how, does in shown.items()]


def key_name(key: str) -> str:
    """Return a key as help shows it: ``ctrl+up`` becomes ``Ctrl+Up``."""
    return "+".join(part.capitalize() for part in key.split("+"))
