"""What the session paths take. Money in nano-dollars, times in UTC nanoseconds."""

from typing import Annotated

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from holdfast.apps.control.paging import Cursor
from holdfast.apps.control.wire import EMPTY_IS_ABSENT, Asked, Name, Reason
from holdfast.model.budgets import Dimension
from holdfast.model.sessions import SessionProfile, SessionState

MAX_LISTED = 1000
_MAX_TURN = 2**31 - 1
Cap = StrictInt | StrictFloat | StrictStr
"""Dollars as text or a number, pieces as a whole number."""


Scope = dict[
    Annotated[str, Field(max_length=128)],
    Annotated[list[Annotated[str, Field(max_length=512)]], Field(max_length=64)],
]


class AgentFile(Asked):
    """An agent that the configuration does not name; `name` is what its faults are reported at."""

    name: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")]
    text: Annotated[str, Field(max_length=262_144)]


class OpenSession(Asked):
    """Who is to act for whom; exactly one of `agent` and `agent_file`.

    `task` is `kind` or `kind/instance`. `ttl_s` may only shorten; `limits` are caps on the session
    over its life and may only tighten. `scope` are patterns by argument, on top of the task's.
    `profile` holds where the agent names none. `folder` is where its work lies, absolute;
    `sandboxed` says that its commands run in a sandbox which was seen to hold, `sealed` that they
    were seen not to read the token of its hooks.
    """

    agent: Name = ""
    agent_file: AgentFile | None = None
    user: Name
    tenant: Name = ""
    project: Name = ""
    task: Name = ""
    ttl_s: Annotated[StrictInt, Field(ge=1, le=31_536_000)] | None = None
    parent: Name = ""
    limits: dict[Dimension, Cap] = Field(default_factory=dict)
    profile: Annotated[SessionProfile | None, EMPTY_IS_ABSENT] = None
    scope: Scope = Field(default_factory=dict)
    folder: Annotated[str, Field(max_length=4096)] = ""
    sandboxed: StrictBool = False
    sealed: StrictBool = False


class Told(Asked):
    """Why a session is told to stop, wait or go on."""

    reason: Reason = ""


class WhichSessions(Asked):
    """Filters of a list; an empty one does not filter."""

    tenant: Name = ""
    project: Name = ""
    user: Name = ""
    state: Annotated[SessionState | None, EMPTY_IS_ABSENT] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LISTED)] = 100
    cursor: Cursor = ""


class WhichTurns(Asked):
    """Rows after a turn, at least `limit` where there are as many: a turn is never divided."""

    after_turn: Annotated[int, Field(ge=0, le=_MAX_TURN)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_LISTED)] = MAX_LISTED
    cursor: Cursor = ""
