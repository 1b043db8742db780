"""Stands between the server and a hook host, and ends all that its hooks started with either.

No hook runs in this process, so none can hold it up: also where the server is killed, and can end
nothing itself, what left the host's group, session or environment is found by descent (orphans
come here, to their subreaper) and by mark. Linux only; elsewhere a host has no keeper.
"""

import contextlib
import os
import select

from holdfast.backends.hook_host.survivors import MARK, end_all

_LOOK_MS = 500
_LINE = 0


def keep(host: int, server: int) -> None:
    """Wait until the host ends, the server closes its end of the line, or is gone; then end all.

    Never returns: this process is of the group that it ends.
    """
    os.close(1)  # The line's other direction ends with the host alone.
    ended = select.poll()
    # Without interest in what can be read: hung up is told all the same.
    ended.register(_LINE, 0)
    with contextlib.suppress(OSError):
        ended.register(os.pidfd_open(host), select.POLLIN)
    while not ended.poll(_LOOK_MS) and os.getppid() == server and not _reaped(host):
        pass
    end_all(os.getpid(), os.environ.get(MARK, ""))
    os._exit(0)


def _reaped(host: int) -> bool:
    """Take in the orphans that ended meanwhile; whether the host is among them."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == host:
                return True
            if not pid:
                return False
    return True
