"""Durable runs as operators see them, and as they are handed to a worker."""

from typing import Any, Literal

import msgspec

from holdfast.model.effects import EffectEntry
from holdfast.model.runs import Run, RunState


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """One run as it stands; what else its fields say stands at `model.runs.Run`.

    `turns` and what it costs are of its session, as in `SessionView`, and `unknown_effects` are
    what it waits for: of a list's runs those at work have the first alone, and others neither.
    """

    run_id: str
    session: str
    tenant: str
    project: str
    user: str
    agent: str
    state: RunState
    prompt: str
    submitted_at_ns: int
    changed_at_ns: int
    priority: int = 0
    deadline_ns: int = 0
    not_before_ns: int = 0
    epoch: int = 0
    worker: str = ""
    activations: int = 0
    failures: int = 0
    reason: str = ""
    result: Any = None
    retry_of: str = ""
    fork_turn: int = 0
    batch: str = ""
    context_percent: int = 0
    context_alerted: bool = False
    turns: int = 0
    cost_nusd: int = 0
    reserved_nusd: int = 0
    estimated_nusd: int = 0
    unknown_effects: tuple[EffectEntry, ...] = ()

    @property
    def over(self) -> bool:
        """Nothing more comes of it by itself or by a person."""
        return self.state in (RunState.DONE, RunState.FAILED, RunState.CANCELLED)


class RunList(msgspec.Struct, frozen=True):
    """A page of runs, newest first."""

    runs: tuple[RunView, ...]
    next: str = ""


class EffectList(msgspec.Struct, frozen=True):
    """A page of effects: of one session, oldest intent first; or unknown ones, newest first."""

    effects: tuple[EffectEntry, ...]
    next: str = ""


class RunEngine(msgspec.Struct, frozen=True):
    """Which loop an agent is for: the house's own, or the Claude Agent SDK's.

    `chunk` is how many records a batch of the task works at a time, None where the task says none.
    """

    engine: Literal["native", "claude"]
    chunk: int | None = None


class Activation(msgspec.Struct, frozen=True):
    """A run to work at, and the token of its session for as long as the lease holds.

    The lease began `waited_s` seconds after it was asked for, or later. `model_port` is where its
    model calls go at the server's host; 0 for the server's own port.
    """

    run: Run
    token: str
    model_port: int = 0
    waited_s: float = 0.0


class Claimed(msgspec.Struct, frozen=True):
    """What there is to do, None when there is nothing; a lease lasts `lease_s` seconds."""

    work: Activation | None
    lease_s: float


class HeartbeatHeard(msgspec.Struct, frozen=True):
    """Which of a worker's runs it has to stop at once, by id."""

    lost: tuple[str, ...]
    lease_s: float
