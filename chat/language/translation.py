"""Which language is used, and the translation of a text into it."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chat.language.catalogue import Catalogue

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "fr", "es", "pt")
"""English needs no catalogue; what another language lacks is shown in English."""
COMPLETE = ("fr",)
"""The languages that must have every text; the others are begun."""

_catalogue: Catalogue | None = None


def preferred() -> str:
    """Return the language of the locale, as POSIX says it; "en" if there is no catalogue for it."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            language = value.replace("-", "_").partition("_")[0].partition(".")[0].lower()
            return language if language in LANGUAGES else "en"
    return "en"


def use(language: str) -> None:
    """Translate into this language from now on, in this process."""
    global _catalogue
    if language == "en":
        if _catalogue is not None:
            os.environ["LANGUAGE"] = language
        _catalogue = None
        return
    import gettext  # English, the most frequent, does without

    # click asks gettext's own functions for its words, which look at LANGUAGE at each call.
    os.environ["LANGUAGE"] = language
    gettext.bindtextdomain("messages", str(FOLDER))
    _catalogue = _read(language)


@cache
def _read(language: str) -> Catalogue:
    import gettext

    from chat.language.catalogue import Catalogue

    return Catalogue(gettext.translation("messages", FOLDER, [language], fallback=True), language)


def in_use() -> str:
    """Return the language that is used."""
    return "en" if _catalogue is None else _catalogue.language


def translate(text: str) -> str:
    """Return one of our texts in the language in use; what is not in its catalogue stays English."""
    return text if _catalogue is None else _catalogue.translate(text)


def into(language: str, text: str) -> str:
    """Return one of our texts in a language, whatever this process uses: for somebody else who reads it."""
    return text if language == "en" else _read(language).translate(text)
