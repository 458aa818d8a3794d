"""A broker where there is none: found or started, shared by all terminals, gone after its last user."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from backends.rabbitmq import broker
from backends.rabbitmq.broker import Record, accepts_guest, daemon, find
from backends.rabbitmq.private import kill_groups
from chat.domain.errors import ChatError, ConnectionLost
from tests.support.broker import wanted
from tests.support.processes import chat

FREE = 9  # the discard port: nothing listens


@pytest.fixture(autouse=True)
def no_broker_on_the_usual_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "PORT", FREE)


@pytest.fixture
def folder(state_dir: Path) -> Iterator[Path]:
    """A state folder; the private broker that a test leaves in it is ended."""
    wanted()
    state_dir.mkdir(mode=0o700)
    yield state_dir
    end(state_dir)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder for all tests that only need a private broker: each finds the one of the test before."""
    wanted()
    folder = tmp_path_factory.mktemp("private", numbered=False)
    folder.chmod(0o700)
    yield folder
    end(folder)


def end(folder: Path) -> None:
    """End the private broker of a state folder, if there is one."""
    if (record := daemon(folder).read()) is not None:
        if psutil.pid_exists(record.pid):
            os.kill(record.pid, signal.SIGTERM)
            psutil.wait_procs([psutil.Process(record.pid)], timeout=20)
        kill_groups(record.groups, record.folder)


def record_in(folder: Path) -> Record:
    record = daemon(folder).read()
    assert record is not None
    return record


def alive(record: Record) -> bool:
    return any(psutil.pid_exists(group) for group in record.groups)


def until_gone(record: Record) -> None:
    for pid in (record.pid, *record.groups):
        if psutil.pid_exists(pid):
            gone, _ = psutil.wait_procs([psutil.Process(pid)], timeout=20)
            assert gone


# --- which one -----------------------------------------------------------------------------------


def test_the_one_that_is_named_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_AMQP_URL", "amqp://ann:secret@example.org:5673/lab")
    found = find(folder, spawn=False)
    assert (found.address.host, found.address.port) == ("example.org", 5673)
    assert found.how == "named by CHAT_AMQP_URL"
    assert "secret" not in f"{found.address} {found}"


def test_a_name_that_is_none_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_AMQP_URL", "http://ann:secret@example.org/")
    with pytest.raises(ChatError, match=r"CHAT_AMQP_URL: .* is no address here") as error:
        find(folder, spawn=False)
    assert "secret" not in str(error.value)


def test_on_its_usual_port_one_is_taken_that_accepts_guest(
    folder: Path, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(vhost.rpartition("@")[2].partition("/")[0].rpartition(":")[2])
    monkeypatch.setattr(broker, "PORT", port)
    assert not accepts_guest("127.0.0.1", port), "its only user is another one"
    with pytest.raises(ConnectionLost):
        find(folder, spawn=False)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x01" + b"\xff" * 20])
def test_what_is_no_broker_is_not_taken(folder: Path, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def once() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(8)
                connection.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        assert not accepts_guest("127.0.0.1", server.getsockname()[1])
        thread.join()


def test_without_any_it_is_one_line_with_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "programs", lambda: None)
    with pytest.raises(ChatError) as missing:
        find(folder, spawn=True)
    text = str(missing.value)
    assert "\n" not in text
    for way in (
        "apt-get install --no-install-recommends rabbitmq-server",
        "brew install rabbitmq",
        "docker compose up -d rabbitmq",
        "CHAT_AMQP_URL",
    ):
        assert way in text


def test_nothing_is_started_for_who_only_looks(folder: Path) -> None:
    with pytest.raises(ConnectionLost, match="chat --backend rabbitmq starts a private one"):
        find(folder, spawn=False)
    assert not (folder / "broker").exists()


# --- a private one -------------------------------------------------------------------------------


def test_two_terminals_at_once_start_one_and_share_it(shared: Path) -> None:
    end(shared)
    program = (
        "import sys; from pathlib import Path; from backends.rabbitmq import broker;"
        f"broker.PORT = {FREE}; print(broker.find(Path(sys.argv[1]), spawn=True).address.url)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", program, str(shared)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    urls = {process.communicate(timeout=60)[0] for process in both}
    assert urls == {record_in(shared).url + "\n"}
    assert find(shared, spawn=True).private
    assert (shared / "broker.json").stat().st_mode & 0o077 == 0


def test_no_password_is_in_the_list_of_processes(shared: Path) -> None:
    find(shared, spawn=True)
    record = record_in(shared)
    password = record.url.partition("@")[0].rpartition(":")[2]
    for pid in (record.pid, *record.groups):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            assert password not in " ".join(one.cmdline())


def test_it_is_started_again_when_it_is_killed_with_its_data_on_the_same_port(shared: Path) -> None:
    url = find(shared, spawn=True).address.url
    before = record_in(shared)
    assert chat("send", "-b", "rabbitmq", "--server", url, "--as", "ann", "before").returncode == 0
    time.sleep(2)  # a stream that is younger than that would not outlive it: RabbitMQ's, not ours
    for group in before.groups[1:]:
        os.killpg(group, signal.SIGKILL)
    while record_in(shared).groups == before.groups:
        time.sleep(0.1)
    assert record_in(shared).url == url
    seen = chat("tail", "-b", "rabbitmq", "--server", url, "--as", "bob", "--after", "0", "--count", "4")
    assert "ann (rabbitmq): before" in seen.stdout


def test_what_a_killed_daemon_leaves_behind_is_ended_by_the_next(shared: Path) -> None:
    find(shared, spawn=True)
    first = record_in(shared)
    os.kill(first.pid, signal.SIGKILL)
    until_gone(Record(first.pid, "", (), ""))
    assert alive(first)
    second = find(shared, spawn=True)
    assert second.address.url != first.url
    until_gone(first)


def test_it_ends_after_its_last_user_and_leaves_nothing(folder: Path) -> None:
    private = daemon(folder)
    record = private.start(["backends.rabbitmq.broker_daemon", str(folder), "1"], os.environ)
    with socket.create_connection(("127.0.0.1", find(folder, spawn=False).address.port)) as user:
        user.sendall(b"AMQP\x00\x00\x09\x01")
        time.sleep(2.5)
        assert alive(record), "while somebody is connected it stays"
    until_gone(record)
    assert not (folder / "broker").exists()
    assert private.read() is None
