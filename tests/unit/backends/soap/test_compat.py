"""spyne on every Python that the project runs on: it loads without a word, and makes the same contract."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from backends.soap.spyne_compat import parse_header

STRICT = ("-W", "error", "-B")


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *STRICT, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("module", ["backends.soap.server", "backends.soap.client", "backends.soap.contract"])
def test_what_spyne_and_zeep_have_to_warn_of_is_not_heard(module: str) -> None:
    done = python("-c", f"import {module}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_compiled_anew_spyne_is_as_quiet(tmp_path: object) -> None:
    """Its escapes are warned of when it is compiled, not when it is loaded again."""
    done = python("-c", "import backends.soap.server", PYTHONPYCACHEPREFIX=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_follows_can_import_what_six_does_not_know() -> None:
    """Its importer is asked about every module, and must not warn about itself."""
    done = python("-c", "import backends.soap.server, pickletools, spyne.util.six.moves.urllib.parse")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("seed", ["0", "1", "42"])
def test_the_contract_does_not_depend_on_the_order_of_sets(seed: str) -> None:
    done = python("-m", "backends.soap.contract", "--check", PYTHONHASHSEED=seed)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "value", "parameters"),
    [
        ("text/xml", "text/xml", {}),
        ("text/xml; charset=utf-8", "text/xml", {"charset": "utf-8"}),
        ('application/soap+xml; charset="utf-8"; action="a;b"', "application/soap+xml", {"action": "a;b"}),
    ],
)
def test_a_header_is_split_as_cgi_did_it(line: str, value: str, parameters: dict[str, str]) -> None:
    found, given = parse_header(line)
    assert found == value
    assert parameters.items() <= given.items()
