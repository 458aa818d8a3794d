#!/usr/bin/env bash
# spyne 2.14.0 (PyPI; https://github.com/arskom/spyne), with lxml 6.1.3.
# Expected: "10:00:00-03:30", the time in Newfoundland, is 13:30 UTC, and "-00:30" lies west of Greenwich.
# Seen: the minutes of an offset are added, whatever its sign: "-03:30" is read as -02:30, an hour wrong, and "-00:30"
# as +00:30. East of Greenwich it is right, and it is written right: what spyne writes it does not read back.
# Of an xsd:time the zone is dropped: "10:00:00+02:00" is 10:00 without one.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet spyne==2.14.0 lxml==6.1.3

cat >"$folder/try.py" <<'PYTHON'
import warnings
from datetime import datetime, timedelta, timezone

warnings.simplefilter("ignore")
from spyne import DateTime, Time
from spyne.protocol.soap import Soap11

soap = Soap11()
seen = {}
for hours, minutes in (3, 30), (-3, -30), (0, -30), (-4, 0):
    value = datetime(2026, 11, 30, 10, tzinfo=timezone(timedelta(hours=hours, minutes=minutes)))
    written = soap.to_unicode(DateTime, value)
    read = soap.from_unicode(DateTime, written)
    seen[written[19:]] = (read - value) / timedelta(minutes=1)
    print(written, "-> wrong by", read - value)
time = soap.from_unicode(Time, "10:00:00+02:00")
print("10:00:00+02:00 ->", time, time.tzinfo)
right = {"+03:30": 0, "-04:00": 0}
raise SystemExit(seen != {**right, "-03:30": -60, "-00:30": -60} or time.tzinfo is not None)
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
