"""Brings the catalogues up to date with the code: ``python -m chat.language``; with ``--check`` it compares.

Each ``LANGUAGE/LC_MESSAGES/messages.po`` gets the texts that the code has, keeps the translations of those
that it had, and is compiled. babel does the reading and writing, and is needed by developers only.
"""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from chat.language.catalogue import names
from chat.language.sources import texts
from chat.language.translation import COMPLETE, FOLDER, LANGUAGES

ROOT = FOLDER.parent.parent
HEADER = """\
# Translations of chat. Each text may have values in it: {name} stays as it is, and may move.
# Written by python -m chat.language, which keeps what stands in msgstr.
#"""


def main() -> int:
    """Write every catalogue, or say what is wrong with them. Returns the exit code."""
    check = "--check" in sys.argv[1:]
    wrong = []
    for language in LANGUAGES[1:]:
        po = FOLDER / language / "LC_MESSAGES" / "messages.po"
        catalogue = updated(po, language)
        wrong += [f"{po.relative_to(ROOT)}: {what}" for what in faults(catalogue, language)]
        for path, content in ((po, as_po(catalogue)), (po.with_suffix(".mo"), as_mo(catalogue))):
            if check and (not path.exists() or path.read_bytes() != content):
                wrong.append(f"{path.relative_to(ROOT)} is not up to date: python -m chat.language writes it")
            elif not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    for line in wrong:
        print(line, file=sys.stderr)  # noqa: T201 - this is the output
    return 1 if wrong else 0


def updated(po: Path, language: str) -> Catalog:
    """Return the texts that the code has, with the translations that the file has for them."""
    old = Catalog(language)
    if po.exists():
        with po.open("rb") as file:
            old = read_po(file, locale=language)
    new = Catalog(language, header_comment=HEADER, fuzzy=False)
    for text, where, _ in texts(ROOT):
        known = old.get(text)
        flags = {"fuzzy"} if known is not None and known.fuzzy else ()
        new.add(text, known.string if known is not None else "", locations=[(where, 0)], flags=flags)
    return new


def faults(catalogue: Catalog, language: str) -> list[str]:
    """Return what is wrong with the translations: values that differ, and texts that a complete one lacks."""
    found = []
    for message in catalogue:
        source, text = str(message.id), str(message.string)
        if source and text and sorted(names(source)) != sorted(names(text)):
            found.append(f"other values in the translation of {source!r}")
        if source and not text and language in COMPLETE:
            found.append(f"no translation of {source!r}")
        if source and message.fuzzy:
            found.append(f"a guess (fuzzy), not a translation, of {source!r}")
    return found


def as_po(catalogue: Catalog) -> bytes:
    file = io.BytesIO()
    write_po(file, catalogue, width=100, omit_header=True, include_lineno=False)
    head = f'{HEADER}\nmsgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
    return head.encode() + file.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    file = io.BytesIO()
    day = datetime(2026, 1, 1, tzinfo=UTC)  # any: the file must not change when nothing else has
    translated = Catalog(
        catalogue.locale, project="chat", version="1", fuzzy=False, creation_date=day, revision_date=day
    )
    for message in catalogue:
        if message.id and message.string and not message.fuzzy:
            translated.add(message.id, message.string)
    write_mo(file, translated)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
