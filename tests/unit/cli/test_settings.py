"""Settings: where their values come from, and those that only some techniques have."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

import backends
from chat.cli import options as cli
from chat.interfaces.settings import SWITCH, Setting
from tests.support.processes import chat, chat_here, one_line, serving, tail


def test_settings_come_from_the_file_the_environment_and_flags_in_that_order(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[send]\nroom = "filed"\n')
    with serving("--log", "memory") as (_, address):
        for room, more in [("filed", {}), ("env", {"CHAT_SEND_ROOM": "env"})]:
            done = chat("send", "--server", address, "--as", "a", "x", CHAT_CONFIG=str(config), **more)
            assert done.returncode == 0
            assert tail("--server", address, "--as", "b", "--room", room, "--count", "3")[-1]["text"] == "x"
        done = chat(
            "send",
            "--server",
            address,
            "--as",
            "a",
            "--room",
            "flag",
            "x",
            CHAT_CONFIG=str(config),
            CHAT_SEND_ROOM="env",
        )
        assert tail("--server", address, "--as", "b", "--room", "flag", "--count", "3")[-1]["text"] == "x"


def test_a_broken_settings_file_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("room =")
    done = chat("status", CHAT_CONFIG=str(config))
    assert done.returncode == 1
    assert "is not TOML" in done.stderr
    assert one_line(done.stderr)


def test_a_setting_of_another_technique_is_wrong_usage() -> None:
    done = chat_here("send", "--backend", "tcp", "--trace", "console", "hello")
    assert (done.returncode, done.stdout) == (2, "")
    assert "tcp has no --trace" in done.stderr
    done = chat_here("serve", "tcp", "--log", "memory", "--trace", "console")
    assert done.returncode == 2
    assert "tcp has no --trace" in done.stderr


def test_a_setting_names_its_techniques_and_its_default() -> None:
    helped = " ".join(chat_here("send", "--help").stdout.split())
    for label in backends.techniques():
        for setting in label.settings:
            assert (f"--{setting.name} " in helped) == setting.client
            if setting.client and setting.choices != SWITCH and setting.usual:
                assert f"{setting.summary} (default: {setting.usual})" in helped


def given(setting: Setting, *arguments: str) -> dict[str, str]:
    """What a command gets as ``settings`` that has an option for this one alone."""
    got: list[dict[str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "_settings", lambda side: iter([(setting, "morse")]))
        command = click.command()(cli.settings_options("client")(lambda settings: got.append(settings)))
    command.main(["--" + setting.name, *arguments] if arguments != ("unsaid",) else [], standalone_mode=False)
    return got[0]


def test_a_switch_is_a_flag_without_a_value() -> None:
    switch = Setting("repair", "send again", SWITCH)
    assert given(switch) == {"repair": "on"}
    assert given(switch, "unsaid") == {}
    assert (switch.among({}), switch.among({"repair": "on"})) == ("off", "on")


def test_a_free_value_is_checked_where_it_is_typed() -> None:
    speed = Setting("speed", "words a minute", default="20", check=int)
    assert given(speed, "25") == {"speed": "25"}
    assert speed.among({}) == "20"
    with pytest.raises(click.BadParameter, match="invalid literal"):
        given(speed, "fast")


def test_an_option_of_several_techniques_takes_the_values_of_all() -> None:
    helped = " ".join(chat_here("serve", "--help").stdout.split())
    flaws = {
        flaw
        for label in backends.techniques()
        for setting in label.settings
        if setting.name == "naive"
        for flaw in setting.choices[1:]
    }
    assert flaws
    told = helped.split("--naive FLAW tcp, udp: serve a broken twin, for lessons: ")[1].split(".")[0]
    assert set(told.split(", ")) == flaws


def test_a_value_that_only_another_technique_has_is_wrong_usage() -> None:
    done = chat_here("serve", "udp", "--naive", "utf8", "--log", "memory")
    assert done.returncode == 2
    assert "udp has no --naive utf8: it has off, double-apply, unnamed-loss" in done.stderr
