"""What a user installs: the six packages with all their files, the manual pages, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import click
import pytest

from chat.cli.main import chat

ROOT = Path(__file__).parents[2]
PACKAGES = {"chat", "backends", "protos", "wsdl", "lab", "tui"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("wirechat-*.whl")
    with ZipFile(built) as opened:
        return opened


def packaged(wheel: ZipFile) -> set[str]:
    """Return the files of the packages: not those about the wheel, nor those beside the packages."""
    beside = (".dist-info", ".data")
    return {name for name in wheel.namelist() if not PurePosixPath(name).parts[0].endswith(beside)}


def test_it_holds_the_packages_with_every_file_and_nothing_else(wheel: ZipFile, tree: list[Path]) -> None:
    assert packaged(wheel) == {path.as_posix() for path in tree if path.parts[0] in PACKAGES}


def test_every_package_is_there(wheel: ZipFile) -> None:
    assert {name.split("/")[0] for name in packaged(wheel)} == PACKAGES


def test_it_brings_a_manual_page_for_each_command(wheel: ZipFile) -> None:
    def names(command: click.Command, name: str) -> Iterator[str]:
        yield f"{name}.1"
        for inner in command.commands.values() if isinstance(command, click.Group) else ():
            if not inner.hidden:
                yield from names(inner, f"{name}-{inner.name}")

    pages = {name.split(".data/data/")[1] for name in wheel.namelist() if ".data/" in name}
    assert pages == {f"share/man/man1/{name}" for name in names(chat, "chat")}


def test_it_brings_the_chapters_that_explain_shows(wheel: ZipFile) -> None:
    import backends

    names = set(wheel.namelist())
    assert {f"backends/{name}/README.md" for name in backends.KNOWN} <= names


def test_it_has_the_command_and_the_licence(wheel: ZipFile) -> None:
    names = wheel.namelist()
    assert any(name.endswith(".dist-info/entry_points.txt") for name in names)
    assert any(name.endswith("LICENSE") for name in names)
