"""Writes the generated Python anew: ``python -m protos``; with ``--check`` it only compares.

chat.proto goes through protoc, its type hints through mypy-protobuf; chat.x through `protos.xdrgen`. All of
them are needed by developers only.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from protos import xdrgen

HERE = Path(__file__).parent


def generate(folder: Path) -> None:
    """Write every generated file into the folder, as it is to stand in this one."""
    scripts = Path(sysconfig.get_path("scripts"))
    plugins = [f"--plugin={name}={scripts / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={HERE.parent}", *plugins),
                *(f"--python_out={out}", f"--grpc_python_out={out}"),
                *(f"--mypy_out={out}", f"--mypy_grpc_out=only_async:{out}"),
                "protos/chat.proto",
            ],
            check=True,
            cwd=HERE.parent,
        )
        for made in sorted(Path(out, "protos").iterdir()):
            folder.joinpath(made.name).write_bytes(made.read_bytes())
    source = HERE.joinpath("chat.x").read_text(encoding="utf-8")
    folder.joinpath("chat_xdr.py").write_text(
        xdrgen.generate(source, "chat.x"), encoding="utf-8", newline="\n"
    )


def main(arguments: list[str]) -> int:
    """Return the exit code: 1 when a file differs from what would be made."""
    if arguments != ["--check"]:
        generate(HERE)
        return 0
    with tempfile.TemporaryDirectory() as out:
        folder = Path(out)
        generate(folder)
        made = {path.name: path.read_bytes() for path in folder.iterdir()}
    stale = [name for name, data in made.items() if not _is(HERE / name, data)]
    for name in sorted(stale):
        sys.stderr.write(f"protos/{name} is not what its source makes of it: run make stubs\n")
    return int(bool(stale))


def _is(path: Path, data: bytes) -> bool:
    return path.exists() and path.read_bytes().replace(b"\r\n", b"\n") == data


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
