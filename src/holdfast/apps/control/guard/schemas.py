"""What the guard's door takes, as JSON."""

from typing import Annotated, Any, Literal

import msgspec

from holdfast.model.hooks import Strategy
from holdfast.runtime.attempts import Found


class DecideBody(msgspec.Struct, forbid_unknown_fields=True):
    """A request for a permit; `runs_returned` and others are explained at `runtime.guard.Asked`.

    Where a person is asked, the answer is waited for as long as `waits_s`; if there is none then,
    the refusal is `approval_pending`, the call is undecided, and it may be asked for again.
    """

    call_id: str
    tool: str
    arguments: dict[str, Any]
    door: str = "http"
    runs_returned: bool = False
    takes_stored: bool = False
    key: str = ""
    hands_key: bool = True
    waits_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.0


class AgainBody(msgspec.Struct, forbid_unknown_fields=True):
    """A call that was allowed and lost its answer; see `runtime.attempts.Retry`."""

    call_id: str
    tool: str
    arguments: dict[str, Any]
    found: Found = Found.NOTHING_KNOWN
    output: Any = None
    error: str = ""
    door: str = "http"


class FinishBody(msgspec.Struct, forbid_unknown_fields=True):
    """What became of a permitted call."""

    call_id: str
    ok: bool
    output: Any = None
    error: str = ""
    duration_ms: int = 0
    content: str | None = None
    uncertain: bool = False
    replaced: list[str] = []
    code: str = ""


class RedeemBody(msgspec.Struct, forbid_unknown_fields=True):
    """An executor about to run a call."""

    permit: str
    call_id: str
    tool: str
    arguments: dict[str, Any]


class PromptBody(msgspec.Struct, forbid_unknown_fields=True):
    """What the user typed."""

    text: str


class HookBody(msgspec.Struct, forbid_unknown_fields=True):
    """A hook point that a door reached, for no call or for a running one of the session.

    `tries` counts those of what failed, `code` names the failure; `strategy` is what a full context
    is met with unless a hook says otherwise.
    """

    point: Literal["on_context_overflow", "on_error"]
    detail: str = ""
    call_id: str = ""
    tries: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    code: Annotated[str, msgspec.Meta(max_length=64)] = ""
    strategy: Strategy | None = None


class ReasonBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why, for the journal."""

    reason: str = ""
