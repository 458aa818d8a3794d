"""The language of the screen: texts are translated where they are shown, never on a wire.

Everything is written in English, in the code and on every wire: a server may have clients of several
languages, and what a client acts on is the code of an error, never its text. A program that shows texts to
a person calls `use` once, and `translate` for each text of ours. Texts of people are not translated.

A text with values in it is known by its template: ``history starts at {first}``. The templates are taken
from the code (`chat.language.sources`), and translated in ``LANGUAGE/LC_MESSAGES/messages.po``. gettext
reads what is compiled from it, so that click's own words are found in the same place.
"""

from __future__ import annotations

import os
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


def N_(text: str) -> str:
    """Return the text: it marks one that is to be translated, where no call says so."""
    return text


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
        _catalogue = None
        return
    import gettext  # English, the most frequent, does without

    from chat.language.catalogue import Catalogue

    # click asks gettext's own functions for its words, which look at LANGUAGE at each call.
    os.environ["LANGUAGE"] = language
    gettext.bindtextdomain("messages", str(FOLDER))
    _catalogue = Catalogue(gettext.translation("messages", FOLDER, [language], fallback=True))


def translate(text: str) -> str:
    """Return one of our texts in the language in use; what is not in its catalogue stays English."""
    return text if _catalogue is None else _catalogue.translate(text)
