"""A text of ours is found in a catalogue, by itself or by the template that it was made from."""

from __future__ import annotations

import gettext
import string
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import chat.language.translation
from chat.domain.errors import NickTaken
from chat.language.__main__ import ROOT, as_mo, faults, updated
from chat.language.catalogue import DEEPEST, KEPT, LONGEST, Catalogue, names
from chat.language.sources import texts
from chat.language.translation import FOLDER, LANGUAGES, _read, preferred, translate, use
from tests.support.processes import chat_here


@pytest.fixture(autouse=True)
def _english_again(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("LANGUAGE", raising=False)
    monkeypatch.setattr(chat.language.translation, "_catalogue", None)
    _read.cache_clear()
    yield
    use("en")
    _read.cache_clear()


def catalogue(texts: dict[str, str]) -> Catalogue:
    translations = gettext.NullTranslations()
    translations.__dict__["_catalog"] = texts
    return Catalogue(translations, "fr")


FEW = catalogue(
    {
        "hello": "bonjour",
        "try again": "réessayez",
        "{author} is taken": "{author} est pris",
        "{n} of {count}": "{n} sur {count}",
        "{n} of {count} lines": "{n} lignes sur {count}",
        "▲ {reason}. Wait": "▲ {reason}. Attendez",
        "braces {{}} and {n}": "accolades {{}} et {n}",
        "{name} left": "{name} sort",
        "{n} left": "{n} sorties",
        "{name} can't start: {reason}": "{name} ne démarre pas : {reason}",
        "{address} is in use: take another port": "{address} est pris : prenez un autre port",
    }
)


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        ("hello", "bonjour"),
        ("bob is taken", "bob est pris"),
        ("3 of 4", "3 sur 4"),
        ("3 of 4 lines", "3 lignes sur 4"),  # the template that says more is the one that is meant
        ("▲ try again. Wait", "▲ réessayez. Attendez"),  # a reason is a text of ours
        ("▲ 3 of 4. Wait", "▲ 3 sur 4. Attendez"),
        ("hello is taken", "hello est pris"),  # a name is not
        ("braces {} and 2", "accolades {} et 2"),
        ("bob\nand ann is taken", "bob\nand ann est pris"),
        (
            "tcp can't start: ::1 is in use: take another port",
            "tcp ne démarre pas : ::1 est pris : prenez un autre port",
        ),
        ("tcp: ::1 is in use: take another port", "tcp : ::1 est pris : prenez un autre port"),
        ("hello; try again", "bonjour ; réessayez"),
        ("3 left", "3 sorties"),
        ("bob left", "bob sort"),
        ("none of all that is left", "none of all that is left"),  # so light a template takes no sentence
        ("bob: hello", "bob : bonjour"),  # the name is not ours, the colon is
        ("bob: not ours", "bob: not ours"),
        ("1 of 2 of 3 lines", "1 lignes sur 2 of 3"),  # a value is as short as it can be
        (" is taken", " est pris"),
        ("▲ . Wait", "▲ . Attendez"),
        ("▲. Wait", "▲. Wait"),
        ("not ours", "not ours"),
        ("", ""),
    ],
)
def test_a_text_is_found_by_itself_or_by_its_template(text: str, translated: str) -> None:
    assert FEW.translate(text) == translated


def test_a_text_before_a_reason_is_no_name_in_that_reason() -> None:
    muted = catalogue(
        {
            "not sent": "pas envoyé",
            "the teacher has muted you: raise your hand": "la parole vous est coupée : levez la main",
            "{who} has muted {argument}": "{who} a coupé la parole à {argument}",
        }
    )
    shown = muted.translate("not sent: the teacher has muted you: raise your hand")
    assert shown == "pas envoyé : la parole vous est coupée : levez la main"
    assert muted.translate("not sent: ann has muted bob") == "pas envoyé : ann a coupé la parole à bob"


def test_values_from_others_are_no_format() -> None:
    assert FEW.translate("{author} is taken") == "{author} est pris"
    assert FEW.translate("{0.__class__} is taken") == "{0.__class__} est pris"


@pytest.mark.parametrize(
    "translation", ["{who} est pris", "{author.x} est pris", "{author est pris", "{} pris"]
)
def test_a_translation_that_cannot_be_filled_in_is_left_out(translation: str) -> None:
    assert catalogue({"{author} is taken": translation}).translate("bob is taken") == "bob is taken"


