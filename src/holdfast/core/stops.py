"""Which stops hold a session, and what they make of it.

A session is held by every stop that covers it and goes on only when none does any more. What else
pauses it, a person, a hook or a spent cap, is its own and outlasts them all.
"""

import shlex
from collections.abc import Iterable, Sequence

import msgspec

from holdfast.core.sessions import paused, resumed
from holdfast.model.principals import Principal
from holdfast.model.sessions import Session
from holdfast.model.sessions import SessionState as S
from holdfast.model.stops import Reach, Stop, StopKind

_DONE = {StopKind.PAUSE: "paused", StopKind.KILL: "killed"}


def covers(reach: Reach, who: Principal) -> bool:
    """Whether whoever acts so is within reach."""
    return (
        reach.tenant in ("", who.tenant)
        and reach.project in ("", who.project)
        and reach.user in ("", who.user)
        and reach.agent in ("", who.agent)
    )


def covering(stops: Iterable[Stop], who: Principal) -> tuple[Stop, ...]:
    """The stops that hold whoever acts so."""
    return tuple(one for one in stops if covers(one.reach, who))


def told(stop: Stop) -> str:
    """A stop in words, as in "project acme/shop is paused by ann: it deletes orders"."""
    reason = f": {stop.reason}" if stop.reason else ""
    return f"{stop.reach} is {_DONE[stop.kind]} by {stop.by}{reason}"


def command(verb: str, reach: Reach) -> str:
    """What is typed to do this to that part of the fleet."""
    named = (
        ("--tenant", reach.tenant),
        ("--project-name", reach.project),
        ("--user", reach.user),
        ("--agent", reach.agent),
    )
    told = [f" {option} {shlex.quote(name)}" for option, name in named if name]
    return f"holdfast sessions {verb}{''.join(told) or ' --all'}"


def held(session: Session, stops: Sequence[Stop], now_ns: int) -> Session:
    """The session as the stops that cover it leave it; the very same where they change nothing.

    Its clock stands still from when the first of them came, and goes on once there is none.
    """
    if stops and session.state is S.ACTIVE:
        since_ns = max(min(s.at_ns for s in stops), session.opened_at_ns)
        since_ns = max(since_ns, session.state_changed_at_ns)
        if since_ns >= session.expires_at_ns:
            return session  # It was over before.
        return msgspec.structs.replace(
            paused(session, since_ns),
            state=S.PAUSED,
            state_reason=told(stops[0]),
            state_changed_at_ns=since_ns,
            by_stop=True,
        )
    if not stops and session.by_stop and session.state is S.PAUSED:
        return msgspec.structs.replace(
            resumed(session, now_ns),
            state=S.ACTIVE,
            state_reason="",
            state_changed_at_ns=now_ns,
            by_stop=False,
        )
    return session
