"""``python -m chat`` is ``chat``."""

from chat.cli import main

main()
