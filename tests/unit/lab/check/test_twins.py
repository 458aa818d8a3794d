"""The checker is proven: for every broken twin it says invalid, for what is not broken valid."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

import backends
from chat.interfaces.technique import load
from lab.check.score import Trial, try_real, try_textbook, try_twin
from lab.check.twins import TWINS, Twin, explanation, find
from tests.support.processes import chat, chat_here, one_line, running, serving

KEPT: dict[str, str] = json.loads(
    (Path(__file__).parents[4] / "docs" / "checker.json").read_text(encoding="utf-8")
)
"""What `docs/reliability.md` says."""
WITH_TWINS = sorted({twin.technique for twin in TWINS})
SEEDS = [1, 2, 3]
TEXTBOOKS = {"tcp": "lab.check.textbook_tcp:TextbookTcp", "udp": "lab.check.textbook_udp:TextbookUdp"}


@pytest.fixture(scope="module")
def trials() -> dict[str, Trial]:
    """Every trial by the name of its server and its seed; all at the same time, because they mostly wait."""
    for name in WITH_TWINS:  # here and not on the loop: an import reads files
        label = backends.technique(name)
        for one in (label.load_client, label.load_server, label.load_decoder):
            one()
    for twin in TWINS:
        load(twin.server)
    return asyncio.run(all_trials())


async def all_trials() -> dict[str, Trial]:
    label = backends.technique
    async with asyncio.TaskGroup() as group:
        trying = {f"{twin.name} 1": try_twin(label(twin.technique), twin) for twin in TWINS}
        for name in WITH_TWINS:
            trying[TEXTBOOKS[name]] = try_textbook(label(name), TEXTBOOKS[name])
            trying |= {f"{name} {seed}": try_real(label(name), seed) for seed in SEEDS}
        tasks = {name: group.create_task(one) for name, one in trying.items()}
    return {name: task.result() for name, task in tasks.items()}


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: f"{twin.technique}-{twin.flaw}")
def test_the_checker_catches_every_twin(twin: Twin, trials: dict[str, Trial]) -> None:
    trial = trials[f"{twin.name} 1"]
    assert trial.passed, trial.verdict.line
    assert KEPT[twin.name].startswith("invalid: ")
    assert twin.caught_as in KEPT[twin.name]


def test_the_page_has_a_verdict_about_each_twin_and_each_real_server() -> None:
    assert set(KEPT) == {twin.name for twin in TWINS} | set(WITH_TWINS)
    assert {KEPT[name] for name in WITH_TWINS} == {"valid"}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", WITH_TWINS)
def test_the_real_server_is_valid(name: str, seed: int, trials: dict[str, Trial]) -> None:
    assert_valid(trials[f"{name} {seed}"])


@pytest.mark.parametrize("name", WITH_TWINS)
def test_what_the_twins_are_made_from_is_valid(name: str, trials: dict[str, Trial]) -> None:
    """So a twin is caught for its flaw and for nothing else."""
    assert_valid(replace(trials[TEXTBOOKS[name]], name=name))


def assert_valid(trial: Trial) -> None:
    assert trial.passed, trial.verdict.line
    counted = trial.verdict.counted
    assert counted["fault hits"] > 0
    assert counted["operations"] > 30
    if not backends.technique(trial.name).traits.resend:
        assert counted["indefinite"] > 0  # an answer was lost, and nothing was sent again


@pytest.mark.parametrize("name", backends.KNOWN)
def test_the_label_names_exactly_the_twins_that_there_are(name: str) -> None:
    flaws = [twin.flaw for twin in TWINS if twin.technique == name]
    offered = [one.choices for one in backends.technique(name).settings if one.name == "naive"]
    assert offered == ([("off", *flaws)] if flaws else [])


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: f"{twin.technique}-{twin.flaw}")
def test_a_twin_breaks_one_method_of_the_textbook_server(twin: Twin) -> None:
    kind, base = load(twin.server), load(TEXTBOOKS[twin.technique])
    assert kind.__mro__[1] is base
    assert kind.__doc__


def test_serve_naive_explains_the_twin_and_tells_how_to_join() -> None:
    twin = find("tcp", "framing")
    assert twin is not None
    with running("serve", "tcp", "--naive", "framing", "--port", "0") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip("\n") for _ in range(5)]
    assert lines[:4] == explanation(twin)
    assert lines[4].startswith("tcp  ready  127.0.0.1:")


def test_a_served_twin_is_nobodys_own_server() -> None:
    with running("serve", "tcp", "--naive", "utf8", "--port", "0", "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["state"] == "ready"
        assert chat_here("status").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["udp", "--naive", "framing"], "udp has no --naive framing: it has off, double-apply, unnamed-loss"),
        (["grpc", "--naive", "framing"], "grpc has no --naive"),
        (["--naive", "framing"], "--naive needs exactly one technique"),
        (["tcp", "udp", "--naive", "double-apply"], "--naive needs exactly one technique"),
        (["tcp", "--naive", "utf8", "--host", "0.0.0.0"], "--naive serves this machine only"),
        (["tcp", "--naive", "utf8", "--log", "sqlite:x"], "--naive and --log contradict each other"),
        (["tcp", "--naive", "utf8", "--tls", "auto"], "--naive and --tls contradict each other"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_twin_that_cannot_be_served_so_is_wrong_usage(arguments: list[str], says: str) -> None:
    done = chat_here("serve", *arguments)
    assert done.returncode == 2
    assert one_line(done.stderr)
    assert says in done.stderr


@pytest.mark.parametrize(("options", "verdict"), [((), "valid"), (("--naive", "double-apply"), "invalid")])
def test_what_chat_lab_record_writes_is_judged_by_chat_lab_check(
    options: tuple[str, ...], verdict: str, tmp_path: Path
) -> None:
    with serving("--log", "memory", *options) as (_, address):
        done = chat("lab", "record", str(tmp_path / "run"), "--server", address, "--patience", "5")
    assert done.returncode == 0, done.stderr
    files = done.stdout.split()
    assert {Path(file).name for file in files} == {
        "ann.jsonl", "bob.jsonl", "cas.jsonl", "faults.jsonl", "log.jsonl",
    }  # fmt: skip
    judged = chat_here("lab", "check", "--json", *files)
    assert json.loads(judged.stdout)["verdict"] == verdict
    again = chat_here("lab", "record", str(tmp_path / "run"), "--server", address)
    assert (again.returncode, one_line(again.stderr)) == (1, True)
    assert "is not empty" in again.stderr
