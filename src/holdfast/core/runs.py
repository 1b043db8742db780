"""States of runs, and how long one waits before it is tried again.

Not here: which run goes next (`run_queue`).
"""

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec

from holdfast.model.runs import RunState

OPEN = (RunState.QUEUED, RunState.RUNNING, RunState.DELAYED)
"""States that a server keeps in memory."""

OVER = (RunState.DONE, RunState.FAILED, RunState.CANCELLED)


_Tries = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent's `retries`, as JSON in the run's plan.

    `model_attempts` are tries of one model call over all activations, `tool_attempts` those of one
    tool call within one. Waits double from `base_s` to `most_s`, with full jitter. `on_budget` says
    what a spent cap does: `fail`, or `park` until a person resumes the run.
    """

    model_attempts: _Tries = 4
    tool_attempts: _Tries = 3
    base_s: _Seconds = 0.5
    most_s: _Seconds = 60.0
    on_budget: Literal["fail", "park"] = "fail"


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs may be at work at a time; None is any number."""

    tenant: int | None = None
    project: int | None = None


SharesOf = Callable[[str, str], Shares]
"""The shares of a tenant and a project."""


def backoff_s(attempt: int, *, base_s: float, most_s: float, roll: float) -> float:
    """Seconds to wait before try `attempt` (from 1): exponential, with full jitter.

    `roll` is a random number from 0 up to 1.
    """
    return min(most_s, base_s * 2.0 ** min(attempt - 1, 62)) * roll
