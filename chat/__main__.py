"""``python -m chat`` is ``chat``."""

from chat.cli.main import main

main()
