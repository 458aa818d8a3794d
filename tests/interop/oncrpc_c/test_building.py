"""Building: one command, no warning, and a line that helps where something is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.foreign import INSTALL, SOURCES, make


def test_they_build_without_a_warning(programs: Path, tmp_path: Path) -> None:
    built = make(tmp_path)
    assert (built.returncode, built.stderr) == (0, "")
    assert {"chat-client", "chat-server"} <= {place.name for place in tmp_path.iterdir()}


def test_what_is_built_stays_out_of_the_sources(programs: Path) -> None:
    generated = {"chat.h", "chat.x", "stubs.c", "skeleton.c", "xdr.c"}
    assert generated & {place.name for place in SOURCES.iterdir()} == set()


@pytest.mark.parametrize("missing", ["rpcgen", "cc"])
def test_a_missing_tool_is_named_with_what_to_install(programs: Path, tmp_path: Path, missing: str) -> None:
    for name in {"rpcgen", "cc", "make"} - {missing}:
        place = shutil.which(name)
        assert place is not None
        (tmp_path / name).symlink_to(place)
    refused = make(tmp_path / "build", PATH=str(tmp_path))
    (line,) = [line for line in refused.stderr.splitlines() if missing in line]
    assert f"{missing} is missing: {INSTALL}" in line
    assert refused.returncode == 2
