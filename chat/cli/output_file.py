"""Where an export goes: to the standard output, or into a file that is there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

to_option = click.option(
    "--to", type=click.Path(path_type=Path), metavar="FILE", help="Write to a file, whole or not at all."
)
force_option = click.option("--force", is_flag=True, help="Replace a file that has the name.")


def check_force(to: Path | None, force: bool) -> None:
    """Raise UsageError if there is nothing that could be replaced."""
    if force and to is None:
        raise click.UsageError("--force needs --to FILE")


@contextmanager
def writing(to: Path | None, what: str, *, force: bool) -> Iterator[Callable[[str], Any]]:
    """Yield a function that writes a line, without its end.

    Args:
        to: the file, in UTF-8; it gets its name when the block ends without an error. None: the standard
            output.
        what: it is, for error texts: "export".
        force: replace a file that has the name.

    Raises:
        ChatError: the file exists, or can't be written; the text says what to do.
    """
    check_force(to, force)
    if to is None:
        yield click.echo
        return
    from chat.server.logs.placing import not_written, placed

    with placed(to, what, force=force) as new, new.open("w", encoding="utf-8", newline="\n") as file:

        def into_it(line: str) -> None:
            try:
                file.write(f"{line}\n")
            except OSError as error:
                raise not_written(to, what, error) from error

        yield into_it
