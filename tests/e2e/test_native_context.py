"""What a run says before it leaves, and what it gives up when its context fills."""

import json

import pytest

from holdfast.core.loop import PRUNED
from holdfast.testing.scripted_model import Text, ToolUse, Turn
from holdfast.testing.scripted_model.script import Fault, Usage
from tests.native_project import SETTINGS, NativeProject, script

TASK = "tasks:\n  refunds: {description: Refund what is due., done_when: the order is refunded}\n"


def settings(**agent):
    """The clerk with more settings of its own."""
    told = "".join(f"    {name}: {json.dumps(value)}\n" for name, value in agent.items())
    return SETTINGS.replace("agents:\n", TASK + "agents:\n") + told


def say(text, **more):
    return Turn(blocks=(Text(text=text),), **more)


def looks(count, tokens=0):
    """Turns that look orders up; the provider says how full the context is by then."""
    usage = Usage(input_tokens=tokens) if tokens else Usage()
    return tuple(
        Turn(blocks=(ToolUse(name="look", input={"order": f"o{n}"}),), usage=usage)
        for n in range(count)
    )


def asked(house):
    return [request.json for request in house.project.model.message_requests]


def first_text(request):
    return request["messages"][0]["content"][0]["text"]


SCHEMA = {
    "type": "object",
    "properties": {"cents": {"type": "integer"}},
    "required": ["cents"],
    "additionalProperties": False,
}


def test_a_result_that_does_not_hold_is_told_to_the_model_which_tries_again(tmp_path):
    played = script(sum=(say("about forty"), say('{"cents": 9000}'), say('{"cents": 4000}')))
    output = {"schema": SCHEMA, "rules": [{"field": "cents", "max": 5000}]}
    with NativeProject(tmp_path, played, settings=settings(output=output)) as house:
        house.worker()
        run = house.submit("sum up")
        done = house.until(run, "done", "failed", "dead")
        assert (done["state"], done["result"]) == ("done", {"cents": 4000})
        notes = [
            r["body"]["text"]
            for r in house.project.records(session=run["session"], kind="run.noted")
        ]
        assert ["no json" in notes[0], "max is 5000" in notes[1]] == [True, True]


def test_a_result_that_never_holds_fails_the_run_and_nothing_of_it_leaves(tmp_path):
    played = script(sum=tuple(say("about forty") for _ in range(4)))
    with NativeProject(tmp_path, played, settings=settings(output={"schema": SCHEMA})) as house:
        house.worker()
        failed = house.until(house.submit("sum up"), "done", "failed", "dead")
        assert (failed["state"], failed["result"]) == ("failed", None)
        assert failed["reason"].startswith("output_invalid: ")


@pytest.mark.parametrize("strategy", ["prune_tool_results", "summarise", "hand_off"])
def test_a_context_that_fills_is_made_smaller_and_the_task_stays_byte_for_byte(tmp_path, strategy):
    full = Usage(input_tokens=900)
    third = Turn(blocks=(ToolUse(name="look", input={"order": "o2"}),), usage=full)
    # The fourth answer is the summary where one is asked for, and what the run goes on with is
    # then told by the summary: the model knows nothing else of what was before.
    played = script(
        **{
            "orders were looked up": (say("done"),),
            "refund": (*looks(2), third, say("three orders were looked up"), say("done")),
        }
    )
    context = {"window_tokens": 1000, "strategy": strategy, "keep_turns": 2}
    if strategy == "summarise":
        context["keep_turns"] = 1
    with NativeProject(tmp_path, played, settings=settings(context=context)) as house:
        house.worker()
        run = house.submit("refund all", task="refunds")
        done = house.until(run, "done", "failed", "dead")
        assert done["state"] == "done", done
        assert house.kinds(run).count("run.compacted") == 1
        texts = {first_text(request).partition("\n\n")[0] for request in asked(house)}
        assert texts == {"Task: refunds\nRefund what is due.\nDone when: the order is refunded"}
        last = json.dumps(asked(house)[-1]["messages"])
        assert (PRUNED in last) == (strategy == "prune_tool_results")
        assert ("three orders" in last) == (strategy != "prune_tool_results")
        shares = house.project.records(session=run["session"], kind="run.answered")
        assert shares[2]["body"]["context_percent"] >= 90


def test_a_provider_that_finds_the_conversation_too_long_is_asked_with_less(tmp_path):
    too_long = Fault(times=1, status=400, message="prompt is too long: 210000 tokens > 200000")
    played = script(refund=(*looks(3), say("done", faults=(too_long,))))
    with NativeProject(tmp_path, played, settings=settings()) as house:
        house.worker()
        run = house.submit("refund all")
        assert house.until(run, "done", "failed", "dead")["state"] == "done"
        assert "run.compacted" in house.kinds(run)


def test_a_tenants_share_of_runs_at_work_is_its_own(tmp_path):
    more = SETTINGS.replace("tenants:\n  acme: {", "tenants:\n  acme: {max_runs: 1, ")
    more = more.replace("tool_modules", '  calm: {users: {"*": {roles: [support]}}}\ntool_modules')
    slow = script(slow=(Turn(blocks=(ToolUse(name="pay", input={"order": "slow"}),)), say("done")))
    with NativeProject(tmp_path, slow, settings=more) as house:
        house.worker()
        noisy = [house.submit("slow", tenant="acme", task="") for _ in range(4)]
        calm = house.submit("slow", tenant="calm")
        house.until(calm, "done", "failed", "dead")
        states = [house.show(run)["state"] for run in noisy]
        assert states.count("done") < 4
        for run in noisy:
            house.until(run, "done", "failed", "dead")
