"""Settings and folders: where the state lies, and who may read it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from chat.background import state_folder
from chat.cli import config
from chat.client.connect import login_name
from chat.domain.errors import ChatError
from tests.support.processes import chat_here, one_line

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
    file.write_bytes(b"\xff\xfe" + "from the file\r\n".encode("utf-16-le"))  # as PowerShell writes it
    assert config.access_token(str(file)) == "from the file"
    file.write_text("\n")
    with pytest.raises(ChatError, match="is empty"):
        config.access_token(str(file))


@pytest.mark.parametrize(
    ("token", "why"),
    [("open\tsesame", "control character"), (256 * "x", "more than 255"), (128 * "ä", "more than 255")],
)
def test_an_access_token_that_not_every_technique_can_carry_is_refused(
    monkeypatch: pytest.MonkeyPatch, token: str, why: str
) -> None:
    monkeypatch.setenv("CHAT_TOKEN", token)
    with pytest.raises(ChatError, match=f"in CHAT_TOKEN has .*{why}"):
        config.access_token(None)


def test_what_windows_wrote_is_read(state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = state_folder.state_dir()
    (folder / "access-token").write_bytes(b"\xef\xbb\xbfsesame\r\n")
    assert config.kept_token(folder) == "sesame"
    settings = tmp_path / "config.toml"
    settings.write_bytes(b'\xef\xbb\xbfroom = "lab"\r\n[serve]\r\nhost = "::1"\r\n')
    monkeypatch.setenv("CHAT_CONFIG", str(settings))
    assert config.read_config() == {"room": "lab", "serve": {"host": "::1"}}


# --- homes that are none ------------------------------------------------------------------------


@pytest.fixture
def unknown_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whom neither the environment nor the system knows, as in ``docker run --user 12345``."""
    for name in (*HOMES, "LOGNAME", "USER", "LNAME", "USERNAME", "CHAT_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)

    def unknown(number: object) -> None:
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", unknown)


HOMES = ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")


@posix
@pytest.mark.usefixtures("unknown_user")
@pytest.mark.parametrize("home", [None, "", "relative"])
def test_without_a_home_help_works_and_the_rest_says_what_to_set(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if home is not None:
        monkeypatch.setenv("HOME", home)
    monkeypatch.chdir(tmp_path)
    assert chat_here("--help").returncode == 0
    assert chat_here("techniques").returncode == 0
    for command in ("status", "serve", "tail"):
        done = chat_here(command)
        assert done.returncode == 1
        assert one_line(done.stderr)
        assert "no home folder here: set HOME to one, or set CHAT_STATE_DIR" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert login_name() == "guest"
    found = chat_here("status", CHAT_STATE_DIR=str(tmp_path / "state"))
    assert (found.returncode, found.stderr) == (1, "")


@posix
@pytest.mark.usefixtures("unknown_user")
def test_an_unknown_user_has_a_folder_too_where_the_home_is_on_a_network_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_STATE_DIR", str(tmp_path / "far"))
    monkeypatch.setattr(state_folder, "network_file_system", lambda path: "nfs4")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert state_folder.state_dir().name == f"wirechat-{os.getuid()}"


@posix
@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (os.devnull, "cannot use the state folder /dev/null/state: Not a directory"),
        ("caf\udce9", "the name of the state folder .*caf.*udce9/state is not UTF-8"),
        ("loop", "cannot use the state folder .*(loop|Too many levels)"),
    ],
    ids=["no folder", "not UTF-8", "a loop of links"],
)
def test_a_state_folder_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, reason: str
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    done = chat_here("status", CHAT_STATE_DIR=str(tmp_path / place / "state"))
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert re.search(reason, done.stderr)
    assert "set CHAT_STATE_DIR to a folder of yours" in done.stderr


@posix
@pytest.mark.parametrize("content", [None, b"\xff\xff", b"room = "], ids=["a folder", "no text", "no TOML"])
def test_help_works_whatever_the_settings_file_is(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "config.toml"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    done = chat_here("status", CHAT_CONFIG=str(file))
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert chat_here("--help", CHAT_CONFIG=str(file)).returncode == 0


def test_a_message_that_looks_like_help_is_sent_with_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("room = ")
    done = chat_here("send", "--", "--help", CHAT_CONFIG=str(file))
    assert done.returncode == 1
    assert "is not TOML" in done.stderr
