"""Runs the application on a terminal, and says afterwards what was not sent."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from textual.app import App

from chat.client.lines import err
from chat.domain.validation import printable
from chat.language import N_
from chat.language.translation import translate
from tui.app import ChatApp

NAMED = 50
"""The most unsent lines that are named."""


def run(app: ChatApp) -> int:
    """Run the application until the user leaves.

    Returns:
        The exit code: 0; 1 if a message was not acknowledged; 128 + n if signal n has ended it.
    """
    failed = bool(run_app(app))
    if lost := app.rooms.unacknowledged:
        n = len(lost)
        were = N_(
            f"{n} {'messages were' if n > 1 else 'message was'} not sent or not acknowledged before you left:"
        )
        _name(were, lost)
    if drafts := app.rooms.drafts:
        _name(N_("you left without sending what you had begun:"), drafts)
    if app.ended_by:
        return 128 + app.ended_by
    return int(failed or bool(app.rooms.unacknowledged))


def run_app(app: App[None]) -> int:
    """Run any application, and return its exit code; what libraries say is shown only if it failed."""
    said = b""
    with _stderr_aside() as aside:
        app.run()
        if app.return_code and aside is not None:
            aside.seek(0)
            said = aside.read()
    with suppress(OSError):
        os.write(2, said)
    return app.return_code or 0


def _name(what: str, texts: list[str]) -> None:
    err(f"chat: {translate(what)}")
    for text in texts[:NAMED]:
        err("  " + printable(text).replace("\n", "\n  "))
    if len(texts) > NAMED:
        err("  " + translate(f"and {len(texts) - NAMED} more"))


@contextmanager
def _stderr_aside() -> Iterator[IO[bytes] | None]:
    """Keep what libraries write to stderr off the screen, if both are the same terminal.

    It is the file descriptor that is replaced: gRPC's core, which is written in C, knows no other.
    """
    if sys.platform == "win32" or not os.isatty(2):
        yield None
        return
    with tempfile.TemporaryFile() as aside:
        terminal = os.dup(2)
        os.dup2(aside.fileno(), 2)
        try:
            yield aside
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
