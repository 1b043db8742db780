"""Bodies of model calls and of the upstreams that they go to."""

from holdfast.model.bodies.base import Body
from holdfast.model.money import Sampled, Usage


class ModelCallRefused(Body, frozen=True, kw_only=True):
    """A model call that cost nothing: refused here (`client` says by whom it came) or upstream.

    `exact`: that it cost nothing is known. `retried`: what went wrong at the upstream before.
    """

    why: str
    exact: bool
    model: str = ""
    client: str = ""
    upstream: str = ""
    retried: tuple[str, ...] = ()


class ModelCallLimited(Body, frozen=True, kw_only=True):
    """A tenant asked models for more than its rate; so many calls were refused in a second."""

    refused: int


class ModelCallCounted(Body, frozen=True, kw_only=True):
    """Free requests of a session to its provider within a minute."""

    passed: int
    refused: int


class ModelCallCut(Body, frozen=True, kw_only=True):
    """A stream was ended here. `output_bytes` is what the model had written by then."""

    reason: str
    output_bytes: int
    message_id: str


class ModelCallSettled(Body, frozen=True, kw_only=True):
    """A model call was paid for; what it cost is the record's own `cost_nusd`.

    `in_nusd` and `out_nusd` are nano-dollars. `exact`: by the provider's own final usage, which
    else is a bound. `served` are the premiums that the answer names, `sampled` samplings that it
    lists apart, `doubts` what of it has no price. `ended` is `complete`, `cut: …`, `abandoned` or
    `broken: …`. `thread_tokens`: how long the conversation is after it. `max_tokens` is what was
    sent, `asked_max_tokens` what was asked for. `context_percent` says how full the window was,
    where that is known, and `tools` whether the request had any. It showed `messages` messages, and
    `opens` is the digest of the first.

    With `outcome`, the server ended before the provider's usage came: then nothing else stands
    there but the hold and its purpose.
    """

    model: str
    usage: Usage
    in_nusd: int
    out_nusd: int
    exact: bool
    served: tuple[str, ...] = ()
    sampled: tuple[Sampled, ...] = ()
    doubts: tuple[str, ...] = ()
    ended: str
    stop_reason: str
    message_id: str
    thread_tokens: int
    max_tokens: int
    asked_max_tokens: int
    duration_ms: int
    agent_path: str
    upstream: str = ""
    retried: tuple[str, ...] = ()
    context_percent: int | None = None
    tools: bool | None = None
    messages: int = 0
    opens: str = ""
    hold_id: str = ""
    purpose: str = ""
    outcome: str = ""


class ModelCallLost(Body, frozen=True, kw_only=True):
    """`model_call.settled` at what was held: a crash took the call."""

    hold_id: str
    purpose: str
    outcome: str


class ContextAlert(Body, frozen=True, kw_only=True):
    """A context came to be as full as it should at most be.

    Of a session's own conversation, of the sub-agent `agent_path`, or of the run `run_id`.
    """

    percent: int
    threshold: int
    agent_path: str | None = None
    run_id: str = ""


class ContextCompacted(Body, frozen=True, kw_only=True):
    """A client made its conversation smaller, or began another in its place.

    It had shown `before` messages, and shows `messages` that begin otherwise; the context was
    `percent` full before. `task`: the model is told the session's task, to the letter.
    """

    before: int
    messages: int
    percent: int
    agent_path: str
    task: bool


class UpstreamChanged(Body, frozen=True, kw_only=True):
    """The breaker of an upstream's key, for a user where one has their own.

    `failures` in a row; `relay` is the process that saw it, 0 for the server.
    """

    upstream: str
    key: str
    failures: int
    for_user: str = ""
    relay: int = 0


class UpstreamOpened(UpstreamChanged, frozen=True, kw_only=True):
    """It failed too often, and is left alone for a while."""

    trouble: str


class UpstreamClosed(UpstreamChanged, frozen=True, kw_only=True):
    """It answers again."""
