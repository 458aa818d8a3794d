"""The lines of the SOAP chapter for Perl: they run as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.soap.conversion import ADDRESS, WSDL
from tests.support.node import cannot_run, serving
from tests.support.processes import PATIENCE

CHAPTER = Path(__file__).parents[2] / "backends" / "soap" / "README.md"


@pytest.fixture
def url() -> Iterator[str]:
    with serving({"soap": 0}, "--log", "memory") as (_, addresses):
        yield f"http://{addresses['soap']}/soap"


def lines(about: str) -> str:
    """Return the block of the chapter that has this in it."""
    blocks = re.findall(r"```perl\n(.*?)```", CHAPTER.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if about in block]
    return str(found)


def need(module: str, package: str) -> None:
    perl = shutil.which("perl")
    if perl is None or subprocess.run([perl, f"-M{module}", "-e", "1"], capture_output=True).returncode:
        cannot_run(f"apt install {package}")


def run(folder: Path, script: str) -> list[str]:
    file = folder / "client.pl"
    file.write_text("use strict; use warnings; use utf8;\n" + script, encoding="utf-8")
    command = ["perl", "-CS", str(file)]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_soap_lite_joins_and_says_with_the_types_named(url: str, tmp_path: Path) -> None:
    need("SOAP::Lite", "libsoap-lite-perl")
    read = (
        'my @key = SOAP::Data->name(seatKey => $seat->valueof("//seatKey"))->type("string");\n'
        'my @page = map { SOAP::Data->name(@$_)->type("int") } [limit => 1], [wait => 0];\n'
        'my $page = $chat->call("Fetch", @key, @page);\n'
        'print $page->valueof("//event/text"), "\\n";\n'
    )
    program = "use SOAP::Lite;\n" + lines("SOAP::Lite->proxy").replace(ADDRESS, url) + read
    assert run(tmp_path, program) == ["Grüße"]


def test_soap_lite_is_told_which_type_it_must_name(url: str, tmp_path: Path) -> None:
    need("SOAP::Lite", "libsoap-lite-perl")
    guessed = lines("SOAP::Lite->proxy").replace(ADDRESS, url).replace('->type("long")', "")
    program = "use SOAP::Lite;\n" + guessed.replace('$chat->call("Send"', 'print $chat->call("Send"')
    (why,) = run(tmp_path, program.rstrip().removesuffix(";") + "->faultstring;\n")
    assert why.startswith("Element 'n': xsi:type may be Number or xs:long, and not 'xsd:int'")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("", "Error deserializing message: Cannot resolve class for Fault/detail/NickTaken"),
        (', class_resolver => "Typemap"', "me is taken in this room: choose another name"),
    ],
    ids=["without", "with"],
)
def test_four_lines_let_soap_wsdl_read_a_declared_fault(
    url: str, tmp_path: Path, options: str, told: str
) -> None:
    need("SOAP::WSDL", "libsoap-wsdl-perl")
    subprocess.run(
        ["wsdl2perl", "-b", "lib", f"file://{WSDL}"], cwd=tmp_path, capture_output=True, check=True
    )
    program = (
        f'use lib "lib"; use MyInterfaces::Chat::ChatSoap11;\n{lines("package Typemap")}package main;\n'
        f'my $chat = MyInterfaces::Chat::ChatSoap11->new({{ proxy => ["{url}"]{options} }});\n'
        'my $answer; $answer = $chat->Join({ room => "lab", nick => "me" }) for 1 .. 2;\n'
        'print $answer->get_faultstring =~ s/\\n.*//rs, "\\n";\n'
    )
    (why,) = run(tmp_path, program)
    assert why.startswith(told)
