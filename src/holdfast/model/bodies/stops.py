"""Bodies of what is done to a part of the fleet at once."""

from typing import Annotated

from holdfast.model.bodies.base import OURS, Body
from holdfast.model.views.stops import StoppedSession


class StopPlaced(Body, frozen=True, kw_only=True):
    """From here on nothing of that part opens or acts, by whom and why.

    `act` is `pause` or `kill`; empty names of the part are not asked about.
    """

    stop_id: str
    act: str
    reason: str
    by: str
    what: str
    tenant: str = ""
    project: str = ""
    user: str = ""
    agent: str = ""


class StopLifted(StopPlaced, frozen=True, kw_only=True):
    """What held that part holds it no more, by whom and why."""


class StopReceipt(Body, frozen=True, kw_only=True):
    """What an act did: `act` is `pause`, `kill` or `resume`.

    `sessions`, without words of people, are at most as many as a record has room for, of `number`
    in all. `failed` are sessions of which something may be left; each killed one has a receipt of
    its own.
    """

    stop_id: str
    act: str
    by: str
    number: int
    failed: int
    total_ms: float
    sessions: Annotated[tuple[StoppedSession, ...], OURS]
