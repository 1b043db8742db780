"""What the paths of runs take. Money in nano-dollars, times in UTC nanoseconds."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from holdfast.apps.control.paging import Cursor
from holdfast.apps.control.sessions.schemas import AgentFile, Cap, Scope
from holdfast.apps.control.wire import Name, Reason
from holdfast.model.budgets import Dimension
from holdfast.model.runs import RunState

MAX_LISTED = 1000
_PROMPT_CHARS = 500_000


class Submit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Work for the house's own loop; exactly one of `agent` and `agent_file`."""

    agent: Name = ""
    agent_file: AgentFile | None = None
    user: Name
    tenant: Name = ""
    project: Name = ""
    task: Name = ""
    limits: dict[Dimension, Cap] = {}
    scope: Scope = {}
    prompt: Annotated[str, Meta(min_length=1, max_length=_PROMPT_CHARS)]
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    deadline_s: Annotated[int, Meta(ge=0, le=31_536_000)] = 0
    batch: Annotated[str, Meta(max_length=64)] = ""


class WhichRuns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters of a list; an empty one does not filter."""

    tenant: Name = ""
    project: Name = ""
    user: Name = ""
    batch: Name = ""
    state: RunState | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED)] = 100
    cursor: Cursor = ""


class WhichDead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of all that wait for a person, of one tenant where it is named."""

    tenant: Name = ""
    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED)] = MAX_LISTED
    cursor: Cursor = ""


class WhichEffects(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of what one session did."""

    session: Name
    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED)] = MAX_LISTED
    cursor: Cursor = ""


class Why(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why, for the journal."""

    reason: Reason = ""


class Fork(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """After which turn to branch; a prompt in place of the run's own where one is given."""

    turn: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    prompt: Annotated[str, Meta(max_length=_PROMPT_CHARS)] = ""
    reason: Reason = ""


class Resolve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of an unknown effect, as a person found out."""

    tenant: Name
    key: Annotated[str, Meta(min_length=1, max_length=512)]
    outcome: Literal["done", "failed"]
    output: Any = None
    by: Name
    reason: Reason = ""
