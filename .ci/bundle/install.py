"""Installs the chat from this folder, without a network: ``python3 install.py [FOLDER]``."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

PYTHON, PLATFORM = "@PYTHON@", "@PLATFORM@"


def main() -> None:
    """Make a virtual environment with everything in it. Exits with 1 and a reason if that is not possible."""
    here = Path(__file__).resolve().parent
    target = Path(sys.argv[1] if len(sys.argv) > 1 else here / "venv").resolve()
    found = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if (found, platform) != (PYTHON, PLATFORM):
        sys.exit(f"this bundle is for {PYTHON} on {PLATFORM}, and here is {found} on {platform}")
    if target.exists():
        sys.exit(f"{target} exists: remove it, or name another folder: {PYTHON} install.py FOLDER")
    try:
        venv.create(target, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"cannot make a virtual environment ({error}); on Debian: apt install {PYTHON}-venv")
    programs = target / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(programs / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    wheels = sorted(map(str, (here / "wheels").glob("*.whl")))
    if subprocess.run([*pip, "--no-index", *wheels], check=False).returncode:
        sys.exit("pip could not install the wheels: it says above why")
    sys.stdout.write(f"installed: {programs / 'chat'}  (chat doctor: what works here; chat demo: try it)\n")


if __name__ == "__main__":
    main()
