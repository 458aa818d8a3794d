"""``chat serve --tls-cert``: what can be encrypted is, the rest is off, and clients need ``--ca``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trustme

import backends
from tests.support.processes import chat, chat_here, one_line, running

ENCRYPTED = [label.name for label in backends.techniques() if label.tls and label.server]
PLAIN = [
    label.name
    for label in backends.techniques()
    if not (label.tls or label.server is None or label.missing())
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued.private_key_pem.write_to_path(folder / "server.key")
    issued.cert_chain_pems[0].write_to_path(folder / "server.pem")
    return {path.name: str(path) for path in folder.iterdir()}


def test_people_talk_encrypted_and_only_with_the_authority(files: dict[str, str], state_dir: Path) -> None:
    everything = [option for name in backends.KNOWN for option in ("--port-of", f"{name}=0")]
    tls = ["--tls-cert", files["server.pem"], "--tls-key", files["server.key"]]
    with running("serve", *everything, *tls, "--json") as server:
        assert server.stdout is not None
        offers = {}
        for _ in backends.KNOWN:
            offer = json.loads(server.stdout.readline())
            offers[offer["technique"]] = offer
        for name in PLAIN:
            assert offers[name]["state"] == "off"
            assert "cannot be encrypted" in offers[name]["reason"]
        for name in ENCRYPTED:
            done = chat_here("send", "-b", name, "--as", name, "--ca", files["ca.pem"], f"over {name}")
            assert (done.returncode, done.stderr) == (0, "")
            done = chat_here("send", "-b", name, "--as", name, "no authority given")
            assert done.returncode == 1
            assert "speaks TLS: give --ca" in done.stderr
        count = str(3 * len(ENCRYPTED) + 2)  # each came, spoke and left; the room was opened, and one reads
        tail = chat_here("tail", "--ca", files["ca.pem"], "--json", "--after", "0", "--count", count)
        events = [json.loads(line) for line in tail.stdout.splitlines()]
        assert [one["text"] for one in events if one["kind"] == "sent"] == [f"over {n}" for n in ENCRYPTED]
        server.kill()
        server.wait()
        gone = chat_here("send", "--as", "ann", "hello?")
        assert gone.returncode == 1
        assert "start it again with chat serve --tls-cert --tls-key" in gone.stderr
    assert not (state_dir / "server.log").exists(), "no server without TLS was started in its place"


def test_a_client_that_wants_tls_gets_no_server_without(files: dict[str, str], state_dir: Path) -> None:
    nobody = chat_here("send", "--as", "ann", "--ca", files["ca.pem"], "hello")
    assert nobody.returncode == 1
    assert "start one with chat serve --tls auto" in nobody.stderr
    with running("serve", "tcp", "--port", "0", "--json") as server:
        assert server.stdout is not None
        server.stdout.readline()
        refused = chat_here("send", "--as", "ann", "--ca", files["ca.pem"], "hello")
    assert refused.returncode == 1
    assert "does not speak TLS: leave out --ca" in refused.stderr


@pytest.mark.parametrize("name", PLAIN)
def test_a_technique_that_cannot_be_encrypted_says_so(files: dict[str, str], name: str) -> None:
    tls = ["--tls-cert", files["server.pem"], "--tls-key", files["server.key"]]
    served = chat("serve", name, "--port", "0", "--log", "memory", *tls)
    assert (served.returncode, served.stdout) == (1, "")
    assert f"{name} cannot start: cannot be encrypted" in served.stderr
    sent = chat_here("send", "-b", name, "--ca", files["ca.pem"], "--as", "ann", "hello")
    assert sent.returncode == 1
    assert f"{name} cannot be encrypted here" in sent.stderr


def test_certificate_and_key_go_together(files: dict[str, str]) -> None:
    for option, name in (("--tls-cert", "server.pem"), ("--tls-key", "server.key")):
        done = chat_here("serve", "--log", "memory", option, files[name])
        assert done.returncode == 2
        assert "--tls-cert and --tls-key go together" in done.stderr


def secrets(file: Path) -> set[str]:
    """Return the lines of a key log."""
    return set(file.read_text().splitlines()) if file.exists() else set()


def test_whoever_has_the_key_log_can_decrypt_but_for_grpc(files: dict[str, str], tmp_path: Path) -> None:
    everything = [option for name in ENCRYPTED for option in ("--port-of", f"{name}=0")]
    tls = ["--tls-cert", files["server.pem"], "--tls-key", files["server.key"]]
    servers = tmp_path / "server"
    with running("serve", *ENCRYPTED, *everything, *tls, SSLKEYLOGFILE=str(servers)) as server:
        assert server.stdout is not None
        for _ in ENCRYPTED:
            server.stdout.readline()
        for name in ENCRYPTED:
            client = tmp_path / name
            arguments = ["-b", name, "--as", name, "--ca", files["ca.pem"], "hello"]
            assert chat("send", *arguments, SSLKEYLOGFILE=str(client)).returncode == 0
            assert secrets(client) <= secrets(servers)
            assert any(line.startswith("CLIENT_TRAFFIC_SECRET_0 ") for line in secrets(client)) == (
                name != "grpc"  # its library writes none
            )


def test_a_key_log_that_cannot_be_written_is_named(files: dict[str, str], tmp_path: Path) -> None:
    tls = ["--tls-cert", files["server.pem"], "--tls-key", files["server.key"]]
    for command in (
        ["serve", "tcp", "--port", "0", "--log", "memory", *tls],
        ["send", "--ca", files["ca.pem"], "x"],
    ):
        done = chat(*command, SSLKEYLOGFILE=str(tmp_path))
        assert done.returncode == 1
        assert one_line(done.stderr)
        assert f"cannot write {tmp_path}, which SSLKEYLOGFILE names: Is a directory" in done.stderr
