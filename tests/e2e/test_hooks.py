"""What hooks decide of a failure and of a full context, at the doors of a running project."""

import json
from collections.abc import Iterator
from itertools import pairwise

import anthropic
import pytest

from holdfast.testing.project import SETTINGS as SERVED
from holdfast.testing.project import RunningProject
from holdfast.testing.scripted_model import Text, ToolUse, Turn
from holdfast.testing.scripted_model.script import Fault, Usage
from tests.native_project import SETTINGS, NativeProject, calls, script
from tests.served import body, fresh_user, sdk, unharmed

HOOKS = '''
from holdfast.hooks import *


async def on_error(given: HookInput) -> HookAnswer | None:
    """Answers with what stands in the failure, or in the name of the tool's order."""
    said = given.detail + str(given.arguments)
    for how in Recovery:
        if f"wants-{how}." in said:
            return recover(how, "asked to", tool="look" if how is Recovery.SWITCH_TOOL else "")
    return deny("never again", code="given_up") if "wants-deny." in said else None


async def overflow(given: HookInput) -> HookAnswer | None:
    """Gives up as the task says."""
    for strategy in ("prune_tool_results", "keep_last", "summarise", "hand_off", "end"):
        if given.principal.task.startswith(f"by-{strategy}/"):
            return compact(strategy, keep_turns=1)
    full = given.principal.task.startswith("by-deny/")
    return deny("not in this run", code="too_full") if full else None
'''
STAND = """
hooks: {on_error: ["my_hooks:on_error"], on_context_overflow: ["my_hooks:overflow"]}
"""
OVERLOADED = {"status": 529, "error_type": "overloaded_error"}


def fault(how, **more):
    return {**OVERLOADED, "message": f"wants-{how}.", **more}


# --- the model's door ------------------------------------------------------------------------
@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[RunningProject]:
    folder = tmp_path_factory.mktemp("p")
    (folder / "my_hooks.py").write_text(HOOKS)
    quick = (
        "api_key_env: SCRIPTED_UPSTREAM_KEY, retries: {base_s: 0.01, most_s: 0.02},"
        " breaker: {failures: 1000}}"
    )
    settings = SERVED.replace("api_key_env: SCRIPTED_UPSTREAM_KEY}", quick) + STAND
    with RunningProject(folder, settings=settings) as running:
        yield running


def asked(project):
    return len(project.model.message_requests)


@pytest.mark.parametrize(
    ("how", "upstream_calls"),
    # The gateway makes three tries where hooks let it, and the client as many requests as it may.
    [("nothing", 9), ("retry", 9), ("fail", 1), ("skip", 1), ("retry_smaller", 1), ("deny", 1)],
)
def test_what_a_hook_decides_of_a_failure_ends_the_clients_own_tries(project, how, upstream_calls):
    session, before = project.open(user=fresh_user()), asked(project)
    with (
        sdk(project, session, max_retries=2) as client,
        pytest.raises(anthropic.APIStatusError) as failed,
    ):
        client.messages.create(**body({"text": how, "faults": [fault(how)]}))
    assert asked(project) - before == upstream_calls
    told = failed.value.response.headers
    tries = "3" if upstream_calls > 1 else "1"
    assert (told["holdfast-hook-point"], told["holdfast-tries"]) == ("on_error", tries)
    wanted = {"nothing": None, "deny": "fail"}.get(how, how)
    assert told.get("holdfast-recovery") == wanted
    points = project.records(session=session.session_id, kind="hook.ran")
    assert len(points) == 2 * upstream_calls, "the point and the hook, each time"
    unharmed(project, session)


