"""Runs: one execution of a session by the house's own loop, to a terminal state.

A run is taken up by a worker for one *activation* at a time. What it did stands in the journal;
the run itself says only where it stands, who has it, and until when. Not here: which state may
follow which (`core/runs`), what is to be done next (`core/loop`).
"""

import enum
from typing import Any

import msgspec

WORK_PROTOCOL = 3
"""Which way of working worker and server agree on: what a claim asks and hands out, and what the
records of a run mean. Raised by every change that a worker of before could misread; a server hands
nothing to a worker of another number."""


class RunState(enum.StrEnum):
    """Where a run stands.

    `parked` waits for a person (an unknown effect, a pause); `dead` is the dead-letter queue: it
    failed too often and keeps all that is needed to go on. `done`, `failed` and `cancelled` are
    over.
    """

    QUEUED = "queued"
    RUNNING = "running"
    DELAYED = "delayed"
    PARKED = "parked"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DEAD = "dead"


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was submitted with; it stays as it was, whatever the configuration says later.

    `tools` maps a tool's name to what the worker needs to run it (`integrations/native`): JSON, no
    secret. `task_text` is put before the prompt, and again byte for byte after each compaction.
    `output`, `context`, `retries` and `approvers` are the agent's own, empty where it has none.
    """

    model: str
    system_prompt: str = ""
    task_text: str = ""
    max_output_tokens: int = 4_096
    tools: dict[str, Any] = {}
    mcp_servers: dict[str, Any] = {}
    output: dict[str, Any] = {}
    context: dict[str, Any] = {}
    retries: dict[str, Any] = {}
    approvers: tuple[str, ...] = ()


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `epoch` is one higher at each activation, and fences the one before.

    `priority` higher goes first. `deadline_ns` 0 is none; `not_before_ns` holds a delayed run back.
    `life_left_ns` is what is left of the session's wall clock, which stands still while nobody
    works at the run. `lease_until_ns` is when `worker` loses it unless it says that it lives, and
    `worker_process` which process that is, where it can be told (`runtime/workers`).
    `activations` counts all of them, `failures` those in a row that ended without progress.
    `result` is JSON, set when done. `retry_of` is the run that this one does again or branches
    from, `fork_turn` the turn after which it branches. `batch` groups runs. `context_percent` is
    how full the context was after the last answer, `context_alerted` that somebody was told.
    `parked_for` is the account whose spent cap parked it. Times are UTC nanoseconds.
    """

    run_id: str
    session: str
    tenant: str
    project: str
    user: str
    agent: str
    state: RunState
    prompt: str
    plan: RunPlan
    submitted_at_ns: int
    changed_at_ns: int
    priority: int = 0
    deadline_ns: int = 0
    not_before_ns: int = 0
    life_left_ns: int = 0
    epoch: int = 0
    worker: str = ""
    worker_process: str = ""
    lease_until_ns: int = 0
    activations: int = 0
    failures: int = 0
    reason: str = ""
    result: Any = None
    retry_of: str = ""
    fork_turn: int = 0
    batch: str = ""
    context_percent: int = 0
    context_alerted: bool = False
    parked_for: str = ""
