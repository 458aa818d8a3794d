"""Which language is used, and the translation of a text into it."""

from __future__ import annotations

import os
import struct
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


def use(language: str) -> str:
    """Translate into this language from now on, in this process.

    Returns:
        Why the texts stay English: the catalogue is missing or damaged; "" if they do not.
    """
    global _catalogue
    if language == "en":
        if _catalogue is not None:
            os.environ["LANGUAGE"] = language
        _catalogue = None
        return ""
    import gettext  # English, the most frequent, does without

    _catalogue, wrong = _read(language)
    if _catalogue is not None:
        # click asks gettext's own functions for its words, which look at LANGUAGE at each call.
        os.environ["LANGUAGE"] = language
        gettext.bindtextdomain("messages", str(FOLDER))
    return wrong


@cache
def _read(language: str) -> tuple[Catalogue | None, str]:
    """Return the catalogue of a language and "", or None and what is wrong with it."""
    import gettext

    from chat.language.catalogue import Catalogue

    try:
        return Catalogue(gettext.translation("messages", FOLDER, [language]), language), ""
    except (OSError, ValueError, LookupError, struct.error) as error:  # whatever gettext stumbles over
        file = FOLDER / language / "LC_MESSAGES" / "messages.mo"
        what = "is missing" if isinstance(error, FileNotFoundError) else "is damaged"
        return None, f"the texts are in English: {file} {what}; install the chat again"


def in_use() -> str:
    """Return the language that is used."""
    return "en" if _catalogue is None else _catalogue.language


def translate(text: str) -> str:
    """Return one of our texts in the language in use; what is not in its catalogue stays English."""
    return text if _catalogue is None else _catalogue.translate(text)


def colon() -> str:
    """Return a colon and a blank, as the language in use writes them."""
    return f"{'' if _catalogue is None else _catalogue.space}: "


def decimal(number: str) -> str:
    """Return a number with the sign between ones and tenths that the language in use has."""
    return number if _catalogue is None else number.replace(".", ",")


def about(name: str, text: str) -> str:
    """Return one of our texts behind the name of what it is about: ``tcp: off``, in French ``tcp : éteinte``.

    The name is not looked for in the catalogue, where a template might take it for the beginning of its text.
    """
    return f"{name}{colon()}{translate(text)}"


def into(language: str, text: str) -> str:
    """Return one of our texts in a language, whatever this process uses: for somebody else who reads it."""
    catalogue, _ = (None, "") if language == "en" else _read(language)
    return text if catalogue is None else catalogue.translate(text)
