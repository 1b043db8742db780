"""What the guard's door takes and gives, as JSON."""

from typing import Any

import msgspec

from holdfast.model.decisions import Reason, Verdict
from holdfast.model.hooks import HookPoint
from holdfast.runtime.attempts import Found, Next


class DecideBody(msgspec.Struct, forbid_unknown_fields=True):
    """A request for a permit; `runs_returned` is explained at `runtime.guard.Asked`."""

    call_id: str
    tool: str
    arguments: dict[str, Any]
    door: str = "http"
    runs_returned: bool = False
    takes_stored: bool = False
    key: str = ""


class Stored(msgspec.Struct, kw_only=True):
    """An effect as it was done before; `output` is None where it was too large to keep."""

    ok: bool
    output: Any
    output_kept: bool
    error: str


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
    effect_key: str = ""
    stored: Stored | None = None


class AgainBody(msgspec.Struct, forbid_unknown_fields=True):
    """A call that was allowed and lost its answer; see `runtime.attempts.Retry`."""

    call_id: str
    tool: str
    arguments: dict[str, Any]
    found: Found = Found.NOTHING_KNOWN
    output: Any = None
    error: str = ""
    door: str = "http"


class AgainAnswer(msgspec.Struct, kw_only=True):
    """What to do about it."""

    next: Next
    effect_key: str
    attempt: int
    ruling: DecideAnswer | None
    stored: Stored | None
    message: str


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


class FinishAnswer(msgspec.Struct):
    """The output as the hooks left it; `withheld` is the model's text where they object to it."""

    output: Any
    rewritten: bool
    content: str | None = None
    withheld: str = ""


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
