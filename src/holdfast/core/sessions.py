"""The states of a session as a literal table: what each command leads to, and from where.

Killing needs less than resuming, so `kill` is allowed from every state that is not already
final, and nothing leads out of a final state.
"""

import enum
from collections.abc import Mapping

import msgspec

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


DAY_NS = 86_400 * 1_000_000_000
PAUSED_DAYS = 7
"""How long a paused session is kept, where it had not longer to act anyway."""


def paused(session: Session, now_ns: int, *, parked_for: str = "") -> Session:
    """The session with its clock stopped, kept for a person to come back to."""
    left_ns = life_left_ns(session, now_ns)
    return msgspec.structs.replace(
        session,
        parked_for=parked_for,
        life_left_ns=left_ns,
        expires_at_ns=now_ns + max(left_ns, PAUSED_DAYS * DAY_NS),
    )


def resumed(session: Session, now_ns: int) -> Session:
    """The session with its clock going on from where it stopped."""
    return msgspec.structs.replace(
        session,
        parked_for="",
        life_left_ns=0,
        told_ending=False,
        # One that an earlier version paused has its clock running.
        expires_at_ns=now_ns + session.life_left_ns
        if session.life_left_ns
        else session.expires_at_ns,
    )


def longer(session: Session, for_ns: int, now_ns: int) -> Session:
    """The session with so much more time to act: from now on, or once it goes on."""
    left_ns = session.life_left_ns and session.life_left_ns + for_ns
    until_ns = max(session.expires_at_ns + for_ns, now_ns + left_ns)
    return msgspec.structs.replace(session, expires_at_ns=until_ns, life_left_ns=left_ns)


def life_left_ns(session: Session, now_ns: int) -> int:
    """How long it may act from now on, were it to go on now."""
    return session.life_left_ns or max(session.expires_at_ns - now_ns, 0)


def lapsed_reason(session: Session) -> str:
    """Why it ended, once its time is over."""
    if session.state is S.PAUSED:
        return "nobody resumed the session while it was kept"
    return "the session reached its wall clock"


def after(session: Session, command: Command) -> S | None:
    """The state that `command` leads to, or None when it is not possible.

    A session that only a stop pauses is active as far as it goes itself.
    """
    own = S.ACTIVE if session.by_stop else session.state
    return TRANSITIONS.get((own, command))


def is_held(session: Session) -> bool:
    """Whether a person paused or killed it and nobody let it go on since, whatever ended it."""
    return session.held or session.state in (S.PAUSED, S.KILLED)
