"""The house's own loop where its tenant asks for too much: the run makes room, and loses nothing."""

import asyncio
from typing import Any, cast

from holdfast.backends.system.sandbox import SystemSandbox
from holdfast.client import Session
from holdfast.core.loop import Conversation
from holdfast.errors import HoldfastError, PolicyUnavailable, RateLimited
from holdfast.integrations.native.driver import Driver
from holdfast.integrations.native.router import Router
from holdfast.model.events import Kind, Record
from holdfast.model.runs import Run, RunPlan, RunState
from holdfast.tools.lease import Lease, now_s

TOOLS = {"look": {"definition": {}, "idempotency": "pure", "run": {"kind": "http"}}}
RUN = Run(
    run_id="run_1",
    session="ses_1",
    tenant="acme",
    project="shop",
    user="ann",
    agent="desk",
    state=RunState.RUNNING,
    prompt="go",
    plan=RunPlan(model="m", tools=TOOLS),
    submitted_at_ns=1,
    changed_at_ns=1,
    epoch=3,
)
WANTED = {"type": "tool_use", "id": "c1", "name": "look", "input": {}}
HISTORY = (
    Record(kind=Kind.RUN_SUBMITTED, at_ns=1, body={"prompt": "go"}),
    Record(
        kind=Kind.RUN_ANSWERED,
        at_ns=2,
        turn=1,
        body={"content": [WANTED], "stop_reason": "tool_use", "usage": {}},
    ),
)


class Busy:
    """A session at a server whose guard decides nothing."""

    base_url, token, model_token = "http://127.0.0.1:9", "t", "t"

    def __init__(self, fault: HoldfastError, history: tuple[Record, ...] = HISTORY) -> None:
        self.fault = fault
        self.before = history
        self.left: list[tuple[Any, ...]] = []
        self.written: list[Any] = []

    async def history(self) -> tuple[Record, ...]:
        return self.before

    async def again(self, *_: Any, **__: Any) -> None:
        raise self.fault

    async def append(self, epoch: int, events: list[Any]) -> tuple[Record, ...]:
        self.written += [(epoch, event["kind"], event["body"]["error_class"]) for event in events]
        return ()

    async def leave(self, epoch: int, how: str, reason: str, *, delay_s: float, **_: Any) -> None:
        self.left.append((epoch, how, reason, delay_s))


def activated(session: Busy) -> None:
    """One activation, to its end."""

    async def main() -> None:
        router = Router(
            TOOLS,
            {},
            session_id="ses_1",
            environment={},
            lease=Lease(now_s() + 3600),
            sandbox=SystemSandbox(),
        )
        await Driver(cast("Session", session), RUN, router).activate()

    asyncio.run(main())


def test_run_whose_tenant_asks_for_too_much_is_delayed_and_its_call_stays_open():
    session = Busy(RateLimited("later", retry_after_s="1.0"))
    activated(session)
    assert session.written == [(3, Kind.RUN_RETRYING, "rate_limited")]
    assert session.left == [(3, "delay", "rate_limited: later", 5.0)]


def test_run_whose_policy_is_away_is_delayed_longer_each_time_and_never_given_up():
    again = Record(kind=Kind.RUN_RETRYING, at_ns=3, body={"error_class": "policy_unavailable"})
    longest = 0.0
    for tried in range(40):
        session = Busy(PolicyUnavailable("away"), (*HISTORY, *[again] * tried))
        activated(session)
        assert session.written == [(3, Kind.RUN_RETRYING, "policy_unavailable")]
        [(epoch, how, reason, delay_s)] = session.left
        assert (epoch, how, reason) == (3, "delay", "policy_unavailable: away")
        assert 0 <= delay_s <= min(60.0, 0.5 * 2**tried)
        longest = max(longest, delay_s)
    assert longest > 5


def test_tries_at_a_tool_call_are_not_counted_as_tries_at_the_next_model_call():
    talk = Conversation()
    again = Record(kind=Kind.RUN_RETRYING, at_ns=3, body={"error_class": "rate_limited"})
    answered = Record(
        kind=Kind.RUN_TOOL_ANSWERED, at_ns=4, call_id="c1", tool="look", body={"content": "ok"}
    )
    for record in (*HISTORY, *[again] * 9):
        talk.fold(record)
    assert talk.retries == 9
    talk.fold(answered)
    assert talk.retries == 0
    talk.fold(again)
    assert talk.retries == 1
