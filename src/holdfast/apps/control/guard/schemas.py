"""What the guard's door takes and gives, as JSON."""

from typing import Any

import msgspec

from holdfast.model.decisions import Reason, Verdict
from holdfast.runtime.hooks import HookPoint


class DecideBody(msgspec.Struct, forbid_unknown_fields=True):
    """A request for a permit; `runs_returned` is explained at `runtime.guard.Asked`."""

    call_id: str
    tool: str
    arguments: dict[str, Any]
    door: str = "http"
    runs_returned: bool = False


class DecideAnswer(msgspec.Struct, kw_only=True):
    """The ruling; `permit` is empty unless the verdict is allow."""

    verdict: Verdict
    decision_id: str
    permit: str
    arguments: dict[str, Any]
    message: str
    risk: str
    reasons: tuple[Reason, ...]
    cost_nusd: int


class FinishBody(msgspec.Struct, forbid_unknown_fields=True):
    """What became of a permitted call."""

    call_id: str
    ok: bool
    output: Any = None
    error: str = ""
    duration_ms: int = 0


class FinishAnswer(msgspec.Struct):
    """The output as the hooks left it."""

    output: Any
    rewritten: bool


class RedeemBody(msgspec.Struct, forbid_unknown_fields=True):
    """An executor about to run a call."""

    permit: str
    call_id: str
    tool: str
    arguments: dict[str, Any]


class RedeemAnswer(msgspec.Struct):
    """The permit is used up."""

    permit_id: str


class PromptBody(msgspec.Struct, forbid_unknown_fields=True):
    """What the user typed."""

    text: str


class HookBody(msgspec.Struct, forbid_unknown_fields=True):
    """A hook point that a door reached."""

    point: HookPoint
    detail: str = ""


class HookReply(msgspec.Struct):
    """What the hooks object to."""

    reasons: tuple[Reason, ...]


class ReasonBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why, for the journal."""

    reason: str = ""


class Nothing(msgspec.Struct):
    """An empty answer."""
