"""Settings and folders: where the state lies, and who may read it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chat.background import state_folder
from chat.cli import config
from chat.client.connect import login_name
from chat.domain.errors import ChatError

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")


@posix
def test_the_state_folder_is_private_even_if_it_was_not(state_dir: Path) -> None:
    assert state_folder.state_dir().stat().st_mode & 0o777 == 0o700
    state_dir.chmod(0o755)
    assert state_folder.state_dir().stat().st_mode & 0o777 == 0o700


def test_on_a_network_file_system_it_moves_to_this_machine_and_says_so(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        state_folder, "network_file_system", lambda path: "nfs4" if path == state_dir else None
    )
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    warnings: list[str] = []
    path = state_folder.state_dir(warnings.append)
    assert path.parent == tmp_path
    assert not state_dir.exists()
    (warning,) = warnings
    assert str(state_dir) in warning
    assert "nfs4" in warning
    assert str(path) in warning


@posix
def test_a_folder_of_somebody_else_is_refused(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state_folder.state_dir()
    monkeypatch.setattr("os.getuid", lambda: 4711)
    with pytest.raises(ChatError, match="belongs to somebody else"):
        state_folder.state_dir()


@pytest.mark.parametrize(
    ("login", "nick"),
    [("ann", "ann"), ("Ann Other", "guest"), ("a" * 40, "a" * 20), ("DOM\\ann", "DOM\\ann")],
)
def test_the_login_name_becomes_a_nick(login: str, nick: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: login)
    assert login_name() == nick


def test_an_access_token_comes_from_its_file_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_TOKEN", "from the environment")
    assert config.access_token(None) == "from the environment"
    file = tmp_path / "token"
    file.write_text("from the file\n")
    assert config.access_token(str(file)) == "from the file"
    file.write_text("\n")
    with pytest.raises(ChatError, match="is empty"):
        config.access_token(str(file))


@pytest.mark.parametrize(
    ("token", "why"),
    [("open\tsesame", "control character"), (257 * "x", "more than 256"), (129 * "ä", "more than 256")],
)
def test_an_access_token_that_not_every_technique_can_carry_is_refused(
    monkeypatch: pytest.MonkeyPatch, token: str, why: str
) -> None:
    monkeypatch.setenv("CHAT_TOKEN", token)
    with pytest.raises(ChatError, match=f"in CHAT_TOKEN has .*{why}"):
        config.access_token(None)
