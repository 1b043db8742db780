"""What the fleet's paths take."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from holdfast.apps.control.wire import Name, Nanoseconds

MOST_ROWS = 1000
_WORDS = 400


class WhichFleet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters, where an empty one does not filter; the order; a stretch of what is found.

    `states` are states between commas, `live` for those that go on, `over` for the others; without
    any, `live`. `words` are looked for in ids, agents, users, tasks, projects and tenants, each of
    them; `agent:desk` in one of these. `used` sorts by the share of the cap.
    """

    tenant: Name = ""
    project: Name = ""
    user: Name = ""
    agent: Name = ""
    states: Annotated[str, Meta(max_length=100)] = ""
    words: Annotated[str, Meta(max_length=_WORDS)] = ""
    sort: Literal[
        "opened", "spent", "used", "turns", "context", "last", "agent", "user", "task", "state"
    ] = "opened"
    order: Literal["falling", "rising"] = "falling"
    skip: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = 100


class SinceWhen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The version that is known, and how long a newer one is waited for."""

    after: Nanoseconds = 0
    wait_s: Annotated[int, Meta(ge=0, le=25)] = 20
