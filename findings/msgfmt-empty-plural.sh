#!/usr/bin/env bash
# GNU gettext 0.21 (Debian 12: apt-get install gettext; https://www.gnu.org/software/gettext/), with Babel 2.19.0 and
# polib 1.2.0 (PyPI) beside it.
# Expected: a text whose translation is empty is shown as it stands in the program, also if only one of its plural forms
# is empty; and `msgfmt --statistics` and `msgattrib --untranslated` have it among those that are to be translated.
# Seen: if the first form is there, the entry is translated to all of them, and `msgfmt --check` says nothing. The
# catalogue has the empty form, and the program shows nothing at all where that form is due. Of the same file pybabel
# compiles a catalogue that has the program's text in that form, and polib one without the entry.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
command -v msgfmt >/dev/null || {
    echo "msgfmt is not installed: apt-get install --no-install-recommends gettext"
    exit 1
}
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet babel==2.19.0 polib==1.2.0
cd "$folder"
export LC_ALL=C

cat >room.po <<'PO'
msgid ""
msgstr ""
"Project-Id-Version: room\n"
"PO-Revision-Date: 2026-01-01 00:00+0000\n"
"Last-Translator: Ann <ann@example.org>\n"
"Language-Team: French\n"
"Language: fr\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Content-Transfer-Encoding: 8bit\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\n"

msgid "one new line"
msgid_plural "new lines"
msgstr[0] "une nouvelle ligne"
msgstr[1] ""

msgid "nobody"
msgstr ""
PO
msgfmt --check --statistics --output-file=msgfmt.mo room.po 2>said
echo "untranslated:" $(msgattrib --untranslated room.po | grep '^msgid "[^"]') >>said
venv/bin/pybabel --quiet compile --input-file=room.po --output-file=babel.mo --locale=fr
venv/bin/python -c 'import polib; polib.pofile("room.po").save_as_mofile("polib.mo")'
for name in msgfmt babel polib; do
    venv/bin/python - $name >>said <<'PYTHON'
import gettext
import sys

with open(f"{sys.argv[1]}.mo", "rb") as file:
    shown = gettext.GNUTranslations(file)
print(sys.argv[1], [shown.ngettext("one new line", "new lines", n) for n in (1, 2)], [shown.gettext("nobody")])
PYTHON
done
cat said
diff said - <<'SAID'
1 translated message, 1 untranslated message.
untranslated: msgid "nobody"
msgfmt ['une nouvelle ligne', ''] ['nobody']
babel ['une nouvelle ligne', 'new lines'] ['nobody']
polib ['one new line', 'new lines'] ['nobody']
SAID
echo "as described"
