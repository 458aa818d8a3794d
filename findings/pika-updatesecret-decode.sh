#!/usr/bin/env bash
# pika 1.4.4 (PyPI; https://github.com/pika/pika), pika/spec.py, which is generated from the specification.
# Expected: a method that is encoded and decoded again has the values that it had.
# Seen: Connection.UpdateSecret.decode puts the new secret into `self.mechanisms`, an attribute that the class does
# not have otherwise, and leaves `new_secret` as it was made. encode() reads `new_secret`, so what is sent is right.
# Connection.SecureOk, whose argument has the same type, has it after decode().
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet pika==1.4.4

cat >"$folder/try.py" <<'PYTHON'
from pika import spec


def decoded(method, fresh):
    """Return the attributes of a fresh object of the same class that was given the bytes of the method."""
    fresh.decode(b"".join(method.encode()))
    return vars(fresh)


update = decoded(spec.Connection.UpdateSecret("a new one", "it ran out"), spec.Connection.UpdateSecret("", ""))
secure = decoded(spec.Connection.SecureOk("an answer"), spec.Connection.SecureOk())
print("UpdateSecret:", update, "SecureOk:", secure)
wrong = {"new_secret": "", "reason": "it ran out", "mechanisms": b"a new one"}
raise SystemExit(update != wrong or secure != {"response": b"an answer"})
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
