#!/usr/bin/env bash
# pydantic 2.14.4 (PyPI; https://github.com/pydantic/pydantic; its durations are those of
# https://github.com/pydantic/speedate, src/duration.rs), with isodate 0.7.2 and msgspec 0.22.0 as other readers.
# Expected: a timedelta, which knows days and no years, is written to JSON in days and smaller units, as every reader
# of ISO 8601 durations understands it: 400 days is P400D. Up to 364 days it is so.
# Seen: from 365 days on the duration has years: 365 days is P1Y, 400 days P1Y35D. pydantic itself reads a year as
# 365 days. To others it is a year of the calendar: isodate makes no timedelta of it, and from 1 January 2028 on it
# ends a day late. msgspec refuses it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet pydantic==2.14.4 isodate==0.7.2 msgspec==0.22.0

cat >"$folder/try.py" <<'PYTHON'
import json
from datetime import date, timedelta

import isodate
import msgspec
from pydantic import TypeAdapter

START = date(2028, 1, 1)  # of a leap year
pydantic = TypeAdapter(timedelta)


def by_msgspec(written):
    try:
        return msgspec.json.decode(written, type=timedelta)
    except msgspec.ValidationError:
        return "refused"


seen = {}
for days in 364, 365, 400:
    written = pydantic.dump_json(timedelta(days=days))
    other = isodate.parse_duration(json.loads(written))
    ends = (START + other - START).days
    seen[days] = [json.loads(written), type(other).__name__, ends, by_msgspec(written)]
    assert pydantic.validate_json(written) == timedelta(days=days) == msgspec.json.decode(f'"P{days}D"', type=timedelta)
    print(days, "days:", *seen[days])
wanted = {
    364: ["P364D", "timedelta", 364, timedelta(days=364)],
    365: ["P1Y", "Duration", 366, "refused"],
    400: ["P1Y35D", "Duration", 401, "refused"],
}
raise SystemExit(seen != wanted)
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
