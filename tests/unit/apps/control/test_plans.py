"""The part of a plan that is shown to whoever opened a session, or was given a child."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.apps.control.sessions.plans import shown
from holdfast.compose.config import parse_config, resolve
from holdfast.model.budgets import Dimension, Limit, Scope, Window
from holdfast.model.views.sessions import SessionPlan
from tests.control_house import ONE_TENANT
from tests.unit.runtime.alone.desk import draft

PLAN = resolve(
    parse_config(ONE_TENANT.encode(), Path("holdfast.yaml")),
    agent="desk",
    user="ann",
    task="refunds",
)


def session(**fields: Any) -> Any:
    return draft(task="refunds/7", allowed_tools=("Read",), task_attributes={"max": 3}, **fields)


def cap(dimension: Dimension, amount: int, scope: Scope = Scope.SESSION) -> Limit:
    return Limit(scope=scope, dimension=dimension, window=Window.LIFE, amount=amount)


def test_plan_has_the_words_of_the_agent_and_what_the_session_was_given():
    given = session()
    assert shown(PLAN, given, "Refund it.", 8788) == SessionPlan(
        model="claude-sonnet-5-5",
        system_prompt="You help.",
        allowed_tools=("Read",),
        allowed_models=(),
        mcp_servers={},
        task={"kind": "refunds", "id": "refunds/7", "text": "Refund it.", "attributes": {"max": 3}},
        max_turns=given.loop.max_turns,
        model_port=8788,
        approval_wait_s=300,
    )


def test_child_of_no_known_agent_has_neither_model_nor_words_but_its_tools():
    plan = shown(None, session(), "look", 0)
    assert (plan.model, plan.system_prompt, plan.mcp_servers) == ("", "", {})
    assert (plan.allowed_tools, plan.task["text"]) == (("Read",), "look")


@pytest.mark.parametrize(
    ("models", "model"),
    [
        ((), "claude-sonnet-5-5"),
        (("a", "claude-sonnet-5-5"), "claude-sonnet-5-5"),
        (("a", "b"), "a"),
    ],
)
def test_model_is_one_that_the_session_has(models, model):
    plan = shown(PLAN, session(allowed_models=models), "", 0)
    assert (plan.model, plan.allowed_models) == (model, models)


def test_turns_are_the_least_of_the_loop_and_the_caps_of_the_session():
    given = msgspec.structs.replace(
        session(),
        limits=(
            cap(Dimension.TURNS, 9),
            cap(Dimension.TURNS, 12),
            cap(Dimension.TOOL_CALLS, 2),
            cap(Dimension.TURNS, 1, Scope.USER),
        ),
    )
    assert shown(PLAN, given, "", 0).max_turns == 9


def test_task_that_is_its_session_is_of_no_kind():
    given = draft(task="ses_1")
    assert shown(PLAN, given, "", 0).task["kind"] == ""
