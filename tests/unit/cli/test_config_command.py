"""``chat config``: what is shown, what is written, and a settings file with mistakes in it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.support.processes import chat_here, one_line


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config" / "config.toml"
    monkeypatch.setenv("CHAT_CONFIG", str(path))
    return path


def settings(*arguments: str, **environment: str) -> dict[str, list[str]]:
    """Return by name what `chat config` tells, before the first heading."""
    done = chat_here(*arguments, "config", **environment)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n[")[0].splitlines()[2:]
    return {words[0]: words[1:] for words in map(str.split, lines) if words}


def test_each_setting_is_shown_with_where_it_comes_from(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('theme = "light"\nroom = "filed"\nas = "ann"\n')
    found = settings("--theme", "dark", CHAT_ROOM="env")
    assert found["theme"] == ["dark", "command", "line"]
    assert found["room"] == ["env", "environment", "(CHAT_ROOM)"]
    assert found["as"] == ["ann", "file"]
    assert found["inspect"] == ["false", "default"]


@pytest.mark.parametrize("password", ["sesame", "ses@me", "ses:me#"])
def test_a_password_is_not_shown(password: str) -> None:
    done = chat_here("config", CHAT_SERVE_LOG=f"amqp://chat:{password}@broker:5672/lab")
    assert password not in done.stdout
    assert "amqp://chat:••••••@broker:5672/lab" in done.stdout


def test_the_settings_of_other_commands_are_shown_if_asked_for(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('[log.export]\nformat = "md"\n[keys]\nfind = "f20"\n')
    shown = chat_here("config", "--all").stdout
    assert "\nformat   md     file\n" in shown.split("\n[log.export]")[1].split("\n\n")[0] + "\n"
    assert "\nfind     f20        file\n" in shown.split("\n[keys]")[1]


def test_the_file_that_is_written_shows_every_default_and_changes_nothing(file: Path) -> None:
    before = settings()
    done = chat_here("config", "--write")
    assert (done.returncode, done.stdout) == (0, f"{file}\n")
    text = file.read_text(encoding="utf-8")
    assert tomllib.loads(text) == {"serve": {}, "keys": {}}
    assert '# The room.\n#room = "lab"\n' in text
    assert settings() == before
    uncommented = "\n".join(line.removeprefix("#") for line in text.splitlines() if line[:2] != "# ")
    found = tomllib.loads(uncommented)
    assert found["room"] == "lab"
    assert found["keys"]["find"] == "ctrl+f"
    done = chat_here("config", "--write")
    assert (done.returncode, one_line(done.stderr)) == (1, True)
    assert file.read_text(encoding="utf-8") == text


def test_set_changes_one_value_and_keeps_everything_else(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('# mine\nroom = "lab"  # the usual\n\n[serve]\n# later\nport = 1\n')
    for key, value in [
        ("room", "den"),
        ("serve.port", "8099"),
        ("serve.faults", "true"),
        ("keys.find", "f20"),
    ]:
        assert chat_here("config", "set", key, value).returncode == 0
    text = file.read_text(encoding="utf-8")
    assert text.startswith('# mine\nroom = "den"  # the usual\n\n[serve]\n# later\nport = 8099\n')
    assert tomllib.loads(text)["serve"] == {"port": 8099, "faults": True}
    assert tomllib.loads(text)["keys"] == {"find": "f20"}


def test_set_makes_the_file(file: Path) -> None:
    assert chat_here("config", "set", "as", "ann").returncode == 0
    assert file.read_text(encoding="utf-8") == 'as = "ann"\n'


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("thme", "light", "thme: there is no such setting; did you mean theme?"),
        ("serv.host", "::1", "serv: there is no such command; did you mean serve?"),
        ("serve.port", "many", "'many' is not a valid integer"),
        ("room", "Not A Room", "is not a room name"),
        ("keys.find", "q", "'q' is no key"),
        ("keys.find", "ctrl+o", "Ctrl+O is the key of who"),
        ("keys.fnd", "f7", "there is no command 'fnd'; did you mean find?"),
    ],
)
def test_set_refuses_what_no_command_would_take(file: Path, key: str, value: str, why: str) -> None:
    done = chat_here("config", "set", key, value)
    assert done.returncode == 2
    assert one_line(done.stderr)
    assert why in done.stderr
    assert not file.exists()


def test_a_value_of_another_type_is_said_and_the_rest_counts(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(
        "room = ['den']\nas = true\nserver = 1979-05-27\nplain = 3\nhistory = []\nkeys = 5\ntheme = 'light'\n"
        "[send]\nroom = 1.5\nbackend = [[]]\n"
    )
    done = chat_here("config")
    assert done.returncode == 0
    assert "\ntheme        light" in done.stdout
    text, flag = "write a text in quotation marks, or a number", "write true or false"
    assert done.stderr.splitlines() == [
        f"chat: {file}, room: {text}",
        f"chat: {file}, as: {text}",
        f"chat: {file}, server: {text}",
        f"chat: {file}, plain: {flag}",
        f"chat: {file}, history: {flag}",
        f"chat: {file}, send.backend: {text}",
        f"chat: {file}, keys: it is a table: write the keys below [keys]",
    ]


def test_true_switches_a_setting_of_a_technique_on_and_false_does_not(file: Path) -> None:
    file.parent.mkdir()
    for written, told in (("true", ["on", "file"]), ("false", ["-", "default"])):
        file.write_text(f"repair = {written}\n")
        assert settings()["repair"] == told


def test_one_text_is_enough_where_there_may_be_several(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('[log.export]\nroom = "den"\n')
    assert "den" in chat_here("config", "--all").stdout.split("\n[log.export]")[1].split("\n\n")[0]


def test_a_key_that_nobody_knows_is_said_and_the_rest_counts(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('rom = "den"\nas = "ann"\nserve = 5\n[snd]\nroom = "x"\n[send]\nrooom = "y"\n')
    done = chat_here("config")
    assert done.returncode == 0
    assert "\nas           ann" in done.stdout
    assert done.stderr.splitlines() == [
        f"chat: {file}, rom: there is no such setting; did you mean room?",
        f"chat: {file}, serve: it is a command: write its settings into a table",
        f"chat: {file}, snd: there is no such command; did you mean send?",
        f"chat: {file}, send.rooom: there is no such setting; did you mean room?",
    ]
