"""The states of a session as a literal table: what each command leads to, and from where.

Killing needs less than resuming, so `kill` is allowed from every state that is not already
final, and nothing leads out of a final state.
"""

import enum
from collections.abc import Mapping

from holdfast.model import bodies
from holdfast.model.sessions import Session
from holdfast.model.sessions import SessionState as S


class Command(enum.StrEnum):
    """What may be asked of a session."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    KILL = "kill"
    EXPIRE = "expire"
    END = "end"


GOING_ON = (S.ACTIVE, S.PAUSED)
"""States that a session can go on from."""

TRANSITIONS: dict[tuple[S, Command], S] = {
    (S.ACTIVE, Command.PAUSE): S.PAUSED,
    (S.ACTIVE, Command.STOP): S.STOPPED,
    (S.ACTIVE, Command.KILL): S.KILLED,
    (S.ACTIVE, Command.EXPIRE): S.EXPIRED,
    (S.ACTIVE, Command.END): S.ENDED,
    (S.PAUSED, Command.RESUME): S.ACTIVE,
    (S.PAUSED, Command.STOP): S.STOPPED,
    (S.PAUSED, Command.KILL): S.KILLED,
    (S.PAUSED, Command.EXPIRE): S.EXPIRED,
    (S.PAUSED, Command.END): S.ENDED,
    (S.STOPPED, Command.KILL): S.KILLED,
    (S.ENDED, Command.KILL): S.KILLED,
    (S.EXPIRED, Command.KILL): S.KILLED,
}

RECORDED: Mapping[Command, type[bodies.SessionChanged]] = {
    Command.PAUSE: bodies.SessionPaused,
    Command.RESUME: bodies.SessionResumed,
    Command.STOP: bodies.SessionStopped,
    Command.KILL: bodies.SessionKilled,
    Command.EXPIRE: bodies.SessionExpired,
    Command.END: bodies.SessionEnded,
}


def after(state: S, command: Command) -> S | None:
    """The state that `command` leads to, or None when it is not possible from `state`."""
    return TRANSITIONS.get((state, command))


def is_held(session: Session) -> bool:
    """Whether a person paused or killed it and nobody let it go on since, whatever ended it."""
    return session.held or session.state in (S.PAUSED, S.KILLED)
