"""An RPyC before 4.1: what its user sees instead of the room."""
# ruff: noqa: T201

import sys
from importlib.metadata import version

print("version", version("rpyc"))
try:
    import rpyc
except SyntaxError as error:  # RPyC 3 has a module `async`
    print("no import:", error)
    sys.exit()
connection = rpyc.connect(sys.argv[1], int(sys.argv[2]))
try:
    print("root", connection.root)
    sys.exit("it has got a root")
except Exception as refused:
    print("refused with:", str(refused).splitlines()[0])
    if "your RPyC is older than 4.1" not in str(refused):
        raise
connection.close()