def test_it_remembers_only_so_many_texts() -> None:
    few = catalogue({"{author} is taken": "{author} est pris"})
    for number in range(KEPT + 50):
        few.translate(f"{number} is taken")
    assert len(few._seen) == KEPT


def test_a_long_text_that_is_not_ours_costs_little() -> None:
    use("fr")
    began = time.process_time()
    for text in (
        "a wait, ".join(string.ascii_lowercase) * 2_000,
        "Searched back to #" + ", " * 600 + "; " * 600,  # it nearly fits one that has four values
    ):
        translate(text)
        translate(text[:LONGEST])
    assert time.process_time() - began < 5  # a pattern that goes back and forth would take minutes


@pytest.mark.parametrize(
    ("before", "behind", "begins"),
    [("try again; ", "", "réessayez ; "), ("try again: ", "", "réessayez : "), ("▲ ", ". Wait", "▲ ▲ ")],
)
def test_of_texts_within_each_other_only_so_many_are_translated(
    before: str, behind: str, begins: str
) -> None:
    times = (LONGEST - 20) // len(before + behind)
    translated = FEW.translate(f"{before * times}try again{behind * times}")
    assert translated.startswith(begins)
    assert translated.endswith(behind.replace("Wait", "Attendez"))
    assert "try again" in translated, "what is too far within stays as it is"


def test_several_texts_in_one_are_all_translated() -> None:
    texts = ["try again"] * DEEPEST
    assert FEW.translate("; ".join(texts)) == " ; ".join(["réessayez"] * DEEPEST)


def test_an_error_of_a_server_is_translated_by_its_client() -> None:
    use("fr")
    assert translate(str(NickTaken("bob is taken in this room: choose another name"))) == (
        "bob est pris dans ce salon : choisissez un autre nom"
    )


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_what_a_language_lacks_is_shown_in_english(language: str) -> None:
    use(language)
    assert translate("a text that no catalogue has") == "a text that no catalogue has"


def damaged() -> dict[str, bytes]:
    """The French catalogue, with what a disk or an unpacking program could do to it."""
    whole = (FOLDER / "fr" / "LC_MESSAGES" / "messages.mo").read_bytes()
    wrong = bytearray(whole)
    wrong[-20] = 0xFF  # in the last translation
    return {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "another file": b"<!doctype html>",
        "a byte": bytes(wrong),
        "an encoding that nobody has": whole.replace(b"charset=utf-8", b"charset=xxx-8"),
        "no encoding": whole.replace(b"charset=utf-8", b"chorsot utf-8"),
    }


@pytest.mark.parametrize("content", [None, *damaged().values()], ids=["missing", *damaged()])
def test_a_damaged_catalogue_is_said_and_the_texts_stay_english(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "fr" / "LC_MESSAGES" / "messages.mo"
    file.parent.mkdir(parents=True)
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr(chat.language.translation, "FOLDER", tmp_path)
    done = chat_here("--lang", "fr", "--room", "lab!", "--plain")
    what = "missing" if content is None else "damaged"
    first, second = done.stderr.splitlines()
    assert first == f"chat: the texts are in English: {file} is {what}; install the chat again"
    assert "'lab!' is not a room name" in second
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "fr_CA.UTF-8"}, "fr"),
        ({"LANG": "fr"}, "fr"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "pt_BR"}, "pt"),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "en"),
        ({"LANG": "frr_DE"}, "en"),
        ({}, "en"),
    ],
)
def test_the_locale_chooses(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], language: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert preferred() == language


def test_a_guess_stays_marked_and_is_not_compiled(tmp_path: Path) -> None:
    """An editor marks as fuzzy what a person has still to look at; gettext does not use it."""
    text = next(text for text, _, _ in texts(ROOT) if not names(text))
    po = tmp_path / "messages.po"
    po.write_text(f'#, fuzzy\nmsgid "{text}"\nmsgstr "devin\u00e9"\n', encoding="utf-8")
    found = updated(po, "fr")
    assert found[text].fuzzy
    assert any("fuzzy" in one and repr(text) in one for one in faults(found, "fr"))
    assert "devin\u00e9".encode() not in as_mo(found)


def test_each_part_of_a_run_of_comers_and_goers_is_translated() -> None:
    use("fr")
    run = "1 joined: pia; 4 left: ann, bob, cho and 1 more"
    assert translate(run) == "1 entrée : pia ; 4 sorties : ann, bob, cho et 1 de plus"
