"""Which run goes next, and how long one waits before it is tried again.

Priority first; among equals the tenant that has least of its share at work, then the one that was
served longest ago, so that a noisy tenant leaves the others' waiting as it was; then the oldest.
Not here: leases, memory, records (`runtime/dispatch`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Literal

import msgspec

from holdfast.model.runs import Run, RunState

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


def pick(
    waiting: Iterable[Run],
    at_work: Iterable[Run],
    shares_of: SharesOf,
    served_at: Mapping[str, int],
    now_ns: int,
) -> Run | None:
    """The run that goes next, None when none may.

    `served_at` says when each tenant was last given a run (any rising number).
    """
    by_tenant: dict[str, int] = {}
    by_project: dict[tuple[str, str], int] = {}
    for run in at_work:
        by_tenant[run.tenant] = by_tenant.get(run.tenant, 0) + 1
        share = (run.tenant, run.project)
        by_project[share] = by_project.get(share, 0) + 1

    def order(run: Run) -> tuple[int, float, int, int, str]:
        limit = shares_of(run.tenant, run.project).tenant
        used = by_tenant.get(run.tenant, 0)
        load = used / limit if limit else float(used)
        last = served_at.get(run.tenant, 0)
        return (-run.priority, load, last, run.submitted_at_ns, run.run_id)

    def fits(run: Run) -> bool:
        limits = shares_of(run.tenant, run.project)
        mine = by_tenant.get(run.tenant, 0)
        ours = by_project.get((run.tenant, run.project), 0)
        return (limits.tenant is None or mine < limits.tenant) and (
            limits.project is None or ours < limits.project
        )

    due = (run for run in waiting if run.not_before_ns <= now_ns and fits(run))
    return min(due, key=order, default=None)
