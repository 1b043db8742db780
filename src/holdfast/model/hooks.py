"""What a hook sees and what it may answer: an operator's function at one of four points.

A hook is `async (HookInput) -> HookAnswer | None`. Operators import all of this from
`holdfast.hooks`. Not here: running them (`runtime/hooks`).
"""

import enum
from typing import Annotated, Any, Literal

import msgspec

from holdfast.model.decisions import Verdict
from holdfast.model.principals import Principal

Strategy = Literal["prune_tool_results", "keep_last", "summarise", "hand_off", "end"]
"""What is given up of a context that is full."""


class HookPoint(enum.StrEnum):
    """Where a hook stands.

    `post_tool` is run after every permitted call, `on_error` beside it after one that failed, and
    for a model call that failed.
    """

    PRE_TOOL = "pre_tool"
    POST_TOOL = "post_tool"
    ON_CONTEXT_OVERFLOW = "on_context_overflow"
    ON_ERROR = "on_error"


AFTER_TOOL = (HookPoint.POST_TOOL, HookPoint.ON_ERROR)
"""Where a call that ran comes to: the second only where it failed."""


class Recovery(enum.StrEnum):
    """What follows a failure, the mildest first; of several hooks the strictest holds.

    `retry`: another try, as far as the bounds allow one. `retry_smaller`: a model call once more,
    with a smaller context. `switch_tool`: the model reads that it is to use another tool instead.
    `skip`: no further try, and the model reads the failure. `escalate`: the session is paused until
    a person resumes it. `fail`: no further try; a run becomes a dead letter.
    """

    RETRY = "retry"
    RETRY_SMALLER = "retry_smaller"
    SWITCH_TOOL = "switch_tool"
    SKIP = "skip"
    ESCALATE = "escalate"
    FAIL = "fail"


class HookInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a hook sees. `arguments` and `output` are JSON values; changing them does nothing.

    `arguments` are those that ran; after a restart of the server in the middle of a call they are
    not known any more, and empty. `detail` is the error of a call that failed, or how full the
    context is. `tries` counts the tries of the call that failed, this one included; `code` is what
    the failure is called, `tool_timeout` or `overloaded_error`. `strategy` is what a full context
    is met with where no hook says otherwise.
    """

    point: HookPoint
    principal: Principal
    tool: str = ""
    call_id: str = ""
    arguments: dict[str, Any] = {}
    output: Any = None
    ok: bool = True
    detail: str = ""
    tries: int = 0
    code: str = ""
    strategy: Strategy | None = None


class HookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a hook may answer. A field that has no meaning at the hook's point makes it a deny.

    `verdict` allow adds nothing; ask and deny tighten: a call is not run, a result does not reach
    the model, a full context ends its run, a failure is `fail`. `arguments` (pre-tool) and `output`
    (post-tool) replace what goes on, when they are not None. `code` is the stable code that the
    caller reads, e.g. `permission_denied` or `budget_exceeded`.

    At `on_error`, `recovery` says what follows, and `tool` names the one to use instead
    (`switch_tool`). At `on_context_overflow`, `strategy` and `keep_turns` say what is given up.
    """

    verdict: Verdict = Verdict.ALLOW
    code: Annotated[str, msgspec.Meta(max_length=64)] = ""
    reason: str = ""
    arguments: dict[str, Any] | None = None
    output: Any = None
    recovery: Recovery | None = None
    tool: Annotated[str, msgspec.Meta(max_length=128)] = ""
    strategy: Strategy | None = None
    keep_turns: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None = None


_OF_POINT: dict[HookPoint, frozenset[str]] = {
    HookPoint.PRE_TOOL: frozenset({"arguments"}),
    HookPoint.POST_TOOL: frozenset({"output"}),
    HookPoint.ON_CONTEXT_OVERFLOW: frozenset({"strategy", "keep_turns"}),
    HookPoint.ON_ERROR: frozenset({"recovery", "tool"}),
}
_ANYWHERE = frozenset({"verdict", "code", "reason"})


def misplaced(point: HookPoint, answer: HookAnswer) -> str:
    """Why this is no answer at this point, as in `the hook …`; empty where it is one."""
    meant = _ANYWHERE | _OF_POINT[point]
    given = {
        name
        for name in answer.__struct_fields__
        if name not in meant and getattr(answer, name) not in (None, "")
    }
    if given:
        return f"answered with `{min(given)}`, which says nothing at {point}"
    if (answer.recovery is Recovery.SWITCH_TOOL) != bool(answer.tool):
        return "answered with one of `switch_tool` and `tool` without the other"
    return ""
