"""Makes a zip with which the chat is installed without a network: ``python .ci/bundle.py make|check``.

It is for the platform and the Python that make it: every wheel (spyne, which has none, is built here), the
clients in JavaScript with what they need, and an installer. ``check`` installs it where no network is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import metadata, version
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
PLATFORM = sysconfig.get_platform().replace("-", "_").replace(".", "_")
NAME = f"chat-{version('wirechat')}-{PLATFORM}-{PYTHON}"
TEMPLATES = ROOT / ".ci" / "bundle"


def run(*command: object, cwd: Path = ROOT) -> None:
    subprocess.run([str(part) for part in command], cwd=cwd, check=True)


def make() -> None:
    """Write the zip into ``dist``. It asks the package index and npm's for what is not in their caches."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / NAME
        wheels = folder / "wheels"
        wheels.mkdir(parents=True)
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", temporary)
        (built,) = Path(temporary).glob("wirechat-*.whl")
        pip = (
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "wheel",
            "--quiet",
            "--prefer-binary",
        )
        extras = ",".join(metadata("wirechat").get_all("Provides-Extra") or ())
        run(*pip, "-c", "constraints.txt", "-w", wheels, f"{built}[{extras}]")
        for package in sorted(ROOT.glob("backends/*/clients/*/package.json")):
            client = folder / package.parent.relative_to(ROOT)
            shutil.copytree(package.parent, client, ignore=shutil.ignore_patterns("node_modules"))
            run(shutil.which("npm") or "npm", "ci", "--omit=dev", "--no-audit", "--no-fund", cwd=client)
        shared = Path("backends/javascript")
        shutil.copytree(ROOT / shared, folder / shared)
        for contract in ("protos/chat.proto", "wsdl/chat.wsdl"):  # which the clients read when they start
            (folder / contract).parent.mkdir()
            shutil.copy(ROOT / contract, folder / contract)
        for template in TEMPLATES.iterdir():
            text = (
                template.read_text(encoding="utf-8")
                .replace("@PYTHON@", PYTHON)
                .replace("@PLATFORM@", PLATFORM)
            )
            (folder / template.name).write_text(text, encoding="utf-8")
        DIST.mkdir(exist_ok=True)
        target = DIST / f"{NAME}.zip"
        with ZipFile(target, "w", ZIP_DEFLATED) as file:
            for path in sorted(folder.rglob("*")):
                file.write(path, path.relative_to(temporary))
    sys.stdout.write(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e6:.1f} MB\n")


def check() -> None:
    """Install the zip and chat over two techniques, in a network of its own that has nothing but loopback."""
    with tempfile.TemporaryDirectory() as temporary:
        with ZipFile(DIST / f"{NAME}.zip") as file:
            file.extractall(temporary)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": temporary,
            "CHAT_STATE_DIR": f"{temporary}/state",
            **dict.fromkeys(
                ("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9"
            ),  # a closed port
        }
        command = ["sh", str(ROOT / ".ci" / "bundle-check"), sys.executable]
        apart = shutil.which("unshare")
        if apart and subprocess.run([apart, "-rn", "true"], capture_output=True, check=False).returncode == 0:
            command = [apart, "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
        else:
            sys.stderr.write("no network of its own here: only the proxies are dead\n")
        subprocess.run(command, cwd=Path(temporary) / NAME, env=environment, check=True)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]]()
