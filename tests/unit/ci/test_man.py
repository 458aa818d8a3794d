"""The manual pages: a page shows all of its help text, whatever the text begins with."""

from __future__ import annotations

import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest

MAN: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[3] / ".ci" / "man.py"))


@click.group(
    epilog="""
    \b
    Examples:
      say hello       say it
      say '\\n'
    """
)
@click.option("--one", metavar="FILE", help="... and its other half.")
@click.option("--two", help="'quoted' and C:\\new")
@click.option("--secret", hidden=True)
def say() -> None:
    """Say something. And more.

    .hidden files are read.
    """


@say.command(hidden=True)
def unseen() -> None:
    """Do nothing."""


@say.command()
def again() -> None:
    """Say it again."""


def test_a_page_shows_every_line_of_a_help_text(tmp_path: Path) -> None:
    pages = dict(MAN["pages"](say, "say"))
    assert set(pages) == {"say.1", "say-again.1"}
    if shutil.which("groff") is None:
        pytest.skip("groff is missing: apt install groff")
    page = tmp_path / "say.1"
    page.write_text(pages["say.1"], encoding="utf-8")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-P-cbou", page], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    shown = " ".join(done.stdout.replace("’", "'").split())
    for text in (
        "say - Say something",
        ".hidden files are read.",
        "--one FILE ... and its other half.",
        "'quoted' and C:\\new",
        "say hello say it say '\\n'",
        "See say-again(1)",
    ):
        assert text in shown
    assert "secret" not in shown
    assert "unseen" not in shown
