"""``chat``, and ``python -m chat``: loads the command line, and runs it."""

import gc


def main() -> None:
    """Run ``chat``. What is loaded is no garbage: to look for some in it takes 6 ms, and 10 ms at the end."""
    gc.disable()
    from chat.cli.main import main as run

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
