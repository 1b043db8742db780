"""The model's half of a run where a call failed: what is written, in which order, and the end."""

import asyncio
from typing import Any, cast

import pytest

from holdfast.client import Session
from holdfast.errors import SessionStopped
from holdfast.integrations.native.activation import Activation, Left
from holdfast.integrations.native.model_door import Fault
from holdfast.integrations.native.model_turns import ModelTurns
from holdfast.model.events import Kind, Record
from holdfast.model.hooks import Recovery
from holdfast.model.views.calls import HookAnswer
from tests.unit.integrations.test_native_driver import RUN

BUSY = Fault(status=529, code="overloaded_error", text="busy", tries=1)


class Desk:
    """A session whose journal takes all, and whose hooks were asked by the gateway."""

    base_url = model_url = "http://127.0.0.1:9"
    token = model_token = "t"

    def __init__(self) -> None:
        self.written: list[tuple[str, dict[str, Any]]] = []
        self.left: list[tuple[str, str]] = []

    async def append(self, _epoch: int, events: list[Any]) -> tuple[Record, ...]:
        self.written += [(str(one["kind"]), one["body"]) for one in events]
        return tuple(
            Record(kind=Kind(one["kind"]), at_ns=1, turn=one["turn"], body=one["body"])
            for one in events
        )

    async def leave(self, _epoch: int, how: str, reason: str, **_: Any) -> None:
        self.left.append((how, reason))


def after(
    fault: Fault, turns: int = 4, tries: int = 0
) -> tuple[Desk, Activation, Exception | None]:
    """What one failure comes to, after so many answers."""
    desk, ended = Desk(), None

    async def main() -> Activation:
        nonlocal ended
        at = Activation(cast("Session", desk), RUN, None)
        for turn in range(1, turns + 1):
            use = {"type": "tool_use", "id": f"c{turn}", "name": "look", "input": {}}
            body = {"content": [use], "stop_reason": "tool_use", "usage": {}}
            at.talk.fold(Record(kind=Kind.RUN_ANSWERED, at_ns=1, turn=turn, body=body))
        at.talk.retries = tries
        try:
            await ModelTurns(at)._failed(fault)
        except (Left, SessionStopped) as error:
            ended = error
        return at

    return desk, asyncio.run(main()), ended


def with_(recovery: Recovery | None, **fields: Any) -> Fault:
    given: dict[str, Any] = {"status": 529, "code": "overloaded_error", "text": "busy", "tries": 1}
    return Fault(**(given | {"heard": HookAnswer(recovery=recovery)} | fields))


def test_a_smaller_context_is_had_before_a_wait_that_ends_the_activation():
    desk, at, ended = after(with_(Recovery.RETRY_SMALLER, retry_after_s=30.0))
    assert isinstance(ended, Left)
    assert [kind for kind, _ in desk.written] == ["run.compacted", "run.retrying"]
    assert (desk.left[0][0], at.talk.keep_from_turn) == ("delay", 3)


def test_where_nothing_more_can_go_a_smaller_context_is_a_dead_letter():
    desk, _, _ = after(with_(Recovery.RETRY_SMALLER), turns=1)
    assert desk.left[0][0] == "dead"


@pytest.mark.parametrize(
    ("recovery", "how"),
    [(Recovery.FAIL, "dead"), (Recovery.SKIP, "dead"), (Recovery.SWITCH_TOOL, "dead")],
)
def test_what_a_hook_gives_up_is_a_dead_letter_at_once(recovery, how):
    desk, _, _ = after(with_(recovery))
    assert ([one[0] for one in desk.left], desk.written) == ([how], [])


def test_an_escalation_leaves_the_run_to_the_pause_that_the_server_made():
    desk, _, ended = after(with_(Recovery.ESCALATE))
    assert isinstance(ended, SessionStopped)
    assert ended.fields["state"] == "paused"
    assert desk.left == []


def test_tries_at_upstreams_are_the_bound_and_what_nobody_sent_is_none():
    desk, at, _ = after(with_(None, tries=2), tries=1)
    assert desk.left[0] == (
        "dead",
        "the model call failed 3 times: overloaded_error: busy",
    )
    desk, at, ended = after(with_(None, tries=0, retry_after_s=0.01), tries=2)
    assert (desk.left, ended) == ([], None)
    assert (at.talk.retries, at.talk.waits) == (2, 1)


def test_a_refusal_that_no_try_helps_fails_the_run_where_no_hook_says_otherwise():
    desk, _, _ = after(with_(None, status=400, final=True))
    assert desk.left[0][0] == "failed"
