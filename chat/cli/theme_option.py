"""The option --theme, which several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from chat.cli.config import config_file

F = TypeVar("F", bound=Callable[..., Any])

THEMES = ("dark", "light", "high-contrast", "projector")
"""Those of `tui.themes.BUILT_IN`, which is loaded late."""


def complete_theme(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    own = [path.stem for path in folder.glob("*.toml")] if (folder := themes_folder()) else []
    return [name for name in (*THEMES, *sorted(own)) if name.startswith(begun)]


def themes_folder() -> Path | None:
    """Return the folder with the themes of this user, beside the settings file; None if no home is known."""
    file = config_file()
    return file and file.parent / "themes"


def theme_option(command: F) -> F:
    return click.option(
        "--theme",
        metavar="NAME",
        shell_complete=complete_theme,
        help="dark, light, high-contrast, projector, or one of yours.",
    )(command)
