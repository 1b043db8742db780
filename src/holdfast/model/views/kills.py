"""The receipt of a kill."""

import msgspec

from holdfast.model.sessions import SessionState


class KillLever(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the kill pulled. `ms` is since the kill was asked for."""

    lever: str
    ms: float
    ok: bool
    detail: str = ""


class ChildKilled(msgspec.Struct, frozen=True, kw_only=True):
    """One session below the killed one, and what was cut and ended of it."""

    session_id: str
    agent: str
    state: SessionState
    streams: int
    processes: int
    ok: bool
    detail: str = ""


class KillReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a kill did. `already`: the session was dead before; the levers were pulled again.

    `children` are all the sessions that it started, and that those started. `taken_along` are other
    sessions that lost a stream, because the relay that carried it did not confirm a cut and was
    ended: settled in full, otherwise untouched.
    """

    session_id: str
    state: SessionState
    already: bool
    levers: tuple[KillLever, ...]
    total_ms: float
    children: tuple[ChildKilled, ...] = ()
    taken_along: tuple[str, ...] = ()
