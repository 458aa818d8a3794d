"""The commands in French, as they run: no line of theirs is left in English."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.rabbitmq.private import programs
from chat.cli import guide, tools
from chat.cli.reach import Reach, advice
from chat.cli.serve_lan import Board
from chat.cli.tools import NC_KINDS
from chat.client.lines import event_line
from chat.domain.model import Event, Kind
from chat.interfaces.address import Address
from chat.interfaces.tls import Fingerprint
from chat.language.translation import translate, use
from chat.transport.errors import not_our_words
from lab.check.twins import TWINS, Twin, explanation
from tests.support.french import english
from tests.support.lan import lan_address
from tests.support.processes import chat, chat_here, running, serving


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    yield
    use("en")


def test_english_is_noticed() -> None:
    assert english("rien ici\nthe room was opened") == ["the room was opened"]
    assert not english("  chat join the-host --words the")


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor"],
        ["doctor", "--backend", "tcp", "127.0.0.1:1"],
        ["techniques"],
        ["explain"],
        ["explain", "tcp"],
        ["status"],
        ["stop"],
        ["config"],
        ["nonsense"],
        ["--nonsense"],
        ["--rom", "lab"],
        ["--lang", "xx"],
        ["explain", "tpc"],
        ["serve", "--port", "x"],
        ["serve", "--port", "1"],
        ["serve", "--lan", "--open"],
        ["serve", "--words", "some words of mine"],
        ["serve", "--naive", "framing"],
        ["serve", "--log", "mysql:x"],
        ["join"],
        ["board"],
        ["log", "verify", "/no/such/file"],
        ["wire", "--server", "127.0.0.1:1:1"],
        ["export", "--force"],
        ["web", "--tls-key", "x"],
    ],
    ids=" ".join,
)
def test_what_a_command_says_is_french(arguments: list[str]) -> None:
    done = chat_here(*arguments, CHAT_LANG="fr")
    assert done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert not english(said if arguments != ["config"] else re.sub(r"^\w+ .* ", "", said, flags=re.MULTILINE))


@pytest.mark.parametrize("command", ["", "serve", "join", "web", "config"])
def test_its_help_is_french_with_the_words_of_click(command: str) -> None:
    shown = chat("--lang", "fr", *command.split(), "--help").stdout
    assert shown.startswith("Usage : chat")
    assert "Montrer ce message et sortir." in shown
    body = shown.partition("Exemples :")[0]
    assert not english("\n".join(line for line in body.splitlines() if "[OPTIONS]" not in line))


def test_a_class_is_served_in_french(tmp_path: Path) -> None:
    use("fr")
    ports = {"tcp": 7010, "rest": 8000}
    off = {"udp": "cannot be encrypted, and this server speaks TLS only: serve it by itself, without"}
    board = Board("192.168.1.5", "pomme tarte", Fingerprint.parse("SHA256:" + "ab" * 32), ports, off)
    shown = "\n".join(board.lines(tmp_path))
    assert "À écrire au tableau :\n\n  chat join 192.168.1.5" in shown
    assert not english(shown)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have only one loopback address")
def test_a_class_that_is_served_for_real_says_nothing_in_english() -> None:
    arguments = ["serve", "--lan", "--host", lan_address()]
    with running(*arguments, CHAT_LANG="fr", PYTHONIOENCODING="utf-8") as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(8)]
        assert any("prêtes à" in line for line in said)
        assert not english("".join(said))


@pytest.mark.parametrize(
    "why",
    [
        "not JSON: invalid character (byte 0)",
        "a frame may have 100 bytes, this one claims 2000",
        "a record may have 100 bytes, this one has more",
        "no HTTP",
        "",
    ],
)
def test_a_server_that_is_no_chat_is_described_in_french(why: str) -> None:
    use("fr")
    shown = translate(not_our_words(Address("192.0.2.1", 7010), "tcp", why))
    assert not english(shown)
    assert why not in shown or not why
    assert not re.search(r"\S: ", shown)  # a blank stands before a colon


def test_no_line_of_a_help_begins_with_a_colon() -> None:
    done = chat("--lang", "fr", "--help")  # a process of its own: what is loaded in French stays French
    assert not [line for line in done.stdout.splitlines() if line.strip()[:1] in (":", ";")]


@pytest.mark.parametrize("found", ["filtered", "refused", "no way"])
def test_what_the_network_lacks_is_said_in_french(found: Reach) -> None:
    use("fr")
    assert not english(translate(advice("192.168.1.5", {"tcp": found, "rest": found})))
    assert not english(translate(advice("192.168.1.5", {"tcp": "open", "rest": "filtered"})))


def test_the_programs_of_the_lessons_are_described_in_french() -> None:
    use("fr")
    for told in (*NC_KINDS.values(), "curl 7.10 (x)", "strange"):
        for tool in tools.TOOLS:
            fits, what = tool.read(told)
            line = translate(f"{what or '/bin/x'} (for {tool.use})")
            assert not english(line), (fits, line)


def test_the_table_of_techniques_fits_a_screen_in_french() -> None:
    use("fr")
    lines = guide.table({}).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines[0].split()) == len(guide.HEAD.split("  "))


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_a_broken_twin_is_explained_in_french(twin: Twin) -> None:
    use("fr")
    shown = "\n".join(explanation(twin))
    assert not english(shown.replace("the path of one message", ""))


@pytest.mark.parametrize("kind", ["opened", "joined", "resumed", "left", "edited", "deleted", "sent"])
def test_an_event_is_a_french_line_and_its_text_stays(kind: Kind) -> None:
    said = "the log is closed"  # a text of ours, if somebody else writes it, is theirs
    for text in (said, "/class freeze") if kind == "sent" else (said,):
        event = Event(kind, 7, 6, 0, "ann", "seat", "tcp", id=7, text=text)
        use("en")
        before = event_line(event)
        use("fr")
        after = event_line(event)
        assert (said in after) == (said in before)
        assert not english(after.replace(said, ""))
        assert (after != before) == (kind != "sent" or text != said)


def test_lines_instead_of_a_screen_are_french() -> None:
    typed = ["/help", "/who", "/nonsense", "bonjour", "/class freeze", "/hand", "/class slow x", "x" * 5000]
    with serving() as (_, address):
        where = ["--server", address, "--no-spawn", "--as", "ann"]
        done = chat("--plain", *where, input="\n".join([*typed, ""]), CHAT_LANG="fr")
        read = chat("tail", *where[:3], "--as", "bob", "--after", "0", "--count", "4", CHAT_LANG="fr")
    assert "vous êtes ann dans le salon lab" in done.stdout
    assert "ann (tcp): bonjour" in done.stdout
    assert "ann lève la main" in read.stdout
    assert not english(done.stdout + done.stderr + read.stdout + read.stderr)


def test_the_demo_without_a_terminal_is_french(request: pytest.FixtureRequest) -> None:
    broker = {"CHAT_AMQP_URL": request.getfixturevalue("vhost")} if programs() else {}
    done = chat("demo", CHAT_LANG="fr", **broker)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "chacun une fois, dans l'ordre" in done.stdout
    assert not english(done.stdout + done.stderr)
