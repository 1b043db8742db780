"""What a hook sees and what it may answer: an operator's function at one of four points.

A hook is `async (HookInput) -> HookAnswer | None`. Not here: running them (`runtime/hooks`).
"""

import enum
from typing import Any

import msgspec

from holdfast.model.decisions import Verdict
from holdfast.model.principals import Principal


class HookPoint(enum.StrEnum):
    """Where a hook stands.

    `post_tool` is run after every permitted call, `on_error` beside it after one that failed, and
    for a model call that failed.
    """

    PRE_TOOL = "pre_tool"
    POST_TOOL = "post_tool"
    ON_CONTEXT_OVERFLOW = "on_context_overflow"
    ON_ERROR = "on_error"


class HookInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a hook sees. `arguments` and `output` are JSON values; changing them does nothing.

    `arguments` are those that ran; after a restart of the server in the middle of a call they are
    not known any more, and empty. `detail` is the error of a call that failed.
    """

    point: HookPoint
    principal: Principal
    tool: str = ""
    call_id: str = ""
    arguments: dict[str, Any] = {}
    output: Any = None
    ok: bool = True
    detail: str = ""


class HookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a hook may answer.

    `verdict` allow adds nothing; ask and deny tighten: a call is not run, a result does not reach
    the model. `arguments` (pre-tool) and `output` (post-tool) replace what goes on, when they are
    not None. `code` is the stable code that the caller reads, e.g. `permission_denied` or
    `budget_exceeded`.
    """

    verdict: Verdict = Verdict.ALLOW
    code: str = ""
    reason: str = ""
    arguments: dict[str, Any] | None = None
    output: Any = None
