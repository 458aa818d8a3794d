"""Themes that the user has written: taken if they are right, left out and said if not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.cli.screen import known_theme
from tests.support.desk import Desk, chatting, until, write
from tui import own_themes, themes


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for themes; those that a test adds are gone after it."""
    folder = tmp_path / "themes"
    folder.mkdir()
    before = list(themes.THEMES), list(themes.NAMES)
    yield folder
    themes.THEMES[:], themes.NAMES[:] = before


def test_a_theme_has_the_colours_of_its_base_where_it_has_none(folder: Path) -> None:
    (folder / "sea.toml").write_text('base = "light"\nbackground = "#eef8ff"\nquiet = "navy"\n')
    assert own_themes.load(folder) == []
    (theme,) = themes.THEMES[len(themes.BUILT_IN) :]
    light = next(one for one in themes.BUILT_IN if one.name == "light")
    assert (theme.name, theme.background, theme.error) == ("sea", "#EEF8FF", light.error)
    assert theme.variables == {**light.variables, "quiet": "#000080"}
    assert not theme.dark


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a", b"background = ", "it is not TOML"),
        ("a", b"\xff\xff", "it is not TOML"),
        ("a", b'background = "blueish"', "the colour of background is no colour; write it like #5aa9e6"),
        ("a", b"background = 5", "the colour of background is no colour"),
        ("a", b'backgrond = "#000000"', "'backgrond' is no colour of a theme; did you mean background?"),
        ("a", b'base = "sea"', "its base is one of dark, light, high-contrast, projector"),
        ("a", b'base = ["dark"]', "its base is one of dark, light, high-contrast, projector"),
        ("a", b"#" * 70_000, "it has more than 65536 bytes"),
        ("dark", b"", "there is a theme of that name already"),
        ("A b", b"", "its name may have"),
    ],
)
def test_a_broken_one_is_said_and_the_others_are_there(
    folder: Path, name: str, content: bytes, why: str
) -> None:
    (folder / f"{name}.toml").write_bytes(content)
    (folder / "sea.toml").write_text('base = "light"')
    (complaint,) = own_themes.load(folder)
    assert f"{folder / name}.toml is left out: {why}" in complaint
    assert themes.NAMES[len(themes.BUILT_IN) :] == ["sea"]


def test_a_broken_one_that_was_chosen_is_said_and_the_chat_starts_with_the_usual_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHAT_CONFIG", str(folder.parent / "config.toml"))
    (folder / "sea.toml").write_text('background = "blueish"')
    assert known_theme("sea") is None
    assert f"chat: the theme {folder / 'sea.toml'} is left out: " in capsys.readouterr().err


def test_without_a_folder_there_are_none(tmp_path: Path) -> None:
    assert own_themes.load(tmp_path / "missing") == []


@pytest.fixture
def sea(folder: Path) -> None:
    (folder / "sea.toml").write_text('background = "#001122"')
    assert own_themes.load(folder) == []


@pytest.mark.usefixtures("sea")
async def test_it_can_be_chosen_in_the_chat() -> None:
    async with chatting(Desk()) as pilot:
        await write(pilot, "/theme sea", "enter")
        await until(pilot, lambda: pilot.app.theme == "sea")
        assert pilot.app.screen.styles.background.hex == "#001122"
