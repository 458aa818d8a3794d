"""`chat lab`: whether a server keeps what it promises, judged from histories and in a soak."""

from __future__ import annotations

import json
from pathlib import Path

import click

import backends
from chat.cli.options import (
    FAILED,
    backend_option,
    chosen,
    no_spawn_option,
    server_option,
    settings_options,
    token_option,
    warn,
)
from chat.cli.signals import as_interrupt
from chat.domain.errors import ChatError
from chat.interfaces.technique import Technique

UNKNOWN = 3
"""The exit code of a verdict that is neither valid nor invalid."""


@click.group(short_help="Judge what clients saw, and what a server keeps.")
def lab() -> None:
    """Whether a server keeps what it promises: histories, and a checker that judges them."""


@lab.command(
    epilog="""
    \b
    Examples:
      chat lab check run/*.jsonl          the histories of a run, and its log
      chat lab check ann.jsonl bob.jsonl log.jsonl --json

    docs/reliability.md describes the files.
    """
)
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False)
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(files: tuple[str, ...], as_json: bool) -> int:
    """Judge the histories of clients, and what each saw, against the log of the room.

    The log is what chat log export, or chat tail --after 0 --json, writes. Exit code 0: valid. 1: invalid;
    the shortest counterexample is shown. 3: unknown, because the histories could show no fault.
    """
    from chat.client.lines import out, out_json
    from chat.domain.validation import printable
    from lab.check import report
    from lab.check.judge import judge

    try:
        verdict = judge(report.read_files(files))
    except OSError as error:
        raise ChatError(f"cannot read {error.filename}: {error.strerror}") from None
    if as_json:
        out_json(json.dumps(report.as_dict(verdict)))
    else:
        out("\n".join(printable(line) for line in report.lines(verdict)))
    return {"valid": 0, "invalid": FAILED, "unknown": UNKNOWN}[verdict.state]


@lab.command(
    epilog="""
    \b
    Examples:
      chat lab record run                          your own server, over TCP
      chat lab record run -b udp --script 7        another technique, other words
      chat lab record run --server 127.0.0.1:9000  a server of your own making
      chat lab check run/*.jsonl                   and what came of it
    """
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@backend_option
@server_option
@token_option
@no_spawn_option
@settings_options("client")
@click.option("--script", "number", type=int, default=1, show_default=True, metavar="N",
              help="Other words, another order, other faults: a number repeats a run.")  # fmt: skip
@click.option("--patience", type=click.FloatRange(1, 600), default=15.0, show_default=True, metavar="S",
              help="Wait S seconds for answers and events.")  # fmt: skip
def record(
    folder: Path,
    backend: Technique | None,
    server: str | None,
    token_file: str | None,
    no_spawn: bool,
    settings: dict[str, str],
    number: int,
    patience: float,
) -> int:
    """Let three clients talk to a server, with faults on their wire, and write their histories into FOLDER.

    They talk in the room "check". FOLDER gets one file a client, one for the faults and one for the log.
    """
    from chat.background.state_folder import state_dir
    from chat.cli.config import access_token
    from chat.cli.signals import run
    from chat.client.connect import Place, check_place, locate
    from chat.client.lines import out
    from lab.check.recorder import record as record_run
    from lab.check.recorder import write
    from lab.check.script import script

    technique = backend or backends.technique(backends.KNOWN[0])
    settings = chosen(settings, [technique], "client")
    if folder.exists() and any(folder.iterdir()):
        raise ChatError(f"{folder} is not empty: histories of two runs must not be mixed")
    place = Place(server, state_dir(warn), not no_spawn, access_token(token_file))
    given = check_place(place, technique)

    async def recorded() -> int:
        found = await locate(place, technique, given)
        if found.trust is not None:
            raise ChatError("the faults are on a wire without TLS: record a server that has none")
        lines = await record_run(
            technique,
            found.addresses[0],
            script(number, technique.transport(settings)),
            settings=settings,
            access=found.access,
            seed=number,
            patience=patience,
        )
        for file in write(lines, folder):
            out(str(file))
        return 0

    return run(recorded())


@lab.command(
    short_help="One fault, eight answers: trials over every technique.",
    epilog="""
    \b
    Examples:
      chat lab faults                             every trial, over every technique
      chat lab faults -b udp --scenario loss      one of them, with 30 seeds
      chat lab faults -b rest --scenario stall --seeds 1 --seed 17
    """,
)
@backend_option
@click.option("--repair", is_flag=True, help="udp: with clients that repair.")
@click.option("--scenario", metavar="NAME", help="Only this one; a wrong NAME lists them.")
@click.option("--seeds", type=click.IntRange(1, 200), default=30, show_default=True, help="How many.")
@click.option("--seed", type=click.IntRange(1), default=1, show_default=True, help="The first of them.")
@click.option("--server", metavar="URL", help="The broker of techniques that have one; else it is found.")
@click.option("--keep", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path),
              help="Keep the histories there, a file a trial, for chat lab check.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Every outcome.")
