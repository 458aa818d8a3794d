"""Writes what passed into a file, in the format that the file's name asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chat.domain.errors import ChatError
from chat.interfaces.technique import Technique
from chat.language import N_
from chat.language.translation import translate
from lab.wire import json_lines
from lab.wire.ladder import as_mermaid, as_svg, ladder
from lab.wire.pcapng import CaptureFile
from lab.wire.trace import Trace

FORMATS = {
    ".pcapng": N_("packets, for Wireshark"),
    ".jsonl": N_("a JSON object a frame, with all fields"),
    ".svg": N_("the ladder, as a picture"),
    ".mmd": N_("the ladder, for Mermaid"),
}
"""What the end of a file's name stands for."""


def check_format(path: str) -> str:
    """Return the end of the name that says the format. Raises `ChatError`."""
    end = Path(path).suffix.lower()
    if end not in FORMATS:
        known = ", ".join(f"{one} ({translate(what)})" for one, what in FORMATS.items())
        raise ChatError(f"the file's name must say what to write: {known}")
    return end


def export(trace: Trace, path: str, technique: Technique, *, secrets: bool = False) -> str:
    """Write the frames that are kept; return what was written, for people. It writes a file, so it blocks.

    Args:
        trace: what passed.
        path: the file; one that exists is written anew.
        technique: of the trace.
        secrets: write tokens, keys and passwords as they are.

    Raises:
        ChatError: the format is not known, or the file can't be written.
    """
    end = check_format(path)
    frames = list(trace.frames)
    server = "broker" if technique.server is None else "server"
    texts: dict[str, Callable[[], str]] = {
        ".jsonl": lambda: "".join(
            json_lines.as_json(frame, trace.capture.began, secrets=secrets) + "\n" for frame in frames
        ),
        ".svg": lambda: as_svg(ladder(frames, trace.connections, server)),
        ".mmd": lambda: as_mermaid(ladder(frames, trace.connections, server)),
    }
    try:
        with open(path, "wb") as file:
            if end == ".pcapng":
                began, port = trace.capture.began, technique.dissected_at
                CaptureFile(file, began, port=port, secrets=secrets).add(frames, trace.connections)
            else:
                file.write(texts[end]().encode())
    except OSError as error:
        raise ChatError(f"cannot write {path}: {error.strerror}") from None
    left_out = N_(f"; {trace.gone} older ones are not kept") if trace.gone else ""
    return N_(f"{len(frames)} frames are in {path}{left_out}")
