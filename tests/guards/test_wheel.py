"""What a user installs: the six packages with all their files, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest

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


def test_it_holds_the_packages_with_every_file_and_nothing_else(wheel: ZipFile, tree: list[Path]) -> None:
    inside = {name for name in wheel.namelist() if ".dist-info/" not in PurePosixPath(name).parts[0] + "/"}
    assert inside == {path.as_posix() for path in tree if path.parts[0] in PACKAGES}


def test_every_package_is_there(wheel: ZipFile) -> None:
    assert {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" not in name} == PACKAGES


def test_it_brings_the_chapters_that_explain_shows(wheel: ZipFile) -> None:
    import backends

    names = set(wheel.namelist())
    assert {f"backends/{name}/README.md" for name in backends.KNOWN} <= names


def test_it_has_the_command_and_the_licence(wheel: ZipFile) -> None:
    names = wheel.namelist()
    assert any(name.endswith(".dist-info/entry_points.txt") for name in names)
    assert any(name.endswith("LICENSE") for name in names)
