"""A run that was pointed at files touches no others."""

import json

import pytest

from tests.native_project import SETTINGS, NativeProject, calls, script

TASK = "tasks:\n  reports: {scope: {order: ['reports/**']}}\n"


def decisions(house, run):
    """The last word on each call, in the order of the first: a further attempt is decided anew."""
    last = {
        r["call_id"]: (r["tool"], r["verdict"], (r["body"]["reasons"] or [{}])[0].get("code"))
        for r in house.project.records(session=run["session"], kind="tool_call.decided")
    }
    return list(last.values())


def test_calls_outside_of_the_scope_are_refused_and_the_run_goes_on(tmp_path):
    played = script(
        mend=calls(
            ("pay", "reports/a.md"), ("pay", "secret/a.md"), ("pay", "reports/../secret/a.md")
        )
    )
    with NativeProject(tmp_path, played) as house:
        house.worker()
        run = house.submit("mend", scope={"order": ["reports/*.md"]})
        assert house.until(run, "done", "failed", "dead")["state"] == "done"
        assert [act[:2] for act in house.acts("pay")] == [["pay", "reports/a.md"]]
        verdicts = [(verdict, code) for _, verdict, code in decisions(house, run)]
        assert verdicts[0][0] == "allow"
        assert verdicts[1:] == [("deny", "scope_not_granted")] * 2
        told = json.dumps(house.project.model.message_requests[-1].json["messages"])
        assert "outside of reports/*.md" in told


def test_a_scope_of_the_task_and_one_of_the_submission_both_hold_and_a_retry_keeps_them(tmp_path):
    played = script(mend=calls(("pay", "reports/a.md"), ("ship", "reports/b.txt")))
    settings = SETTINGS.replace("agents:\n", TASK + "agents:\n")
    with NativeProject(tmp_path, played, settings=settings) as house:
        house.worker()
        run = house.submit("mend", task="reports/1", scope={"order": ["**/*.md"]})
        house.until(run, "done", "failed", "dead")
        again = house.project.call("POST", f"/v1/runs/{run['run_id']}/retry", {}).json
        house.until(again, "done", "failed", "dead")
        assert [act[0] for act in house.acts()] == ["pay"]
        for one in (run, again):
            assert decisions(house, one)[1] == ("ship", "deny", "scope_not_granted")
            shown = house.project.view(one["session"])["scopes"]
            assert shown == [{"order": ["reports/**"]}, {"order": ["**/*.md"]}]


def test_a_tool_that_takes_no_path_is_refused_unless_it_is_named(tmp_path):
    played = script(mend=calls(("pay", "a")))
    with NativeProject(tmp_path, played) as house:
        house.worker()
        blind = house.submit("mend", scope={"path": ["**"]})
        house.until(blind, "done", "failed", "dead")
        named = house.submit("mend", scope={"path": ["**"], "tool": ["pay"]})
        house.until(named, "done", "failed", "dead")
        assert decisions(house, blind)[0][1:] == ("deny", "scope_not_granted")
        assert decisions(house, named)[0][1] == "allow"


@pytest.mark.parametrize("pattern", ["../a", "a**", "", "a//b"])
def test_a_pattern_that_cannot_be_held_is_refused_at_submission(tmp_path, pattern):
    with NativeProject(tmp_path, script(mend=calls())) as house:
        body = {"agent": "clerk", "user": "ann", "prompt": "mend", "scope": {"path": [pattern]}}
        assert house.project.call("POST", "/v1/runs", body).status == 400