def test_a_failure_that_a_hook_escalates_pauses_the_session_until_a_person_resumes_it(project):
    session = project.open(user=fresh_user())
    with sdk(project, session, max_retries=2) as client:
        with pytest.raises(anthropic.APIStatusError):
            client.messages.create(**body({"text": "x", "faults": [fault("escalate")]}))
        assert project.view(session.session_id)["state"] == "paused"
        with pytest.raises(anthropic.APIStatusError, match="paused"):
            client.messages.create(**body({"text": "fine"}))
        path = f"/v1/sessions/{session.session_id}/resume"
        assert project.call("POST", path, {"reason": "seen"}).status == 200
        assert client.messages.create(**body({"text": "fine"})).content[0].text == "fine"


def test_a_client_that_makes_its_own_tries_is_spared_those_of_the_gateway(project):
    session, before = project.open(user=fresh_user()), asked(project)
    with sdk(project, session) as client, pytest.raises(anthropic.APIStatusError) as failed:
        client.messages.create(
            **body({"text": "one", "faults": [OVERLOADED]}), extra_headers={"holdfast-tries": "1"}
        )
    assert (asked(project) - before, failed.value.response.headers["holdfast-tries"]) == (1, "1")


def test_a_conversation_that_the_provider_finds_too_long_is_a_full_context_at_every_door(project):
    too_long = {"status": 400, "message": "prompt is too long: 210000 tokens > 200000"}
    session = project.open(user=fresh_user())
    with sdk(project, session) as client, pytest.raises(anthropic.BadRequestError) as failed:
        client.messages.create(**body({"text": "long", "faults": [too_long]}))
    assert failed.value.response.headers["holdfast-hook-point"] == "on_context_overflow"
    (point, _) = project.records(session=session.session_id, kind="hook.ran")
    assert point["body"]["point"] == "on_context_overflow"


# --- durable runs ----------------------------------------------------------------------------
def house(folder, played, *, more="", agent=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "my_hooks.py").write_text(HOOKS)
    tasks = ["deny", "keep_last", "summarise", "hand_off", "end", "prune_tool_results"]
    named = "".join(f"  by-{name}: {{description: Refund.}}\n" for name in tasks)
    calm = SETTINGS.replace(
        "SCRIPTED_UPSTREAM_KEY}", "SCRIPTED_UPSTREAM_KEY, breaker: {failures: 99}}"
    )
    settings = calm.replace("agents:\n", f"tasks:\n{named}agents:\n") + agent + STAND + more
    return NativeProject(folder, played, settings=settings)


def say(text, **more):
    return Turn(blocks=(Text(text=text),), **more)


def failing(how, times):
    return Fault(times=times, status=529, error_type="overloaded_error", message=f"wants-{how}.")


def test_every_decision_of_a_failed_model_call_is_obeyed_within_the_bounds(tmp_path):
    words = ("nothing", "retry", "fail", "deny", "skip", "escalate", "switch_tool")
    played = script(**{f"try {how}": (say("fine", faults=(failing(how, 9),)),) for how in words})
    with house(tmp_path, played) as running:
        running.worker()
        seen = {}
        for how in words:
            before = len(running.project.model.message_requests)
            run = running.until(running.submit(f"try {how}"), "done", "failed", "dead", "parked")
            seen[how] = (run["state"], len(running.project.model.message_requests) - before)
        assert seen == {
            "nothing": ("dead", 3),
            "retry": ("dead", 3),
            "fail": ("dead", 1),
            "deny": ("dead", 1),
            "skip": ("dead", 1),
            "switch_tool": ("dead", 1),
            "escalate": ("parked", 1),
        }


def test_a_try_with_a_smaller_context_sends_less_and_counts(tmp_path):
    looks = tuple(Turn(blocks=(ToolUse(name="look", input={"order": f"o{n}"}),)) for n in range(4))
    played = script(refund=(*looks, say("done", faults=(failing("retry_smaller", 1),))))
    with house(tmp_path, played) as running:
        running.worker()
        run = running.submit("refund all")
        assert running.until(run, "done", "failed", "dead")["state"] == "done"
        sizes = [len(r.json["messages"]) for r in running.project.model.message_requests]
        assert any(later < earlier for earlier, later in pairwise(sizes))
        assert running.kinds(run).count("run.retrying") == 1


