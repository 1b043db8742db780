"""What the paths of runs take. Money in nano-dollars, times in UTC nanoseconds."""

from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt

from holdfast.apps.control.paging import Cursor
from holdfast.apps.control.sessions.schemas import AgentFile, Cap, Scope
from holdfast.apps.control.wire import EMPTY_IS_ABSENT, Asked, Name, Reason
from holdfast.model.budgets import Dimension
from holdfast.model.runs import RunState

MAX_LISTED = 1000
_PROMPT_CHARS = 500_000


class Submit(Asked):
    """Work for the house's own loop; exactly one of `agent` and `agent_file`."""

    agent: Name = ""
    agent_file: AgentFile | None = None
    user: Name
    tenant: Name = ""
    project: Name = ""
    task: Name = ""
    limits: dict[Dimension, Cap] = Field(default_factory=dict)
    scope: Scope = Field(default_factory=dict)
    prompt: Annotated[str, Field(min_length=1, max_length=_PROMPT_CHARS)]
    priority: Annotated[StrictInt, Field(ge=-100, le=100)] = 0
    deadline_s: Annotated[StrictInt, Field(ge=0, le=31_536_000)] = 0
    batch: Annotated[str, Field(max_length=64)] = ""


class WhichRuns(Asked):
    """Filters of a list; an empty one does not filter."""

    tenant: Name = ""
    project: Name = ""
    user: Name = ""
    batch: Name = ""
    state: Annotated[RunState | None, EMPTY_IS_ABSENT] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LISTED)] = 100
    cursor: Cursor = ""


class WhichDead(Asked):
    """A page of all that wait for a person."""

    limit: Annotated[int, Field(ge=1, le=MAX_LISTED)] = MAX_LISTED
    cursor: Cursor = ""


class WhichEffects(WhichDead):
    """A page of what one session did."""

    session: Name


class Why(Asked):
    """Why, for the journal."""

    reason: Reason = ""


class Fork(Asked):
    """After which turn to branch; a prompt in place of the run's own where one is given."""

    turn: Annotated[StrictInt, Field(ge=1, le=2**31 - 1)]
    prompt: Annotated[str, Field(max_length=_PROMPT_CHARS)] = ""
    reason: Reason = ""


class Resolve(Asked):
    """What became of an unknown effect, as a person found out."""

    tenant: Name
    key: Annotated[str, Field(min_length=1, max_length=512)]
    outcome: Literal["done", "failed"]
    output: Any = None
    by: Name
    reason: Reason = ""
