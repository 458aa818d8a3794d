#!/usr/bin/env bash
# CPython 3.11.7 (sqlite3) on SQLite 3.40; nothing is installed.
# Expected: what SQLite refuses is raised as sqlite3.Error (PEP 249: "the base class of all other error exceptions").
# Seen: SQLite's error texts quote what they complain of, and Python decodes the text strictly. A text value may be
# any bytes in SQLite; if it is quoted and is no UTF-8, UnicodeDecodeError comes, which is a ValueError, and the
# code of SQLite is lost. `except sqlite3.Error` does not catch it. The same value as a result is sqlite3's own error.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/try.py" <<'PYTHON'
import sqlite3


def raised(statement):
    """Return the class of the error that a statement ends with."""
    try:
        sqlite3.connect(":memory:").execute(statement).fetchall()
    except Exception as error:
        return type(error)
    return None


LATIN = "CAST(x'636166e9' AS TEXT)"  # "café" in Latin-1
seen = {
    "quoted, UTF-8": raised("SELECT json_extract('{}', 'café')"),
    "quoted, Latin-1": raised(f"SELECT json_extract('{{}}', {LATIN})"),
    "a result, Latin-1": raised(f"SELECT {LATIN}"),
}
print({name: kind.__name__ for name, kind in seen.items()})
raise SystemExit(list(seen.values()) != [sqlite3.OperationalError, UnicodeDecodeError, sqlite3.OperationalError])
PYTHON
python3 "$folder/try.py"
echo "as described"