def test_every_decision_of_a_failed_tool_call_is_obeyed(tmp_path):
    """`ship` asks whether it happened, so that its failures are tried again by default."""
    played = script(
        **{
            f"ship {how}": (*calls(("ship", f"broken-wants-{how}."))[:-1], say("went on"))
            for how in ("nothing", "skip", "switch_tool", "fail", "escalate")
        }
    )
    with house(tmp_path, played) as running:
        tools = tmp_path / "desk_tools.py"
        broken = (
            '    if "broken" in order:\n'
            '        act("tried", order.partition("-")[2], "-")\n'
            '        raise ConnectionError("no parcels today")\n'
        )
        mark = "def ship(order: str, context: ToolContext) -> dict:\n"
        text = tools.read_text()
        assert mark in text
        tools.write_text(text.replace(mark, mark + broken))
        running.worker()
        ended = {}
        for how in ("nothing", "skip", "switch_tool", "fail", "escalate"):
            run = running.until(running.submit(f"ship {how}"), "done", "failed", "dead", "parked")
            results = [
                block["content"]
                for request in running.project.model.message_requests
                for message in request.json["messages"]
                for block in message["content"]
                if isinstance(block, dict) and block.get("type") == "tool_result"
            ]
            tries = len([act for act in running.acts("tried") if act[1] == f"wants-{how}."])
            ended[how] = (run["state"], tries, results[-1] if results else "")
        states = {how: found[0] for how, found in ended.items()}
        assert states == {
            "nothing": "done",
            "skip": "done",
            "switch_tool": "done",
            "fail": "dead",
            "escalate": "parked",
        }
        assert ended["nothing"][1] == 3
        assert [ended[how][1] for how in ("skip", "switch_tool", "fail", "escalate")] == [1] * 4
        assert "no parcels today" in ended["skip"][2]
        assert "use `look` instead of it" in ended["switch_tool"][2]


@pytest.mark.parametrize("strategy", ["summarise", "hand_off", "prune_tool_results"])
def test_a_hook_hears_of_a_full_context_before_anything_is_given_up_and_chooses(tmp_path, strategy):
    full = Usage(input_tokens=900)
    looks = tuple(
        Turn(blocks=(ToolUse(name="look", input={"order": f"o{n}"}),), usage=Usage())
        for n in range(2)
    )
    third = Turn(blocks=(ToolUse(name="look", input={"order": "o2"}),), usage=full)
    played = script(
        **{
            "were looked up": (say("done"),),
            "refund": (*looks, third, say("three orders were looked up"), say("done")),
        }
    )
    agent = "    context: {window_tokens: 1000, strategy: end}\n"
    with house(tmp_path, played, agent=agent) as running:
        running.worker()
        run = running.submit("refund all", task=f"by-{strategy}")
        assert running.until(run, "done", "failed", "dead")["state"] == "done"
        (compacted,) = running.project.records(session=run["session"], kind="run.compacted")
        assert compacted["body"]["strategy"] == strategy
        points = running.project.records(session=run["session"], kind="hook.ran")
        assert [p["body"]["chose"] for p in points if p["body"]["hook"]] == [f"{strategy} 1"]


@pytest.mark.parametrize(
    ("task", "code"), [("by-end", "context_overflow"), ("by-deny", "too_full")]
)
def test_a_hook_ends_a_run_whose_context_is_full(tmp_path, task, code):
    full = Turn(blocks=(ToolUse(name="look", input={"order": "o"}),), usage=Usage(input_tokens=900))
    played = script(refund=(full, full, say("done")))
    agent = "    context: {window_tokens: 1000, strategy: keep_last, keep_turns: 1}\n"
    with house(tmp_path, played, agent=agent) as running:
        running.worker()
        ended = running.until(running.submit("refund", task=task), "done", "failed", "dead")
        assert ended["state"] == "failed"
        assert ended["reason"].startswith(code), json.dumps(ended)
