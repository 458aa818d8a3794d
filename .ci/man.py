"""Writes a manual page for each command to man/: ``python .ci/man.py``; with ``--check`` it compares.

The help texts are their source. The wheel brings them to ``share/man/man1``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import version
from inspect import cleandoc
from pathlib import Path

import click
from click_man.man import ManPage

from chat.cli.main import chat

FOLDER = Path(__file__).parents[1] / "man"


def main() -> int:
    """Write the pages, or say which are not up to date. Returns the exit code."""
    wanted = dict(pages(chat, "chat"))
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.1")}
    changed = sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))
    if "--check" in sys.argv[1:]:
        for name in changed:
            sys.stderr.write(f"man/{name} is not up to date; run: make man\n")
        return 1 if changed else 0
    FOLDER.mkdir(exist_ok=True)
    for name in changed:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name], encoding="utf-8", newline="\n")
        else:
            (FOLDER / name).unlink()
    return 0


def pages(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the pages of a command and of those in it, each with its file name."""
    context = click.Context(command, info_name=name, parent=parent)
    inner = command.commands if isinstance(command, click.Group) else {}
    shown = {name: one for name, one in inner.items() if not one.hidden}
    records = [
        record
        for option in command.params
        if isinstance(option, click.Option) and (record := option.get_help_record(context))
    ]
    page = ManPage(context.command_path)
    page.version, page.date = version("wirechat"), ""  # a date would change a page where nothing else has
    page.short_help = roff(command.get_short_help_str(limit=200).rstrip("."))
    page.synopsis = " ".join(command.collect_usage_pieces(context))
    page.description = roff(cleandoc(command.help or ""))
    page.options = [(names, roff(about)) for names, about in records]
    page.commands = [(name, roff(one.get_short_help_str(limit=200))) for name, one in shown.items()]
    yield f"{context.command_path.replace(' ', '-')}.1", str(page) + examples(command)
    for name, one in shown.items():
        yield from pages(one, name, context)


def examples(command: click.Command) -> str:
    """Return the section with a command's examples; "" if it has none."""
    _, heading, lines = (command.epilog or "").partition("Examples:\n")
    return f".SH EXAMPLES\n.nf\n{roff(cleandoc(lines))}\n.fi\n" if heading else ""


def roff(text: str) -> str:
    """Return a text as roff reads it: no line of it is a request (groff_man(7))."""
    lines = text.replace("\b\n", "").replace("\\", "\\e").split("\n")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines)


if __name__ == "__main__":
    sys.exit(main())
