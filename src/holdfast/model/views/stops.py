"""What holds a part of the fleet, and what placing or lifting it did."""

import msgspec

from holdfast.model.sessions import SessionState
from holdfast.model.stops import StopKind
from holdfast.model.views.kills import KillLever, KillReceipt


class StopView(msgspec.Struct, frozen=True, kw_only=True):
    """One stop. `what` is its part of the fleet in words; names that are empty are not asked about.

    `lifted_by` says who may lift it and `lifts` what is typed for that. `sessions` are those that
    wait for it now.
    """

    stop_id: str
    kind: StopKind
    what: str
    by: str
    reason: str
    at_ns: int
    lifts: str
    lifted_by: str
    tenant: str = ""
    project: str = ""
    user: str = ""
    agent: str = ""
    sessions: int = 0


class StopList(msgspec.Struct, frozen=True, kw_only=True):
    """What stands, oldest first."""

    stops: tuple[StopView, ...]


class StoppedSession(msgspec.Struct, frozen=True, kw_only=True):
    """One session after the act. `ms` is since it was asked for, `why` what still holds it.

    `ok`: it stands as it was to.
    """

    session_id: str
    tenant: str
    user: str
    agent: str
    state: SessionState
    ms: float
    ok: bool = True
    why: str = ""


class StopReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What one act did to a part of the fleet.

    `already`: the stop stood before. `levers` are those of the act, `sessions` those that it was
    about, and `kills` the receipts of those that it killed.
    """

    stop: StopView
    already: bool
    levers: tuple[KillLever, ...]
    sessions: tuple[StoppedSession, ...]
    kills: tuple[KillReceipt, ...]
    total_ms: float


class StopReach(msgspec.Struct, frozen=True, kw_only=True):
    """Who is within a part of the fleet now: sessions that are not over."""

    what: str
    sessions: int
    users: int
    agents: int
