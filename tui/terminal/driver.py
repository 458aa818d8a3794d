"""The driver of POSIX terminals: Textual's, with our keyboard, and with signals that leave nothing broken."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
from contextlib import suppress
from types import FrameType
from typing import IO, Any

from textual.app import App
from textual.drivers import linux_driver
from textual.drivers.linux_driver import LinuxDriver

from tui.terminal.keyboard import Keyboard
from tui.terminal.osc import POP_TITLE, PUSH_TITLE

assert sys.platform != "win32", "Windows has another driver"  # the type checker reads this, too

# The driver makes its parser by this name; Textual 8.2.8 has no parameter for it.
setattr(linux_driver, "XTermParser", Keyboard)  # noqa: B010  # the type checker knows that it is another class

AGAIN = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?1004h\x1b[?2004h"
"""The alternate screen, no cursor, no wrap, reports of focus, and marks around pastes."""
MOUSE = "\x1b[?1000h\x1b[?1003h\x1b[?1006h"
"""Reports of the mouse."""
ERASE = "\x1b[m\x1b[H\x1b[J"
"""Erases the picture. Without an alternate screen it would stay, and the shell would write into it."""


class Output:
    """The terminal as a file. If it is gone, what is written vanishes.

    Textual's writer thread would end with the error, and the program would wait for it for ever.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.gone = False

    def write(self, text: str) -> None:
        self._do(lambda: self._file.write(text))

    def flush(self) -> None:
        self._do(self._file.flush)

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return True

    def _do(self, what: Any) -> None:
        if not self.gone:
            try:
                what()
            except (OSError, ValueError):
                self.gone = True


class TerminalDriver(LinuxDriver):
    """Draws on the standard output, where Textual would draw on stderr: ``chat 2>file`` keeps its screen.

    Textual's handler of SIGCONT starts a second reader if the process was stopped by SIGSTOP, and takes the
    raw mode for the terminal's own.
    """

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **{**options, "mouse": options.get("mouse", True) and not in_gnu_screen()})
        assert sys.__stdout__ is not None
        self._file: Any = Output(sys.__stdout__)  # private in 8.2.8: where its writer thread writes
        self._raw: list[Any] | None = None  # the terminal's modes while it is ours
        self._stopped = False
        self._continuing = False
        signal.signal(signal.SIGTSTP, self._stop)
        signal.signal(signal.SIGCONT, self._continue)

    @property
    def can_suspend(self) -> bool:
        return has_shell()

    @property
    def gone(self) -> bool:
        """Whether there is no terminal any more. Without a controlling terminal no signal tells that."""
        poll = select.poll()
        poll.register(self.fileno, 0)  # asks for nothing: a hang-up is always told
        return any(happened & (select.POLLHUP | select.POLLERR) for _, happened in poll.poll(0))

    def suspend_job(self) -> None:
        """Stop this program and those that were started with it, e.g. make, as Ctrl+Z does elsewhere.

        The terminal is given back first, and all of them stop at once: the shell shows its prompt as soon as
        its own child has stopped, and may continue the job then.
        """
        self.suspend_application_mode()
        self._stopped = True
        os.killpg(0, signal.SIGSTOP)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._auto_restart:  # private in 8.2.8: false while `App.suspend` runs another program
            self.suspend_application_mode()
            self._stopped = True
        os.kill(os.getpid(), signal.SIGSTOP)

    def _continue(self, number: int, frame: FrameType | None) -> None:
        if not self._auto_restart or self._continuing:
            return
        if self._stopped:
            self._stopped = False
            self._continuing = True
            try:
                self.resume_application_mode()
            finally:
                self._continuing = False
        else:  # by SIGSTOP: the shell may have changed the terminal, and what was typed waits to be read
            if self._raw is not None:
                try:
                    termios.tcsetattr(self.fileno, termios.TCSANOW, self._raw)
                except termios.error:  # the terminal is gone: the kernel sends SIGCONT with SIGHUP
                    return
            self.write(AGAIN + (MOUSE if self._mouse else ""))
            self.flush()
        self.send_message(self.SignalResume())

    def use_mouse(self, on: bool) -> None:
        """Let the terminal report the mouse; without it the terminal's own selection works."""
        if self._mouse:
            (self._enable_mouse_support if on else self._disable_mouse_support)()

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]  # it has no hints
        self.write(PUSH_TITLE)
        with suppress(termios.error):
            self._raw = termios.tcgetattr(self.fileno)

    def stop_application_mode(self) -> None:
        self.write(ERASE + POP_TITLE)
        super().stop_application_mode()
        self.write("\x1b[?1016l")  # Textual switches it on and not off
        self.flush()


def in_gnu_screen() -> bool:
    """Return whether GNU screen is around this program.

    Version 4.9.0 keeps an ESC back while it reports the mouse, because a report may begin so: Escape does
    nothing then, and the next letter comes as Alt and a letter.
    """
    return "STY" in os.environ


def has_shell() -> bool:
    """Return whether somebody can continue this program after Ctrl+Z.

    That is the parent of its process group, if it is in the same session (otherwise POSIX calls the group
    orphaned).
    """
    import psutil  # late: nobody suspends the screen before it is painted

    group, session = os.getpgrp(), os.getsid(0)
    try:
        for parent in psutil.Process().parents():
            if os.getpgid(parent.pid) != group:
                return os.getsid(parent.pid) == session
    except (OSError, psutil.Error):
        pass
    return False
