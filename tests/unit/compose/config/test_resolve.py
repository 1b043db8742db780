"""From names to a session's plan: layers of limits, defaults, refusals."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.compose.config import AgentConfig, Config, SessionPlan, parse_config, resolve
from holdfast.errors import ConfigInvalid, HoldfastError, InvalidRequest, NotFound
from holdfast.model.budgets import CONFIGURED, Dimension, Limit, Scope
from holdfast.model.principals import TrustLevel
from holdfast.model.sessions import LoopLimits, SessionProfile

FULL = (Path(__file__).parent / "examples" / "full.yaml").read_text()
USD = 1_000_000_000


def read(text: str) -> Config:
    return parse_config(text.encode(), Path("holdfast.yaml"))


def plan(extra: str = "", agent: str = "", **names: Any) -> SessionPlan:
    text = f"version: 1\nagents: {{desk: {{model: m{agent}}}}}\ntasks: {{job: {{}}}}\n{extra}"
    return resolve(read(text), **({"agent": "desk", "user": "ann"} | names))


def amounts(found: SessionPlan) -> dict[str, int]:
    return {f"{x.scope}.{x.dimension}.{x.window}": x.amount for x in found.limits}


def limit(found: SessionPlan, scope: Scope, dimension: Dimension) -> Limit:
    return next(x for x in found.limits if x.scope is scope and x.dimension is dimension)


def test_a_file_that_says_nothing_gets_the_conservative_limits():
    found = plan(task="job")
    assert amounts(found) == {
        "task.usd_in.life": USD // 2,
        "task.usd_out.life": USD,
        "task.tool_calls.life": 25,
        "session.usd.life": 5 * USD,
        "session.tool_calls.life": 25,
        "session.turns.life": 30,
        "session.seconds.life": 3600,
        "user.usd.hour": 5 * USD,
        "user.usd.day": 30 * USD,
        "project.tokens.calendar_day": 20_000_000,
        "project.tokens.calendar_month": 400_000_000,
        "tenant.usd.calendar_day": 500 * USD,
        "tenant.usd.calendar_month": 10_000 * USD,
    }
    assert limit(found, Scope.SESSION, Dimension.USD).alerts == (40, 50, 80, 100)
    assert limit(found, Scope.USER, Dimension.USD).alerts == (50, 80, 100)
    assert found.loop == LoopLimits()
    assert found.trust is TrustLevel.SEMI_AUTONOMOUS
    assert (found.allowed_tools, found.roles) == ((), ())
    assert (found.tenant, found.project) == ("default", "default")


def test_limits_stand_innermost_first():
    scopes = [x.scope for x in plan(task="job").limits]
    assert list(dict.fromkeys(scopes)) == list(CONFIGURED)
    assert scopes == sorted(scopes, key=list(Scope).index)


def test_without_a_task_there_is_no_account_of_a_task():
    found = plan()
    assert {x.scope for x in found.limits} == set(CONFIGURED) - {Scope.TASK}
    assert (found.task, found.task_id("ses_1")) == ("", "")


def test_a_task_without_an_instance_is_the_session_itself():
    assert plan(task="job").task_id("ses_1") == "job/ses_1"
    assert plan(task="job/4711").task_id("ses_1") == "job/4711"
    assert plan(task="job/4711").principal("ses_1").task == "job/4711"


def test_the_nearer_layer_wins_and_the_others_stand():
    found = resolve(read(FULL), agent="support-desk", user="ann", task="refunds")
    assert amounts(found)["session.usd.life"] == 5 * USD
    assert limit(found, Scope.SESSION, Dimension.USD).alerts == (50, 100)
    assert amounts(found)["user.usd.hour"] == 5 * USD
    other = resolve(read(FULL), agent="support-desk", user="bob", task="refunds")
    assert amounts(other)["user.usd.hour"] == 4 * USD
    assert amounts(other)["user.usd.day"] == 30 * USD
    assert (found.loop.max_turns, found.loop.max_tool_calls) == (30, 20)
    assert (other.roles, found.roles) == (("support",), ("support", "manager"))


def test_a_limit_is_lifted_only_by_saying_none():
    assert "session.usd.life" not in amounts(plan(agent=", limits: {usd: none}"))
    kept = amounts(plan("defaults: {limits: {user: {usd: {hour: none}}}}\n"))
    assert "user.usd.hour" not in kept
    assert kept["user.usd.day"] == 30 * USD
    gone = amounts(plan("defaults: {limits: {user: {usd: none}, session: {turns: {max: none}}}}\n"))
    assert not {"user.usd.hour", "user.usd.day", "session.turns.life"} & set(gone)


def test_turns_that_an_agent_says_are_none_are_counted_by_no_account_of_its_session():
    found = plan(agent=", limits: {turns: none}")
    kept = amounts(found)
    assert not [name for name in kept if name.startswith("session.turns.")]
    assert "session.tool_calls.life" in kept, "the other caps stand"
    assert found.loop.max_turns > 0, "and so does the loop guard, which is no account"
    assert "session.turns.life" in amounts(plan())


def test_dollars_are_exact_to_the_nano_dollar():
    found = plan(agent=', limits: {usd: 0.1, usd_in: "0.000000001", usd_out: 0.30}')
    got = amounts(found)
    assert got["session.usd.life"] == USD // 10
    assert got["session.usd_in.life"] == 1
    assert got["session.usd_out.life"] == 300_000_000


def test_a_person_who_types_has_a_day_whose_turns_and_calls_are_counted_by_the_prompt():
    found = plan(task="job", agent=", profile: interactive")
    got = amounts(found)
    assert not [name for name in got if "tool_calls" in name or "turns" in name]
    assert (got["session.usd.life"], got["user.usd.hour"]) == (5 * USD, 5 * USD)
    assert (got["session.seconds.life"], found.session_ttl_s) == (43_200, 43_200)
    assert found.loop.each_prompt
    assert (found.loop.max_turns, found.loop.alert_turns, found.loop.max_tool_calls) == (
        200,
        25,
        25,
    )


def test_the_defaults_of_the_file_do_not_end_an_interactive_day_but_the_agents_own_do():
    shared = "defaults: {limits: {session: {tool_calls: 9}}, loop: {max_turns: 9}}"
    found = plan(shared, agent=", profile: interactive")
    assert "session.tool_calls.life" not in amounts(found)
    assert found.loop.max_turns == 200
    own = plan(shared, agent=", profile: interactive, limits: {turns: 7}, loop: {max_turns: 8}")
    assert amounts(own)["session.turns.life"] == 7
    assert own.loop.max_turns == 8


def test_what_a_session_is_opened_for_holds_where_its_agent_names_no_profile():
    text = "version: 1\nagents: {a: {model: m}, b: {model: m, profile: autonomous}}"
    for agent, each_prompt in (("a", True), ("b", False)):
        asked = resolve(read(text), agent=agent, user="ann", profile=SessionProfile.INTERACTIVE)
        assert asked.loop.each_prompt is each_prompt


def test_session_turns_and_seconds_follow_the_loop_guard_unless_said_otherwise():
    got = amounts(plan(agent=", loop: {max_turns: 60, wall_clock_s: 100}"))
    assert (got["session.turns.life"], got["session.seconds.life"]) == (60, 100)
    assert amounts(plan(agent=", loop: {max_tool_calls: 9}"))["session.tool_calls.life"] == 9
    got = amounts(plan(agent=", loop: {max_turns: 60}, limits: {turns: 7}"))
    assert got["session.turns.life"] == 7


def test_warnings_move_with_the_turns():
    loop = plan(agent=", loop: {max_turns: 60}").loop
    assert (loop.warn_turns, loop.alert_turns) == (40, 50)
    loop = plan(agent=", loop: {max_turns: 1}").loop
    assert loop.warn_turns <= loop.alert_turns <= loop.max_turns


def test_attributes_reach_the_plan_as_json_values():
    found = resolve(read(FULL), agent="support-desk", user="ann", task="refunds")
    assert found.task_attributes == {"max_refund": 5000, "currency": "EUR", "rate": "0.5"}
    assert found.tenant_attributes["enabled_tools"] == ["mcp__shop__refund"]
    msgspec.json.encode(found)


def test_the_task_is_told_in_words():
    found = resolve(read(FULL), agent="support-desk", user="ann", task="refunds")
    assert found.task_text.splitlines() == [
        "Task: refunds",
        "Refund an order that arrived broken.",
        "Done when: the customer has been told",
    ]


@pytest.mark.parametrize(
    ("names", "error"),
    [
        ({"agent": "nobody"}, NotFound),
        ({"tenant": "other"}, NotFound),
        ({"project": "other"}, NotFound),
        ({"task": "other"}, NotFound),
        ({"task": "refunds/"}, InvalidRequest),
        ({"task": "refunds/a/b"}, InvalidRequest),
        ({"user": ""}, InvalidRequest),
        ({"user": "*"}, InvalidRequest),
        ({"user": "a" * 129}, InvalidRequest),
        ({"user": "ann\n"}, InvalidRequest),
        ({"user": " ann"}, InvalidRequest),
        ({"user": "a\u200bb"}, InvalidRequest),
    ],
)
def test_names_that_are_unknown_or_unsafe_are_refused(names, error):
    with pytest.raises(error):
        resolve(read(FULL), **({"agent": "support-desk", "user": "ann"} | names))


def test_a_user_who_is_not_listed_is_refused_where_nobody_else_is_meant():
    config = read("version: 1\nagents: {a: {model: m}}\ntenants: {t: {users: {ann: {}}}}\n")
    assert resolve(config, agent="a", user="ann").user == "ann"
    with pytest.raises(NotFound, match="has no user `bob`"):
        resolve(config, agent="a", user="bob")
    empty = read("version: 1\nagents: {a: {model: m}}\ntenants: {t: {}}\n")
    with pytest.raises(NotFound):
        resolve(empty, agent="a", user="bob")


def test_with_two_tenants_or_projects_one_must_be_named():
    text = "version: 1\nagents: {a: {model: m}}\ntenants: {t: {users: {'*': {}}}, u: {}}\n"
    with pytest.raises(InvalidRequest, match="needs a tenant: there are 2"):
        resolve(read(text), agent="a", user="ann")
    assert resolve(read(text), agent="a", user="ann", tenant="t").project == "default"


@pytest.mark.parametrize("tenant", ["", "acme"])
@pytest.mark.parametrize("field", ["tools", "upstream"])
def test_an_agent_from_elsewhere_must_fit_the_configuration(tenant, field):
    agent = AgentConfig(name="x", model="m", upstream="anthropic")
    assert resolve(read(FULL), agent=agent, user="ann", tenant=tenant).agent == "x"
    bad = msgspec.structs.replace(agent, **{field: ("nope",) if field == "tools" else "nope"})
    with pytest.raises(ConfigInvalid) as caught:
        resolve(read(FULL), agent=bad, user="ann", tenant=tenant)
    assert isinstance(caught.value, HoldfastError)
