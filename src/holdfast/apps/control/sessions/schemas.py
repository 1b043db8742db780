"""What the session paths take. Money in nano-dollars, times in UTC nanoseconds."""

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.paging import Cursor
from holdfast.apps.control.wire import Name, Reason
from holdfast.model.budgets import Dimension
from holdfast.model.sessions import SessionProfile, SessionState

MAX_LISTED = 1000
_MAX_TURN = 2**31 - 1
Cap = int | float | str
"""Dollars as text or a number, pieces as a whole number."""


Scope = dict[
    Annotated[str, Meta(max_length=128)],
    Annotated[list[Annotated[str, Meta(max_length=512)]], Meta(max_length=64)],
]


class AgentFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent that the configuration does not name; `name` is what its faults are reported at."""

    name: Annotated[str, Meta(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$(?!\n)")]
    text: Annotated[str, Meta(max_length=262_144)]


class OpenSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to act for whom; exactly one of `agent` and `agent_file`.

    With a spending key what it fixes may be left out.

    `task` is `kind` or `kind/instance`. `ttl_s` may only shorten; `limits` are caps on the session
    over its life and may only tighten. `scope` are patterns by argument, on top of the task's.
    `profile` holds where the agent names none. `folder` is where its work lies, absolute;
    `sandboxed` says that its commands run in a sandbox which was seen to hold, `sealed` that they
    were seen not to read the token of its hooks.
    """

    agent: Name = ""
    agent_file: AgentFile | None = None
    user: Name = ""
    tenant: Name = ""
    project: Name = ""
    task: Name = ""
    ttl_s: Annotated[int, Meta(ge=1, le=31_536_000)] | None = None
    parent: Name = ""
    limits: dict[Dimension, Cap] = {}
    profile: SessionProfile | None = None
    scope: Scope = {}
    folder: Annotated[str, Meta(max_length=4096)] = ""
    sandboxed: bool = False
    sealed: bool = False


class Told(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a session is told to stop, wait or go on."""

    reason: Reason = ""


class ExtendSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much longer a session may act, and why."""

    for_s: Annotated[int, Meta(ge=1, le=31_536_000)]
    reason: Reason = ""


class WhichSessions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters of a list; an empty one does not filter."""

    tenant: Name = ""
    project: Name = ""
    user: Name = ""
    state: SessionState | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED)] = 100
    cursor: Cursor = ""


class WhichTurns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows after a turn, at least `limit` where there are as many: a turn is never divided."""

    after_turn: Annotated[int, Meta(ge=0, le=_MAX_TURN)] = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED)] = MAX_LISTED
    cursor: Cursor = ""
