"""Clients that zeep makes of the WSDL a server gives: the chapter's program, and zeep's own command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import PATIENCE, chat, running, tail

CHAPTER = Path(__file__).parents[2] / "backends" / "soap" / "README.md"
ACCESS = "Sesam, öffne dich"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The chapter's client as it stands there."""
    (found,) = re.findall(r"```python\n(.*?)```", CHAPTER.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in found.splitlines() if line and not line.isspace()]) <= 45
    script = tmp_path / "client.py"
    script.write_text(found, encoding="utf-8")
    return script


@contextmanager
def serving(**environment: str) -> Iterator[str]:
    """Run ``chat serve soap`` on a free port; yield its ``HOST:PORT``."""
    with running("serve", "soap", "--port", "0", "--json", "--log", "memory", **environment) as process:
        assert process.stdout is not None
        offer = json.loads(process.stdout.readline())
        yield f"{offer['host']}:{offer['port']}"


@pytest.fixture
def address() -> Iterator[str]:
    with serving() as place:
        yield place


def run(*arguments: str, input: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, and no proxy."""
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(
        [sys.executable, "-X", "utf8", *arguments],
        input=input,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
        env=clean | environment,
    )


def test_the_chapters_client_runs_as_it_stands(program: Path, address: str) -> None:
    place = ("--backend", "soap", "--server", address)
    assert chat("send", *place, "--as", "ann", "wörld").returncode == 0
    done = run(str(program), *address.split(":"), "me", input=f"hello\n{'x' * 4001}\n\nand <b> goodbye\n")
    assert done.returncode == 0, done.stderr
    refused, empty, *said = done.stdout.splitlines()
    assert refused.startswith("error: not as the WSDL has it: Element 'text': [facet 'maxLength']")
    assert empty.startswith("error: not as the WSDL has it: Element 'text': [facet 'minLength']")
    assert said == ["ann: wörld", "me: hello", "me: and <b> goodbye"]
    events = tail(*place, "--as", "eve", "--count", "8")
    assert [(event["author"], event["kind"]) for event in events] == [
        *[("", "opened"), ("ann", "joined"), ("ann", "sent"), ("ann", "left")],
        *[("me", "joined"), ("me", "sent"), ("me", "sent"), ("me", "left")],
    ]


def test_its_errors_are_the_chats(program: Path, address: str) -> None:
    done = run(str(program), *address.split(":"), "no name")
    assert (done.returncode, done.stdout) == (1, "error: a nick may not hold U+0020 SPACE (character 3)\n")


def test_it_proves_that_it_has_the_access_token(program: Path) -> None:
    with serving(CHAT_TOKEN=ACCESS) as address:
        place = address.split(":")
        assert run(str(program), *place, "me", input="hello\n", CHAT_TOKEN=ACCESS).stdout == "me: hello\n"
        assert "access token is wrong" in run(str(program), *place, "me", CHAT_TOKEN="guessed").stdout
        assert "requires an access token" in run(str(program), *place, "me").stdout


def test_zeeps_own_command_lists_the_operations(address: str) -> None:
    done = run("-m", "zeep", f"http://{address}/soap?wsdl")
    assert done.returncode == 0, done.stderr
    for binding in ("Soap11Binding: {urn:chat:v1}ChatSoap11", "Soap12Binding: {urn:chat:v1}ChatSoap12"):
        assert binding in done.stdout
    assert (
        "Send(seatKey: ns0:Word, n: ns0:Number, text: ns0:Text) -> n: ns0:Number, seq: ns0:Number"
        in done.stdout
    )


def test_a_client_may_take_the_port_of_soap_12(address: str) -> None:
    script = (
        "import sys, zeep\n"
        "chat = zeep.Client(sys.argv[1], port_name='ChatSoap12')\n"
        "seat = chat.service.Join(room='lab', nick='me')\n"
        "print(chat.service.Send(seatKey=seat.seatKey, n=1, text='hi').seq)\n"
        "try:\n"
        "    chat.service.Edit(seatKey=seat.seatKey, n=2, id=1, text='hi')\n"
        "except zeep.exceptions.Fault as fault:\n"
        "    print(fault.subcodes[0].localname, chat.wsdl.types.deserialize(fault.detail[0]).n)\n"
    )
    done = run("-c", script, f"http://{address}/soap?wsdl")
    assert done.stdout.splitlines() == ["3", "NoSuchMessage 2"], done.stderr
