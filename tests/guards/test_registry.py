"""`backends.KNOWN` and the folders in `backends/` are the same list, and every folder has the same files."""

from __future__ import annotations

from pathlib import Path

import pytest

import backends
from chat.interfaces.client import ChatClient
from chat.interfaces.server import ChatServer
from lab import chapter

HOME = Path(backends.__file__).parent


def test_every_folder_is_known_and_everything_known_has_a_folder() -> None:
    folders = {place.parent.name for place in HOME.glob("*/*.py")}
    assert folders == set(backends.KNOWN)


@pytest.mark.parametrize("name", backends.KNOWN)
def test_a_chapter_is_about_its_technique(name: str) -> None:
    """It was not only copied from another one."""
    assert (HOME / name / "README.md").read_text(encoding="utf-8").startswith(f"# {name}: ")
    screen = chapter.explain(backends.technique(name))
    assert name in screen.splitlines()[0]
    assert f"port {backends.technique(name).port}" in " ".join(screen.split())


@pytest.mark.parametrize("name", [one.name for one in backends.techniques() if one.server])
def test_a_chapter_says_how_to_find_ones_own_server(name: str) -> None:
    """Its lines have the default port, where on a login server somebody else's room may be."""
    assert f"`chat status --port {name}`" in (HOME / name / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", backends.KNOWN)
def test_a_backend_has_the_files_that_all_have(name: str) -> None:
    wanted = {"__init__.py", "client.py", "README.md"}
    if backends.technique(name).server is not None:
        wanted.add("server.py")
    assert wanted <= {place.name for place in (HOME / name).iterdir()}


@pytest.mark.parametrize("name", backends.KNOWN)
def test_a_label_is_named_like_its_folder(name: str) -> None:
    assert backends.technique(name).name == name


@pytest.mark.parametrize("name", backends.KNOWN)
def test_a_label_names_a_client_and_a_server(name: str) -> None:
    technique = backends.technique(name)
    if technique.missing():
        pytest.skip(f"{name} can't be loaded here")
    assert issubclass(technique.load_client(), ChatClient)
    assert technique.server is None or issubclass(technique.load_server(), ChatServer)


def test_no_name_or_port_is_given_twice() -> None:
    techniques = backends.techniques()
    names = [name for technique in techniques for name in (technique.name, *technique.aliases)]
    ports = [technique.port for technique in techniques]
    assert len(set(names)) == len(names)
    assert len(set(ports)) == len(ports)


def test_a_wrong_name_is_answered_with_the_closest_one() -> None:
    with pytest.raises(ValueError, match="did you mean tcp"):
        backends.technique("tpc")
