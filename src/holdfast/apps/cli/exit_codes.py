"""Exit codes: what a script may rely on (docs/reference/cli.md).

Not here: how a governed run ended (`outcomes`).
"""

import enum

from holdfast import errors


class ExitCode(enum.IntEnum):
    """Stable; a number is never given another meaning."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    DENIED = 3
    BUDGET = 4
    KILLED = 5
    PAUSED = 6
    LOOP = 7
    UPSTREAM = 8
    UNAVAILABLE = 9
    UNVERIFIED = 10
    INTERRUPTED = 130


# The first that fits holds; a subclass stands above its base.
_BY_ERROR: tuple[tuple[type[errors.HoldfastError], ExitCode], ...] = (
    (errors.LoopDetected, ExitCode.LOOP),
    (errors.DeadlineExceeded, ExitCode.LOOP),
    (errors.SessionPaused, ExitCode.PAUSED),
    (errors.Denied, ExitCode.DENIED),
    (errors.Exhausted, ExitCode.BUDGET),
    (errors.UpstreamUnavailable, ExitCode.UPSTREAM),
    (errors.RateLimited, ExitCode.UPSTREAM),
    (errors.Unavailable, ExitCode.UNAVAILABLE),
    (errors.InvalidRequest, ExitCode.USAGE),
    (errors.Unauthenticated, ExitCode.USAGE),
    (errors.Conflict, ExitCode.USAGE),
)


def code_of(fault: errors.HoldfastError) -> ExitCode:
    """The exit code of an error that ended a verb."""
    for cls, code in _BY_ERROR:
        if isinstance(fault, cls):
            return code
    return ExitCode.INTERNAL
