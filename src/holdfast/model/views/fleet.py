"""Sessions at a glance, many at a time, as they stand now."""

import msgspec

from holdfast.model.events import Kind
from holdfast.model.sessions import SessionState
from holdfast.model.views.sessions import SessionView


class LastAction(msgspec.Struct, frozen=True, kw_only=True):
    """The last thing that a session did, or that was done to it; `tool` and `verdict` of a call."""

    kind: Kind
    at_ns: int
    tool: str = ""
    verdict: str = ""


class FleetRow(msgspec.Struct, frozen=True, kw_only=True):
    """One session. `cap_nusd` is its own limit over its life, None where it has none."""

    session: SessionView
    cap_nusd: int | None = None
    last: LastAction | None = None


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the sessions that match, in the order asked for.

    `matches` is how many there are in all, `cost_nusd` what these cost. `by_state` counts those
    that match but for their state. `cut_short`: there are more than are looked through.
    """

    rows: tuple[FleetRow, ...]
    matches: int
    cost_nusd: int
    by_state: dict[SessionState, int]
    cut_short: bool = False


class Changes(msgspec.Struct, frozen=True):
    """Counts what was written down; a higher `version` says that something was."""

    version: int
