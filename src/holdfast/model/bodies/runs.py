"""Bodies of durable runs. What a worker writes is scrubbed whole, and unknown fields are kept."""

from typing import Any

from holdfast.model.bodies.base import Body


class RunSubmitted(Body, frozen=True, kw_only=True):
    """A run was queued; it does `retry_of` again, or goes on from a turn of it (`fork_turn`)."""

    run_id: str
    prompt: str
    task_text: str
    system_prompt: str
    retry_of: str
    fork_turn: int


class RunClaimed(Body, frozen=True, kw_only=True):
    """A worker has it; whoever had it under a lower epoch is refused from here on."""

    run_id: str
    epoch: int
    worker: str


class RunAnswered(Body, frozen=True, kw_only=True):
    """An answer of the model, whole: its blocks and usage as the Messages API has them."""

    content: list[dict[str, Any]]
    stop_reason: str
    usage: dict[str, Any]
    model: str
    context_percent: int | None


class RunToolAnswered(Body, frozen=True, kw_only=True):
    """What the model reads of a call."""

    content: str
    is_error: bool


class RunNoted(Body, frozen=True, kw_only=True):
    """What the harness told the model; `why` is its stable word for the occasion."""

    text: str
    why: str


class RunJudged(Body, frozen=True, kw_only=True):
    """What a judge said of a result: `pass`, `fail` or `unreadable`."""

    verdict: str
    why: str
    model: str
    usage: dict[str, Any]


class RunCompacted(Body, frozen=True, kw_only=True):
    """The conversation was made smaller, at so many percent of the window."""

    strategy: str
    keep_from_turn: int
    summary: str
    percent: int


class RunRetrying(Body, frozen=True, kw_only=True):
    """A run is tried again: by its worker after `delay_s`, or from the queue after `not_before_ns`.

    `attempt` counts a model call's tries; it stands there for those alone.
    """

    error_class: str
    error: str
    delay_s: float
    attempt: int | None = None
    run_id: str = ""
    reason: str = ""
    not_before_ns: int = 0


class RunMoved(Body, frozen=True, kw_only=True):
    """A run's state changed, and why."""

    run_id: str
    reason: str


class RunDelayed(RunMoved, frozen=True, kw_only=True):
    """`run.retrying` of a run that went back into the queue."""

    not_before_ns: int


class RunParked(RunMoved, frozen=True, kw_only=True):
    """It waits for a person."""


class RunResumed(RunMoved, frozen=True, kw_only=True):
    """It was queued again."""


class RunDone(RunMoved, frozen=True, kw_only=True):
    """It is done; `result` is JSON."""

    result: Any


class RunFailed(RunMoved, frozen=True, kw_only=True):
    """It cannot be done."""


class RunCancelled(RunMoved, frozen=True, kw_only=True):
    """A person or the end of its session ended it."""


class RunDead(RunMoved, frozen=True, kw_only=True):
    """It went to the dead-letter queue."""
