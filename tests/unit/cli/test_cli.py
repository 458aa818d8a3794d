"""The command line: what it prints, its exit codes, and that errors are one line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest

import backends
from backends.rabbitmq.private import programs
from chat.cli import options as cli
from chat.interfaces.settings import SWITCH, Setting
from tests.support.processes import CHAT, PATIENCE, chat, running, serving, tail

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")


def one_line(text: str) -> bool:
    return text.startswith("chat: ") and text.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        ["--backend", "nope", "send", "x"],
        ["send", "--backend", "tpc", "x"],
        ["serve", "nope"],
        ["serve", "--port", "1"],
        ["serve", "--port-of", "tcp"],
        ["serve", "--port-of", "nope=1"],
        ["tail", "--after", "x"],
        ["explain", "nope"],
        ["send", "--as", "a b", "x"],
        ["send", "--as", "", "x"],
        ["send", "--room", "Lab!", "x"],
        ["send", "--server", "a:b:c]", "x"],
        ["send", "--server", "a..b", "x"],
        ["serve", "tcp", "--open", "--token-file", __file__],
        ["serve", "tcp", "--fresh", "--log", "memory"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: list[str]) -> None:
    done = chat(*arguments)
    assert done.returncode == 2
    assert one_line(done.stderr), done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["send", "--server", "127.0.0.1:9", "x"], "line 1 was not sent: nothing listens on 127.0.0.1:9"),
        (["send", "--token-file", "nowhere", "x"], "cannot read the access token from nowhere"),
        (["serve", "--log", "nope:x"], "is no log"),
        ([], "this is no terminal"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_failure_says_what_happened_and_exits_with_1(arguments: list[str], says: str) -> None:
    done = chat(*arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_misspelt_backend_gets_a_hint() -> None:
    assert "did you mean tcp?" in chat("send", "--backend", "tpc", "x").stderr


@pytest.mark.parametrize(
    "command", ["", "serve", "send", "tail", "demo", "doctor", "explain", "techniques", "status", "stop"]
)
def test_every_command_has_help_that_fits_80_columns(command: str) -> None:
    done = chat(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: chat")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_techniques_json_holds_every_label_and_trait() -> None:
    labels = json.loads(chat("techniques", "--json").stdout)
    assert [label["name"] for label in labels] == list(backends.KNOWN)
    assert {"push", "ordered", "lossless", "resend"} <= labels[0]["traits"].keys()


@pytest.mark.parametrize(
    "arguments", [["techniques"], ["explain"], *(["explain", n] for n in backends.KNOWN)]
)
def test_what_is_shown_to_a_class_fits_80_by_24(arguments: list[str]) -> None:
    lines = chat(*arguments).stdout.splitlines()
    assert 2 <= len(lines) <= 23  # and the prompt
    assert max(map(len, lines)) <= 80


def test_send_and_tail_over_a_server_of_ones_own() -> None:
    with serving("--log", "memory") as (_, address):
        done = chat("send", "--server", address, "--as", "ann", "eins", "zwei\nlines")
        assert (done.returncode, done.stderr) == (0, "")
        done = chat("send", "--server", address, "--as", "bob", input="drei\n\x1b[31mrot\nvier\n")
        assert done.returncode == 1
        assert done.stderr == "line 2 was not sent: a message may not hold U+001B ESCAPE (character 1)\n"
        events = tail("--server", address, "--as", "eve", "--count", "10")
    sent = [event for event in events if event["kind"] == "sent"]
    assert [(event["author"], event["text"]) for event in sent] == [
        ("ann", "eins"),
        ("ann", "zwei\nlines"),
        ("bob", "drei"),
        ("bob", "vier"),
    ]
    fields = {"seq", "prev", "epoch", "kind", "room", "author", "technique", "id", "text", "at"}
    assert all(fields <= event.keys() for event in events)
    assert [event["prev"] for event in events] == [0, *(event["seq"] for event in events[:-1])]


def test_tail_exits_with_1_when_too_few_events_came() -> None:
    with serving("--log", "memory") as (_, address):
        done = chat("tail", "--server", address, "--as", "eve", "--count", "99", "--timeout", "0.2")
    assert done.returncode == 1


def test_a_pipe_that_closes_ends_tail_without_a_word() -> None:
    with (
        serving("--log", "memory") as (_, address),
        running("tail", "--server", address, "--as", "eve", "--json") as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        chat("send", "--server", address, "--as", "ann", "1", "2", "3", "4")
        process.wait(PATIENCE)
        assert process.stderr.read() == ""
        process.stdout = None


def test_a_line_that_is_no_utf8_is_named_and_the_others_are_sent() -> None:
    with serving("--log", "memory") as (_, address):
        done = subprocess.run(
            [*CHAT, "send", "--server", address, "--as", "ann"],
            input=b"first\nsec\xffond\n\nthird\n",
            capture_output=True,
            timeout=PATIENCE,
            env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
            check=False,
        )
        events = tail("--server", address, "--as", "eve", "--count", "4")
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(b"line 2 was not sent: a message may not hold U+DCFF")
    assert [event["text"] for event in events if event["kind"] == "sent"] == ["first", "third"]


def test_send_ends_when_the_server_does_not_come_though_the_input_goes_on() -> None:
    with (
        subprocess.Popen(["yes"], stdout=subprocess.PIPE) as endless,
        subprocess.Popen(
            [*CHAT, "send", "--server", "127.0.0.1:9", "--as", "ann"],
            stdin=endless.stdout,
            stderr=subprocess.DEVNULL,
        ) as sending,
    ):
        assert sending.wait(PATIENCE) == 1
        endless.kill()


def test_nothing_that_a_server_sends_moves_the_terminal() -> None:
    evil = "\x1b]52;c;ZXZpbA==\x07\x1b[2J"
    welcome = {
        "kind": "welcome",
        "room": "lab",
        "nick": f"ann{evil}",
        "seat": "s",
        "seat_key": "k",
        "epoch": "e",
        "first": 1,
        "head": 1,
        "n": 0,
        "limits": {},
        "members": [{"seat": "s", "nick": f"ann{evil}", "technique": "tcp"}],
    }
    event = {
        "kind": "sent",
        "seq": 1,
        "prev": 0,
        "at": 0,
        "author": f"bob{evil}",
        "text": f"hi{evil}",
        "id": 1,
    }
    with socket.create_server(("127.0.0.1", 0)) as hostile:
        port = hostile.getsockname()[1]

        def serve() -> None:
            for _ in range(2):
                peer, _address = hostile.accept()
                with peer, peer.makefile("rw") as lines:
                    lines.readline()
                    lines.write(json.dumps(welcome) + "\n" + json.dumps(event) + "\n")
                    lines.flush()
                    lines.readline()

        with ThreadPoolExecutor(1) as pool:
            served = pool.submit(serve)
            server = f"127.0.0.1:{port}"
            shown = chat("tail", "--server", server, "--as", "ann", "--count", "1")
            plain = chat("--plain", "--server", server, "--as", "ann", input="/who\n/quit\n")
            served.result(PATIENCE)
    assert "bob" in shown.stdout
    assert "ann" in plain.stdout
    for done in (shown, plain):
        assert not any(char in done.stdout + done.stderr for char in "\x1b\x07")


def test_plain_mode_talks_in_lines() -> None:
    with serving("--log", "memory") as (_, address):
        done = chat("--plain", "--server", address, "--as", "ann", input="hello\n/who\n/nope\n//slash\n")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert any(line.endswith("ann (tcp): hello") for line in lines)
    assert any(line.endswith("ann (tcp): /slash") for line in lines)
    assert "* ann (tcp)" in lines
    assert any(line.startswith("! there is no command /nope") for line in lines)


# --- serve -------------------------------------------------------------------------------------


def test_serve_says_where_it_listens_and_how_to_join() -> None:
    with running("serve", "tcp", "--port", "0", "--log", "memory") as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
    assert words[:2] == ["tcp", "ready"]
    assert words[3:] == ["join:", "chat", "--backend", "tcp", "--server", words[2]]


def test_a_taken_port_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = chat("serve", "tcp", "--log", "memory", "--port", str(port))
    assert done.returncode == 1
    assert f"127.0.0.1:{port} is in use" in done.stderr
    assert one_line(done.stderr)


def test_an_address_that_others_reach_gets_an_access_token() -> None:
    with running("serve", "tcp", "--port", "0", "--host", "0.0.0.0", "--log", "memory", "--json") as process:
        assert process.stdout is not None
        token = json.loads(process.stdout.readline())["access_token"]
        address = f"127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        refused = chat("send", "--server", address, "--as", "eve", "let me in")
        assert refused.returncode == 1
        assert "asks for an access token" in refused.stderr
        assert chat("send", "--server", address, "--as", "ann", "hello", CHAT_TOKEN=token).returncode == 0


def test_the_rate_is_paced_and_nothing_is_dropped() -> None:
    texts = [str(number) for number in range(60)]  # more than the burst of 50
    with serving("--log", "memory") as (_, address):
        done = chat("send", "--server", address, "--as", "ann", *texts)
        assert (done.returncode, done.stderr) == (0, "")
        events = tail("--server", address, "--as", "eve", "--count", "62")
    assert [event["text"] for event in events if event["kind"] == "sent"] == texts


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_server_cleanly_and_its_clients_are_told(tmp_path: Path, number: int) -> None:
    log = f"sqlite:{tmp_path / 'log.sqlite3'}"
    with serving("--log", log) as (server, address):
        assert chat("send", "--server", address, "--as", "ann", "remember").returncode == 0
        with socket.create_connection(tuple(address.split(":"))) as raw:  # type: ignore[arg-type]  # a str port will do
            raw.sendall(b'{"kind":"hello","nick":"bob"}\n')
            lines = raw.makefile()
            assert json.loads(lines.readline())["kind"] == "welcome"
            os.kill(server.pid, number)
            assert server.wait(3) == 0
            last = lines.readlines()[-1]
            assert json.loads(last)["code"] == "closing"
    with serving("--log", log) as (_, address):
        events = tail("--server", address, "--as", "eve", "--count", "3")
        assert events[-1]["text"] == "remember"


def test_a_second_server_on_a_log_names_the_first(tmp_path: Path) -> None:
    log = f"sqlite:{tmp_path / 'log.sqlite3'}"
    with serving("--log", log) as (server, _):
        done = chat("serve", "tcp", "--port", "0", "--log", log)
    assert done.returncode == 1
    assert str(server.pid) in done.stderr
    assert one_line(done.stderr)


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


def test_the_demo_without_a_terminal_ends_with_a_table(request: pytest.FixtureRequest) -> None:
    broker = {"CHAT_AMQP_URL": request.getfixturevalue("vhost")} if programs() else {}
    done = chat("demo", CHAT_TOKEN="of another server", CHAT_SERVE_HOST="0.0.0.0", **broker)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "each once, in order" in done.stdout.splitlines()[-1]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("rabbitmq  ")]
    assert ("each once, in order" if broker else "not here: no broker is here") in line


# --- what only some techniques have --------------------------------------------------------------


def test_a_setting_of_another_technique_is_wrong_usage() -> None:
    done = chat("send", "--backend", "tcp", "--trace", "console", "hello")
    assert (done.returncode, done.stdout) == (2, "")
    assert "tcp has no --trace" in done.stderr
    done = chat("serve", "tcp", "--log", "memory", "--trace", "console")
    assert done.returncode == 2
    assert "tcp has no --trace" in done.stderr


def test_a_setting_names_its_techniques_and_its_default() -> None:
    helped = " ".join(chat("send", "--help").stdout.split())
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


@pytest.mark.parametrize(
    "arguments",
    [["--room", "other", "send", "hi"], ["-b", "udp", "--loss", "1", "tail"], ["--plain", "techniques"]],
)
def test_an_option_before_a_command_is_not_dropped_without_a_word(arguments: list[str]) -> None:
    done = chat(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "which would not see it" in done.stderr


def test_several_servers_are_for_techniques_that_can_choose() -> None:
    done = chat("send", "--backend", "tcp", "--server", "127.0.0.1:1,127.0.0.1:2", "hello")
    assert done.returncode == 1
    assert "tcp takes one server, and 2 are given" in done.stderr
