"""`chat config`: which settings there are, what they are, and where each comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any

import click
from click.core import ParameterSource

from chat.cli.config import config_file
from chat.cli.config_keys import KEYS, commands, options, unknown
from chat.domain.errors import ChatError
from chat.domain.validation import printable
from chat.interfaces.frames import MASK
from chat.language import N_
from chat.language.translation import translate

FROM = {
    ParameterSource.COMMANDLINE: N_("command line"),
    ParameterSource.ENVIRONMENT: N_("environment"),
    ParameterSource.DEFAULT_MAP: N_("file"),
}
PASSWORD = re.compile(r"(://[^:/@]*:).*@")
"""In the URL of a broker, up to the last @: the table may stand on a projector."""
MAIN = ("serve",)
"""The commands whose settings `chat config` shows and writes; --all shows every command."""


@click.group(invoke_without_command=True)
@click.option("--all", "every", is_flag=True, help="The settings of every command.")
@click.option("--write", is_flag=True, help="Write a settings file with comments, if there is none.")
@click.pass_context
def config(context: click.Context, every: bool, write: bool) -> None:
    """Show every setting, its value, and where it comes from.

    The command line wins over the environment, which wins over the settings file. To see what an option would
    do, write it before config: chat --theme light config.
    """
    if context.invoked_subcommand:
        return
    chat = context.find_root()
    path = _path()
    if write:
        if path.exists():
            raise ChatError(f"{path} exists: change it there, or with chat config set KEY VALUE")
        _write(path, "\n".join(commented(chat)) + "\n", force=False)
        click.echo(path)
        return
    there = "" if path.exists() else f"  ({translate('not there: chat config --write writes it')})"
    click.echo(f"{path}{there}\n")
    for title, inner in _contexts(chat, every):
        rows = [
            (name, _shown(inner, option), _source(inner, option)) for name, option in options(inner.command)
        ]
        if rows:
            _table(title, rows)
    _table(f"[{KEYS}]", list(_keys(context)))


def _path() -> Path:
    path = config_file()
    if path is None:
        raise ChatError("you have no home folder here: set HOME to one, or CHAT_CONFIG to a settings file")
    return path


def _contexts(context: click.Context, every: bool) -> Iterator[tuple[str, click.Context]]:
    """Yield the tables of the settings file with the contexts that know their values."""
    yield "", context
    for path in _below(context.command):
        if every or path[0] in MAIN:
            inner = context
            for name in path:
                inner = commands(inner.command)[name].make_context(
                    name, [], parent=inner, resilient_parsing=True
                )
            yield f"[{'.'.join(path)}]", inner


def _below(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, inner in commands(command).items():
        yield (*path, name)
        yield from _below(inner, (*path, name))


def _shown(context: click.Context, option: click.Option) -> str:
    value = context.params.get(option.name or "")
    value = getattr(value, "name", value)  # a technique
    if value is None or value == ():
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return printable(PASSWORD.sub(rf"\1{MASK}@", str(value)))


def _source(context: click.Context, option: click.Option) -> str:
    source = context.get_parameter_source(option.name or "")
    words = translate(FROM[source]) if source in FROM else translate("default")
    if source is ParameterSource.ENVIRONMENT:
        return f"{words} ({option.envvar or f'{context.auto_envvar_prefix}_{option.name}'.upper()})"
    return words


def _keys(context: click.Context) -> Iterator[tuple[str, str, str]]:
    from tui.commands import COMMANDS
    from tui.keys import rebound

    for before, now in zip(COMMANDS, rebound(COMMANDS, context.obj or {})[0], strict=True):
        yield now.name, now.key or "-", translate("file" if now.key != before.key else "default")


def _table(title: str, rows: list[tuple[str, str, str]]) -> None:
    if title:
        click.echo(f"\n{title}")
    wide = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, source in rows:
        click.echo(f"{name:<{wide[0]}}  {value:<{wide[1]}}  {source}".rstrip())


# --- chat config --write ------------------------------------------------------------------------


def commented(context: click.Context) -> Iterator[str]:
    """Yield the lines of a settings file in which every setting is a comment that shows its default."""
    yield "# " + translate("Settings of chat. Remove the # before a line, and change its value.")
    for title, inner in _contexts(context, False):
        if title:
            yield f"\n{title}"
        for name, option in options(inner.command):
            yield ""
            yield from (f"# {line}" for line in wrap(translate(option.help or ""), 90))
            yield f"#{name} = {_toml(option, inner)}"
    from tui.commands import COMMANDS

    yield f"\n[{KEYS}]"
    yield "# " + translate('Keys of the screen, by the names of its commands; "" for none.')
    yield from (f'#{command.name} = "{command.key}"' for command in COMMANDS)


def _toml(option: click.Option, context: click.Context) -> str:
    import json

    default = option.get_default(context)
    if isinstance(default, bool | int | float):
        return str(default).lower()
    if not isinstance(default, str):  # none: show what kind of value it takes
        default = str(option.flag_value) if option.is_flag else option.make_metavar(context)
    return json.dumps(default)


# --- chat config set ----------------------------------------------------------------------------


@config.command("set")
@click.argument("key")
@click.argument("value")
@click.pass_context
def set_(context: click.Context, key: str, value: str) -> None:
    """Write a setting into the settings file. Its comments, and everything else in it, stay as they are.

    KEY is the name of an option, with its command before it: theme, serve.host, keys.find. The settings file
    is made if there is none.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from chat.domain.text_file import decoded

    *tables, name = key.split(".")
    checked = _checked(context.find_root(), tables, name, value)
    path = _path()
    try:
        document = tomlkit.parse(decoded(path.read_bytes())) if path.exists() else tomlkit.document()
        place: Any = document
        for table in tables:
            if table not in place:
                place[table] = tomlkit.table()
            place = place[table]
        place[name] = checked
    except (TOMLKitError, UnicodeDecodeError, TypeError) as error:
        raise ChatError(f"{printable(str(path))} is not TOML: {error}") from None
    except OSError as error:
        raise ChatError(f"cannot read {path}: {error.strerror}") from None
    _write(path, tomlkit.dumps(document), force=True)


def _checked(context: click.Context, tables: list[str], name: str, value: str) -> bool | int | float | str:
    """Return the value as the file holds it. Raises UsageError if there is no such setting or value."""
    if tables == [KEYS]:
        from tui.commands import COMMANDS
        from tui.keys import rebound

        if complaints := rebound(COMMANDS, {**(context.obj or {}), name: value})[1]:
            raise click.UsageError(complaints[-1])
        return value
    command = context.command
    for table in tables:
        if table not in commands(command):
            what = unknown(table, {**commands(command), KEYS: None}, "there is no such command")
            raise click.UsageError(f"{printable(table)}: {what}")
        command = commands(command)[table]
    known = dict(options(command))
    if name not in known:
        raise click.UsageError(f"{printable(name)}: {unknown(name, known, 'there is no such setting')}")
    option = known[name]
    inner = click.Context(command, info_name=" ".join(("chat", *tables)))
    if option.multiple or option.nargs != 1:
        raise click.UsageError(f"{name} has several values: write them into the file, as a list")
    converted = option.process_value(inner, value)
    return converted if isinstance(converted, bool | int | float) else value


def _write(path: Path, text: str, *, force: bool) -> None:
    from chat.server.logs.placing import placed

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ChatError(f"cannot make the folder {path.parent}: {error.strerror}") from None
    with placed(path, translate("settings file"), force=force) as new:
        new.write_text(text, encoding="utf-8")
