#!/usr/bin/env bash
# spyne 2.14.0 (PyPI; https://github.com/arskom/spyne), with lxml 6.1.3 and isodate 0.7.2 as a second reader.
# Expected: a timedelta that is written as xsd:duration and read again is the same.
# Seen: the microseconds are written behind the point as a number, without the zeros before it: one second and one
# microsecond is "PT1.1S", which is 1.1 s for spyne itself and for everybody else. There is no error.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet spyne==2.14.0 lxml==6.1.3 isodate==0.7.2

cat >"$folder/try.py" <<'PYTHON'
import warnings
from datetime import timedelta

warnings.simplefilter("ignore")
import isodate
from spyne import Duration
from spyne.protocol.soap import Soap11

soap = Soap11()
seen = {}
for micros in 1, 1_000, 50_000, 500_000:
    value = timedelta(seconds=1, microseconds=micros)
    written = soap.to_unicode(Duration, value)
    seen[micros] = written
    print(value, "->", written, "->", soap.from_unicode(Duration, written), "or", isodate.parse_duration(written))
right = seen[500_000] == "PT1.500000S"
raise SystemExit(not right or [seen[1], seen[1_000], seen[50_000]] != ["PT1.1S", "PT1.1000S", "PT1.50000S"])
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
