"""Bodies of what the server, its operators and its clock do."""

from holdfast.model.bodies.base import Body


class ServerStarted(Body, frozen=True, kw_only=True):
    """A server began: its settings, how many holds a crash had left, what it decides by.

    `bodies` is the version of the shapes that its records are written in; 0: before they had one.
    """

    config_version: str
    orphaned_holds: int
    behind: str
    bodies: int = 0


class PolicyChanged(Body, frozen=True, kw_only=True):
    """Rules were put in force: the names of those that are new, gone or other than before."""

    by: str
    version: str
    previous: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


class ClockJumped(Body, frozen=True, kw_only=True):
    """The wall clock was set; negative is back. Nanoseconds since the server's start."""

    off_by_ns: int


class AdminActed(Body, frozen=True, kw_only=True):
    """An operator asked for something."""

    action: str
    by: str
    reason: str
    account: str = ""
    run_id: str = ""


class AuthRefused(Body, frozen=True, kw_only=True):
    """Somebody may not do that. With `times`, so many without records of their own."""

    why: str
    by: str = ""
    action: str = ""
    reason: str = ""
    times: int = 0


class Tally(Body, frozen=True, kw_only=True):
    """So many refusals of one kind within a minute that have no records of their own."""

    why: str
    times: int
