"""A run that delegates: one child run, whatever is killed, less than its parent, its answer read."""

import signal

import pytest

import tests.native_project as native
from holdfast.testing.scripted_model import Text, ToolUse, Turn
from tests.native_project import SETTINGS, NativeProject, calls, end, script, until

LEAD = """\
  lead:
    model: claude-opus-5-5
    tools: [delegate, look, pay]
    retries: {base_s: 0.02, most_s: 0.1}
  aide:
    model: claude-opus-5-5
    tools: [look, pay]
    retries: {base_s: 0.02, most_s: 0.1}
"""
POLICIES = native.POLICIES.replace('[Action::"look"', '[Action::"delegate", Action::"look"')


def asking(**asked):
    return (
        Turn(blocks=(ToolUse(name="delegate", input=asked),)),
        Turn(blocks=(Text(text="had it done"),)),
    )


PLAYED = script(
    lead_whole=asking(task="child_whole: pay o1"),
    child_whole=calls(("pay", "o1")),
    lead_killed=asking(task="child_killed: pay slow1", tools=["pay"]),
    child_killed=calls(("pay", "slow1"), ("look", "o2")),
    lead_greedy=asking(task="child_greedy", tools=["pay", "wire"]),
    lead_served=asking(task="child_served: pay slow2"),
    child_served=calls(("pay", "slow2")),
    lead_halved=(
        Turn(
            blocks=(
                ToolUse(name="delegate", input={"task": "child_hangs", "agent": "aide"}),
                ToolUse(name="delegate", input={"task": "child_looks", "tools": ["look"]}),
            )
        ),
        Turn(blocks=(Text(text="had it done"),)),
    ),
    child_hangs=calls(("look", "o1"), ("pay", "hang1")),
    child_looks=calls(("look", "o2")),
    lead_paused=asking(task="child_paused: pay slow3"),
    child_paused=calls(("pay", "slow3"), ("look", "o3")),
)


@pytest.fixture
def house(tmp_path, monkeypatch):
    monkeypatch.setattr(native, "POLICIES", POLICIES)
    with NativeProject(tmp_path, PLAYED, settings=SETTINGS + LEAD) as running:
        yield running


def children(house, run):
    return [house.project.view(one) for one in house.project.view(run["session"])["children"]]


def read(house, run):
    records = house.project.records(session=run["session"])
    return [r["body"] for r in records if r["kind"] == "run.tool_answered"]


def test_a_child_run_does_the_work_with_less_and_hands_its_answer_back(house):
    # One at a time: a parent that waits keeps no worker from its child.
    house.worker("--concurrency", "1")
    run = house.submit("lead_whole", agent="lead")
    done = house.until(run, "done", "failed", "dead", "parked")
    assert (done["state"], done["result"]) == ("done", "had it done"), read(house, run)
    (child,) = children(house, run)
    assert child["delegated_by"] == run["session"]
    assert child["state"] == "ended"
    assert [act[:2] for act in house.acts()] == [["pay", "o1"]]
    (answer,) = read(house, run)
    assert (answer["content"], answer["is_error"]) == ("done", False)


@pytest.mark.parametrize("moment", ["before", "during"])
def test_killed_workers_leave_one_child_and_one_effect(house, moment):
    first = house.worker()
    run = house.submit("lead_killed", agent="lead")
    if moment == "before":
        until(lambda: house.kinds(run).count("tool_call.decided"), 60)
    else:
        until(lambda: house.acts("pay"), 60)
    end(first)
    house.worker()
    done = house.until(run, "done", "failed", "dead", "parked", timeout_s=90)
    assert done["state"] == "done", (done, read(house, run))
    assert len(children(house, run)) == 1
    assert len(house.acts("pay")) == 1


def test_a_child_that_would_be_more_is_refused_to_the_model(house):
    house.worker()
    run = house.submit("lead_greedy", agent="lead")
    done = house.until(run, "done", "failed", "dead", "parked")
    assert done["state"] == "done"
    assert children(house, run) == []
    (answer,) = read(house, run)
    assert answer["content"].startswith("delegation_refused: ")
    assert answer["is_error"]


def test_a_killed_server_finds_the_same_child(house):
    house.worker()
    run = house.submit("lead_served", agent="lead")
    until(lambda: house.acts("pay"), 60)
    house.project.stop(signal.SIGKILL)
    house.project.start()
    done = house.until(run, "done", "failed", "dead", "parked", timeout_s=90)
    assert done["state"] == "done", (done, read(house, run))
    assert len(children(house, run)) == 1
    assert len(house.acts("pay")) == 1


@pytest.mark.parametrize("by", ["session", "agent"])
def test_a_killed_child_is_told_to_its_parent_with_what_it_did_and_its_sibling_goes_on(house, by):
    house.worker()
    run = house.submit("lead_halved", agent="lead")
    until(lambda: len(children(house, run)) == 2 and house.acts("pay"), 60)
    slow, quick = sorted(children(house, run), key=lambda one: one["agent"])
    assert (slow["agent"], quick["agent"]) == ("aide", "lead")
    if by == "session":
        path, told = f"/v1/sessions/{slow['session_id']}/kill", {"reason": "too slow"}
    else:
        path, told = "/v1/stops/kill", {"agent": "aide", "reason": "too slow"}
    assert house.project.call("POST", path, told).status == 200
    done = house.until(run, "done", "failed", "dead", "parked", timeout_s=90)
    assert (done["state"], done["result"]) == ("done", "had it done"), read(house, run)
    failed, whole = sorted(read(house, run), key=lambda one: not one["is_error"])
    assert "it ended as cancelled: the session is killed: " in failed["content"]
    assert "too slow" in failed["content"]
    assert 'Until then:\nlook({"order":"o1"}): {"order": "o1"}' in failed["content"]
    assert (whole["content"], whole["is_error"]) == ("done", False)
    states = {one["agent"]: one["state"] for one in children(house, run)}
    assert states == {"aide": "killed", "lead": "ended"}
    assert [act[1] for act in house.acts("pay")] == ["hang1"]


@pytest.mark.parametrize("what", ["project", "child"])
def test_a_child_that_is_paused_is_still_there_however_often_its_parent_asks_for_it(house, what):
    house.worker()
    run = house.submit("lead_paused", agent="lead")
    until(lambda: house.acts("pay"), 60)
    (child,) = children(house, run)
    if what == "project":
        paused, part = "/v1/stops", {"tenant": "acme", "project": "support"}
        waits = ["parked"]
    else:
        paused, part = f"/v1/sessions/{child['session_id']}", {}
        waits = ["queued", "running", "delayed"]
    assert house.project.call("POST", f"{paused}/pause", {**part, "reason": "a look"}).status == 200
    asked = house.show(run)["activations"]
    until(lambda: child_run(house, child)["state"] == "parked", 60)
    until(lambda: house.show(run)["activations"] >= asked + (1 if what == "project" else 3), 60)
    assert house.until(run, *waits)["state"] in waits
    assert children(house, run)[0]["state"] == "paused"
    assert house.project.call("POST", f"{paused}/resume", {**part, "reason": "go"}).status == 200
    done = house.until(run, "done", "failed", "dead", "parked", timeout_s=90)
    assert (done["state"], done["result"]) == ("done", "had it done"), read(house, run)
    assert [one["state"] for one in children(house, run)] == ["ended"]
    assert [act[1] for act in house.acts("pay")] == ["slow3"]


def child_run(house, child):
    runs = house.project.call("GET", "/v1/runs").json["runs"]
    return next(one for one in runs if one["session"] == child["session_id"])
