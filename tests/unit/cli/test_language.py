"""The language of the command line: chosen by --lang, CHAT_LANG, the settings file or the locale."""

from __future__ import annotations

from pathlib import Path

from tests.support.processes import chat, chat_here


def test_help_is_in_the_language_that_is_asked_for() -> None:
    shown = chat("--lang", "fr", "serve", "--help").stdout
    assert "Servir les techniques nommées" in shown
    assert "Sans --log, il devient votre serveur" in shown
    assert "Serve the named" not in shown
    assert "udp\N{NO-BREAK SPACE}: renvoyer les brouillons" in chat("--help", CHAT_LANG="fr").stdout


def test_errors_are_too_wherever_the_language_is_said(tmp_path: Path) -> None:
    french, english = "'lab!' n'est pas un nom de salon", "'lab!' is not a room name"
    wrong = ["--room", "lab!", "--plain"]
    assert french in chat_here("--lang", "fr", *wrong).stderr
    assert french in chat_here("--lang=fr", *wrong).stderr
    assert french in chat_here(*wrong, CHAT_LANG="fr").stderr
    assert french in chat_here(*wrong, CHAT_LANG="", LC_ALL="fr_FR.UTF-8").stderr
    assert english in chat_here(*wrong, CHAT_LANG="", LC_ALL="ja_JP.UTF-8").stderr
    assert english in chat_here("--lang", "en", *wrong, CHAT_LANG="fr").stderr
    settings = tmp_path / "config.toml"
    settings.write_text('lang = "fr"\n')
    assert french in chat_here(*wrong, CHAT_LANG="", CHAT_CONFIG=str(settings)).stderr


def test_a_language_that_there_is_not_is_said() -> None:
    done = chat_here("--lang", "xx")
    assert done.returncode == 2
    assert "'xx' is not one of 'en', 'fr', 'es', 'pt'" in done.stderr
