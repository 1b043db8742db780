"""`python -m holdfast.backends.hook_host.keeper FOLDER SERVER BYTES`: keeps one agent's host.

It stands between the server and the process that hooks run in: starts it, and when it is told to
(SIGTERM) or the host ended by itself, ends all that its hooks started and starts the next. It is
their subreaper, so whoever left the host's group, session or environment is below it all the same;
when the system says that it has no child, nobody is left, and only then the next host begins. When
the server closes its end of the line, or is gone, it ends with all of them.

No hook runs in this process, so none holds it up. What a hook does to it from outside, as its own
user, is seen by the server, which hears nothing then (`line`). Linux; elsewhere only what stays in
the host's group is ended.
"""

import contextlib
import ctypes
import itertools
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from holdfast.backends.hook_host.process import NICE, serve
from holdfast.backends.hook_host.survivors import end_found
from holdfast.backends.hook_host.wire import Said, line

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LINE, _OUT = 0, 1
_LOOK_MS = 500
_MOST_PAUSE_S = 0.05


class Keeper:
    """Host after host, until the server wants no more."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._wake = os.pipe()
        for end in self._wake:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        _heard(lambda *_: None)
        self._events = select.poll()
        # Without interest in what can be read: hung up is told all the same.
        self._events.register(_LINE, 0)
        self._events.register(self._wake[0], select.POLLIN)

    def keep(self, folder: str, most_bytes: int) -> None:
        """Until the server wants no more, or is gone; nothing that hooks started is left then."""
        keeper = os.getpid()
        for number in itertools.count(1):
            # Whoever was to end has ended.
            self._signals()
            with contextlib.suppress(OSError):
                os.write(_OUT, line(Said(began=number)))
            host = os.fork()
            if not host:
                self._leave(keeper)
                serve(number, folder, most_bytes)
            wanted = self._watch(host)
            _end(host)
            if not wanted:
                return

    def _leave(self, keeper: int) -> None:
        """In the host: nothing of the keeper's goes on here."""
        os.setpgid(0, 0)
        # From here on the system ends it with its keeper.
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(0)
        signal.set_wakeup_fd(-1)
        _heard(signal.SIG_DFL)
        for end in self._wake:
            os.close(end)

    def _watch(self, host: int) -> bool:
        """Until the host is to end, or did; whether the server wants another."""
        while True:
            told = [fd for fd, _ in self._events.poll(_LOOK_MS)]
            if _LINE in told or os.getppid() != self._server:
                return False
            if signal.SIGTERM in self._signals() or not _left(host):
                return True

    def _signals(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self._wake[0], 4096)
        return b""


def _end(host: int) -> None:
    """End the host and all below this process, until the system says that nobody is."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(host, signal.SIGKILL)
    pause_s = 0.001
    while _left():
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _MOST_PAUSE_S)
        end_found(os.getpid())


def _left(host: int = -1) -> bool:
    """Take in the children that ended; whether any has not, and the host is none of those."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)[0]) != host:
            if not ended:
                return True
    return False


def _heard(handler: Callable[..., None] | signal.Handlers) -> None:
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, handler)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


def main(arguments: list[str]) -> None:
    """Standard input and output are the server's; a host takes them from its hooks."""
    folder, server, most_bytes = arguments[0], int(arguments[1]), int(arguments[2])
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    # One that a hook halted goes on when the server goes.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)
    with contextlib.suppress(OSError):
        # Where the system weighs sessions, niceness counts only among processes of one.
        Path("/proc/self/autogroup").write_text(str(NICE), encoding="ascii")
    if os.getppid() == server:
        Keeper(server).keep(folder, most_bytes)


if __name__ == "__main__":
    main(sys.argv[1:])
