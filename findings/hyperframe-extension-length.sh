#!/usr/bin/env bash
# hyperframe 6.1.0 (PyPI; https://github.com/python-hyper/hyperframe), hyperframe.frame.ExtensionFrame.
# Expected: the header of a serialized frame has the length of its body (RFC 9113, 4.1), as with every other class.
# Seen: the length is `body_len`, which only parsing sets, and the overridden serialize() does not. So of an extension
# frame that was made by hand, the header says 0 and the body follows: a reader takes the body for the next frame.
# A frame that was parsed first is written right.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check install --quiet hyperframe==6.1.0

cat >"$folder/try.py" <<'PYTHON'
from hyperframe.frame import DataFrame, ExtensionFrame, Frame


def length(written):
    """Return the length in the first header of some bytes, and how many bytes follow it."""
    return int.from_bytes(written[:3], "big"), len(written) - 9


made = ExtensionFrame(type=0xBE, stream_id=1, flag_byte=0, body=b"hello")
right = b"\0\0\5" + made.serialize()[3:]
parsed, _ = Frame.parse_frame_header(memoryview(right[:9]))
parsed.parse_body(memoryview(right[9:]))
seen = {
    "data": length(DataFrame(stream_id=1, data=b"hello").serialize()),
    "extension, made": length(made.serialize()),
    "extension, parsed": length(parsed.serialize()),
}
print("length in the header, and of the body:", seen)
raise SystemExit(list(seen.values()) != [(5, 5), (0, 5), (5, 5)])
PYTHON
"$folder/venv/bin/python" "$folder/try.py"
echo "as described"
