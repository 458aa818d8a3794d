"""Histories as JSON lines: what is written is read, and what is no history is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chat.domain.errors import BadRequest
from chat.domain.json_codec import event_json
from chat.domain.model import Event
from lab.check.history import End, Entered, Fault, Invoke, Line, Saw, read_line, read_lines, write_line
from tests.support.processes import chat_here, one_line
from tests.unit.lab.check.test_judge import changed, good, of

EVENT = Event("sent", 7, 5, 1000, author="ann", seat="A", technique="tcp", n=1, id=7, text="zażółć")


@pytest.mark.parametrize(
    "line",
    [
        Entered(client="ann", at=0.5, room="lab", seat="A", head=3, technique="udp", lossless=False),
        Invoke(client="ann", at=1.25, op=1, text="zażółć"),
        Invoke(client="ann", at=1.25, op=2, act="deleted", id=7),
        Saw(client="ann", at=2.0, event=EVENT),
        Fault(name="loss 0.3", at=0.0, until=2.0, fired=4),
        EVENT,
    ],
    ids=lambda line: type(line).__name__,
)
def test_what_is_written_is_read(line: Line) -> None:
    assert read_line(write_line(line).encode()) == (line, "")


def test_an_exported_log_is_read_with_its_room() -> None:
    assert read_line(event_json(EVENT, "lab", "epoch").encode()) == (EVENT, "lab")


@pytest.mark.parametrize("line", [b"nonsense", b'{"record":"nope"}', b'{"record":"ok","client":"a"}', b"{}"])
def test_what_is_no_history_is_refused_with_its_place(line: bytes) -> None:
    with pytest.raises(BadRequest, match=r"^ann\.jsonl, line 3: "):
        list(read_lines([b"\n", write_line(EVENT).encode(), line], "ann.jsonl"))


def write(folder: Path, lines: list[Line]) -> list[str]:
    """Write the log into one file, and each client's history into its own."""
    texts: dict[str, list[str]] = {}
    for line in lines:
        texts.setdefault(getattr(line, "client", "log"), []).append(write_line(line) + "\n")
    for name, written in texts.items():
        (folder / f"{name}.jsonl").write_text("".join(written), encoding="utf-8")
    return [str(folder / f"{name}.jsonl") for name in texts]


def test_chat_lab_check_says_valid_and_exits_with_0(tmp_path: Path) -> None:
    done = chat_here("lab", "check", *write(tmp_path, good()))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("valid (2 clients, 2 operations, 3 entries, 4 deliveries")


def test_chat_lab_check_shows_the_shortest_counterexample_and_exits_with_1(tmp_path: Path) -> None:
    done = chat_here("lab", "check", *write(tmp_path, changed(of("bob", Saw, 1))))
    assert done.returncode == 1
    shown = done.stdout.splitlines()
    assert shown[0].startswith("invalid: not delivered: bob never saw 3 (sent)")
    place = shown.index("the shortest counterexample:")
    assert [json.loads(line).get("record", "log") for line in shown[place + 1 :]] == ["entered", "log", "end"]


def test_chat_lab_check_json_is_for_programs(tmp_path: Path) -> None:
    done = chat_here("lab", "check", "--json", *write(tmp_path, changed(of("bob", Saw, 1))))
    told = json.loads(done.stdout)
    assert told["verdict"] == "invalid"
    assert [(one["kind"], one["times"], len(one["counterexample"])) for one in told["violations"]] == [
        ("not delivered", 1, 3)
    ]


def test_chat_lab_check_exits_with_3_if_the_verdict_is_unknown(tmp_path: Path) -> None:
    lines = [*good(), Fault(name="loss 0.3", at=0, until=5, fired=0)]
    done = chat_here("lab", "check", *write(tmp_path, lines))
    assert (done.returncode, done.stdout.split(" (")[0]) == (3, "unknown: the fault loss 0.3 never hit")


def test_a_file_that_is_no_history_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("hello\n")
    done = chat_here("lab", "check", str(tmp_path / "x.jsonl"))
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert "x.jsonl, line 1: not JSON" in done.stderr


def test_a_long_line_is_shortened_for_people_and_whole_for_programs(tmp_path: Path) -> None:
    long = "x" * 3000
    lines: list[Line] = [Invoke(client="ann", at=3.0, op=3, text=long), End(client="ann", at=9.5)]
    files = write(tmp_path, [*(one for one in good() if one != of("ann", End)), *lines])
    assert max(map(len, chat_here("lab", "check", *files).stdout.splitlines())) < 500
    (told,) = json.loads(chat_here("lab", "check", "--json", *files).stdout)["violations"]
    assert long in [line.get("text") for line in told["counterexample"]]
