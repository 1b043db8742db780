"""The life of a run as a literal table, and how long one waits before it is tried again.

Not here: which run goes next (`run_queue`).
"""

import enum
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec

from holdfast.errors import IllegalMove
from holdfast.model.runs import Run, RunState
from holdfast.model.runs import RunState as S

OPEN = (RunState.QUEUED, RunState.RUNNING, RunState.DELAYED)
"""States that a server keeps in memory."""

PAUSED = "the session is paused"
"""Why a run is parked that waits for nothing but its session."""

OVER = (RunState.DONE, RunState.FAILED, RunState.CANCELLED)


class By(enum.StrEnum):
    """Who moves a run: the worker at work on it, the server that hands runs out, or a person."""

    WORKER = "worker"
    DISPATCH = "dispatch"
    PERSON = "person"


_UNHELD: dict[S, frozenset[By]] = {
    S.RUNNING: frozenset({By.DISPATCH}),
    # Its session is over: a limit fails the run, a person cancels it.
    S.FAILED: frozenset({By.DISPATCH}),
    S.CANCELLED: frozenset({By.DISPATCH, By.PERSON}),
}
MOVES: dict[S, dict[S, frozenset[By]]] = {
    S.QUEUED: _UNHELD,
    S.DELAYED: _UNHELD,
    S.RUNNING: {
        # Handed back, or its worker was lost.
        S.QUEUED: frozenset({By.WORKER, By.DISPATCH}),
        S.DELAYED: frozenset({By.WORKER}),
        S.PARKED: frozenset({By.WORKER, By.DISPATCH}),
        S.DONE: frozenset({By.WORKER}),
        S.FAILED: frozenset({By.WORKER, By.DISPATCH}),
        S.DEAD: frozenset({By.WORKER, By.DISPATCH}),
        S.CANCELLED: frozenset({By.DISPATCH, By.PERSON}),
    },
    # A person resumes the run, or the session that a pause had parked it with.
    S.PARKED: {S.QUEUED: frozenset({By.PERSON}), S.CANCELLED: frozenset({By.PERSON})},
    S.DEAD: {S.QUEUED: frozenset({By.PERSON}), S.CANCELLED: frozenset({By.PERSON})},
    S.DONE: {},
    S.FAILED: {},
    S.CANCELLED: {},
}
"""Where a run may go from each state, and who takes it there."""


_Tries = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent's `retries`, as JSON in the run's plan.

    `model_attempts` are tries of one model call over all activations and at all upstreams,
    `tool_attempts` those of one tool call within one activation. Waits double from `base_s` to
    `most_s`, with full jitter. `on_budget` says what a spent cap does to a run, and to a
    session at any other door: `fail`, or `park` until a person resumes it.
    """

    model_attempts: _Tries = 3
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


def check_move(run: Run, to: S, by: By) -> None:
    """Errors: IllegalMove where the table has no such move, or not by this part."""
    if by not in MOVES[run.state].get(to, ()):
        raise IllegalMove(f"`{to}` by {by} is no move of a run that is {run.state}")


def backoff_s(attempt: int, *, base_s: float, most_s: float, roll: float) -> float:
    """Seconds to wait before try `attempt` (from 1): exponential, with full jitter.

    `roll` is a random number from 0 up to 1.
    """
    return min(most_s, base_s * 2.0 ** min(attempt - 1, 62)) * roll
