"""``chat serve --tls auto``: others need the fingerprint and no more, this user's clients need nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import backends
from tests.support.processes import chat, chat_here, running

ENCRYPTED = [label.name for label in backends.techniques() if label.tls and label.server]
PORTS = [option for name in backends.KNOWN for option in ("--port-of", f"{name}=0")]
OTHER = "SHA256:" + "0" * 64


def test_other_people_need_the_fingerprint_and_this_user_nothing(state_dir: Path, tmp_path: Path) -> None:
    elsewhere = {"CHAT_STATE_DIR": str(tmp_path / "somebody else")}
    with running("serve", *PORTS, "--tls", "auto", "--json") as server:
        assert server.stdout is not None
        told = json.loads(server.stdout.readline())
        offers = {}
        for _ in backends.KNOWN:
            offer = json.loads(server.stdout.readline())
            offers[offer["technique"]] = offer
        assert told["authority"] == str(state_dir / "tls" / "authority.pem")
        for name in ENCRYPTED:
            done = chat("send", "-b", name, "--as", name, "found")
            assert (done.returncode, done.stderr) == (0, "")
            there = ["-b", name, "--server", f"127.0.0.1:{offers[name]['port']}", "--as", f"{name}-2"]
            for option in ("fingerprint", "ca", *(["CHAT_FINGERPRINT"] if name == ENCRYPTED[0] else [])):
                environment, arguments = dict(elsewhere), list(there)
                match option:
                    case "fingerprint":
                        arguments += ["--fingerprint", told["fingerprint"]]
                    case "CHAT_FINGERPRINT":
                        environment["CHAT_FINGERPRINT"] = told["fingerprint"]
                    case "ca":
                        arguments += ["--ca", told["authority"]]
                done = chat_here("send", *arguments, option, **environment)
                assert (done.returncode, done.stderr) == (0, "")
        shown = chat("status").stdout
        assert f"with TLS, fingerprint {told['fingerprint']}\n" in shown
        ours = {line.split()[0]: line for line in chat("doctor").stdout.splitlines() if line}
        for name in ENCRYPTED:
            assert " ok " in ours[name]
        for label in backends.techniques():
            if not label.tls and label.server:
                assert "cannot be encrypted" in offers[label.name]["reason"]
                none = chat("send", "-b", label.name, "--as", "ann", "x")
                assert none.returncode == 1
                assert "cannot be encrypted" in none.stderr
        server.kill()
        server.wait()
        gone = chat("send", "--as", "ann", "hello?")
        assert "start it again with chat serve --tls auto" in gone.stderr


def test_the_line_to_join_has_the_fingerprint_and_stays_the_same() -> None:
    joins = []
    for _ in range(2):
        with running("serve", "tcp", "--port", "0", "--log", "memory", "--tls", "auto") as server:
            assert server.stdout is not None
            fingerprint = server.stdout.readline().split()[1]
            assert "CHAT_FINGERPRINT" in server.stdout.readline()
            joins.append(server.stdout.readline().rstrip().rpartition(" ")[2])
        assert joins[-1] == fingerprint
    assert joins[0] == joins[1]


def test_a_wrong_fingerprint_is_one_line_with_both_and_what_to_do() -> None:
    with running("serve", "tcp", "--port", "0", "--log", "memory", "--tls", "auto", "--json") as server:
        assert server.stdout is not None
        right = json.loads(server.stdout.readline())["fingerprint"]
        port = json.loads(server.stdout.readline())["port"]
        told = chat("doctor", f"127.0.0.1:{port}", "-b", "tcp", "--fingerprint", OTHER)
    assert told.returncode == 1
    assert told.stdout.count("\n") == 1
    assert (
        f"its fingerprint is {right}, not {OTHER}: compare it with what the server's owner sees"
        in told.stdout
    )


def test_whom_clients_trust_is_no_matter_to_a_server_without_a_broker(tmp_path: Path) -> None:
    gone = {"CHAT_CA": str(tmp_path / "gone.pem"), "CHAT_FINGERPRINT": OTHER}
    with running("serve", "tcp", "--port", "0", "--log", "memory", **gone) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("tcp  ready")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["send", "--fingerprint", "SHA256:12", "x"], "64 hexadecimal digits"),
        (["send", "--fingerprint", OTHER, "--ca", "x.pem", "x"], "use one of them"),
        (["serve", "--tls", "auto", "--tls-cert", "x", "--tls-key", "y"], "leave it out, or --tls-cert"),
        (["serve", "--tls", "none"], "'auto'"),
    ],
)
def test_what_does_not_fit_together_is_wrong_usage(arguments: list[str], said: str) -> None:
    done = chat_here(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