@click.option("--write", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Also write it into this page, with its picture.")  # fmt: skip
@as_interrupt()
def faults(
    backend: Technique | None,
    repair: bool,
    scenario: str | None,
    seeds: int,
    seed: int,
    server: str | None,
    keep: Path | None,
    as_json: bool,
    write: Path | None,
) -> int:
    """Let the same go wrong over each technique, with many seeds, and let the checker judge what came of it.

    It starts and kills servers of its own, in a temporary folder. The exit code is 1 if a cell is not valid.
    """
    import time

    from chat.client.lines import err, out, out_json
    from lab.trials import page, picture, report
    from lab.trials.cells import file_name, run_cells
    from lab.trials.cells import write as write_lines
    from lab.trials.scenarios import BY_NAME, SCENARIOS
    from lab.trials.subject import Subject, subjects

    if scenario is not None and scenario not in BY_NAME:
        raise click.UsageError(f"there is no scenario {scenario!r}: there are {', '.join(BY_NAME)}")
    if backend is not None:
        settings = chosen({"repair": "on"} if repair else {}, [backend], "client")
        tried = [Subject(backend, settings)]
    elif repair:
        raise click.UsageError("--repair is for one technique: name it with -b")
    else:
        tried = subjects([one for one in backends.techniques() if not one.missing()])
    began = time.monotonic()
    cells = []
    scenarios = [BY_NAME[scenario]] if scenario else SCENARIOS
    try:
        for cell, histories in run_cells(tried, scenarios, range(seed, seed + seeds), server):
            cells.append(cell)
            err("  ".join(report.row(cell)))
            for line in report.not_valid(cell):
                err(line)
            if keep:
                for number, lines in histories.items():
                    write_lines(lines, keep / f"{file_name(cell.name)}-{number}.jsonl")
            if write and cell.scenario == picture.SCENARIO and seed in histories:
                picture.keep(write.parent, cell.options, histories[seed])
        if write:
            picture.write(write.parent)
            command = f"chat lab faults --seeds {seeds} --write {write}"
            page.write(write, cells, command, time.monotonic() - began)
    except OSError as error:
        raise ChatError(f"cannot write {error.filename}: {error.strerror}") from None
    if as_json:
        out_json(report.as_json(cells))
    else:
        out(report.as_text(cells))
    return 0 if all(cell.left_out or cell.verdict == "valid" for cell in cells) else FAILED


@lab.command(short_help="Let many clients live and suffer faults, and see that nothing is lost or left.")
@click.option(
    "--seconds", type=click.FloatRange(5, 86_400), default=60.0, show_default=True, help="How long they live."
)
@click.option(
    "--clients",
    type=click.IntRange(1, 1000),
    default=200,
    show_default=True,
    help="Over all techniques that can run here.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of who does what, and of the faults.")
@as_interrupt()
def soak(seconds: float, clients: int, seed: int) -> int:
    """Let many clients join, talk, edit, leave and suffer faults; at the end look at what is left.

    Every client's view must equal the log, every acknowledged text must be in it once, and no thread, socket,
    file, task or seat file may be left. The exit code is 1 if something was wrong; each line says what.
    """
    from lab.soak.run import soak as run

    return run(seconds, clients, seed)
