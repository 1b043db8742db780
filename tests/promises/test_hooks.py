"""The four points of the operator's hooks, at each door that has the moment."""

import importlib
import json

from tests.promises.calls import compacted, hooked, once, overflows
from tests.promises.doors import DONE, call
from tests.promises.house import cli, fresh, until
from tests.promises.matrix import promise


def ran(work, point):
    return [r for r in work.records("hook.ran") if r["body"]["point"] == point]


def read_of(work, tool, order):
    (found,) = work.read(tool, order)
    return found


@promise("S52")
def test_a_hook_before_a_call_refuses_it_or_rewrites_its_arguments(door):
    work = hooked(door)
    assert work.acts("pay", f"H2-rewrite-{door.name}") == []
    assert len(work.acts("pay", f"H2-rewritten-{door.name}")) == 1
    assert not work.read("pay", "H2")[0]["error"]
    for order in ("H3-nomoney", "H4-forbidden"):
        assert work.acts("pay", f"{order}-{door.name}") == []
        assert read_of(work, "pay", order)["error"]


@promise("S53")
def test_a_hook_after_a_call_sees_success_and_failure_and_decides_what_the_model_reads(door):
    work = hooked(door)
    assert "sent" not in read_of(work, "look", "H5-withhold")["text"]
    assert json.loads(read_of(work, "look", "H6-replace")["text"])["state"] == "replaced"
    assert "on fire" in read_of(work, "fail", "crash-H7")["text"]
    assert "on fire" not in read_of(work, "fail", "crash-H8")["text"]
    finished = {r["call_id"] for r in work.records("tool_call.finished")}
    seen = {r["call_id"] for r in ran(work, "post_tool") if r["body"]["hook"]}
    assert finished <= seen, "a call was over and no hook saw it"
    assert len(finished) == 6


@promise("S56")
def test_each_hook_writes_its_record_at_every_point(door):
    """Of the hooks that the work has, each that ran stands in its journal, four of four in all."""
    work = hooked(door)
    calls = {r["call_id"] for r in work.decided()}
    assert {r["call_id"] for r in ran(work, "pre_tool") if r["body"]["hook"]} == calls
    assert [r for r in ran(work, "post_tool") if r["body"]["hook"]]
    assert full(door)
    if door.name in ("runs", "loop", "relay"):
        assert ran(broken(door), "on_error")


@once
def broken(door):
    """Work whose model fails for good."""
    fault = {"text": "never", "fault": {"status": 529}}
    return door.begin(call("look", "S55"), fault, agent="failing").or_end()


def full(door):
    """What the journal says of the hook at a full context, asked by whoever owns the history."""
    if door.name not in ("loop", "relay"):
        return overflows(compacted(door))
    project = door.house.project
    opened = project.open(agent="hooked", user=fresh("u"), tenant="acme")
    body = {"point": "on_context_overflow", "detail": "95 per cent"}
    reply = project.call("POST", "/v1/guard/hook", body, token=opened.token)
    assert reply.status == 200, reply.body
    found = project.records(session=opened.session_id, tenant="acme", kind="hook.ran")
    return [r for r in found if r["body"]["hook"]]


@promise("S54")
def test_a_hook_sees_that_the_context_is_full(door):
    """The house asks it, a client that compacts is heard, a program of one's own may ask."""
    assert full(door)


@promise("S55")
def test_a_hook_on_an_error_decides_that_there_is_no_further_try(door):
    """A provider that is overloaded for good is asked at most three times, and once where a hook says so."""
    work = broken(door)
    assert work.failed
    asked = [r for r in door.house.requests(work.marker) if r.status == 529]
    assert len(asked) == 1, f"asked {len(asked)} times although the hook said: do not try again"
    assert ran(work, "on_error")


@promise("S57")
def test_hooks_are_typed_shipped_and_their_codes_reach_the_model(door, tmp_path):
    work = hooked(door)
    assert read_of(work, "pay", "H3-nomoney")["text"].startswith("budget_exceeded")
    assert read_of(work, "pay", "H4-forbidden")["text"].startswith("permission_denied")
    hooks = importlib.import_module("holdfast.hooks")

    assert {"HookAnswer", "HookInput"} <= set(dir(hooks))
    (tmp_path / "holdfast.yaml").write_text(
        "version: 1\nagents: {one: {model: claude-opus-5-5}}\nhooks: {pre_tool: ['nowhere:at_all']}\n"
    )
    for words in (("config", "check", "-C", str(tmp_path)), ("doctor", str(tmp_path))):
        code, told = cli(*words)
        assert "nowhere" in told, (words, told)
        assert words[0] == "doctor" or code == 2


@promise("S115")
def test_each_time_that_a_hook_was_triggered_is_an_event(door):
    work = hooked(door)
    decided = len(work.decided())
    assert decided >= 8
    assert len([r for r in ran(work, "pre_tool") if r["body"]["hook"]]) == decided
    over = len(work.records("tool_call.finished"))
    assert len([r for r in ran(work, "post_tool") if r["body"]["hook"]]) == over


@promise("S39")
def test_what_is_wrong_with_one_agent_leaves_the_others_untouched(door):
    """Its hook hangs, its tool dies: another agent at the same door decides and works meanwhile."""
    stuck = door.begin(call("look", "S39-stuck"), DONE, agent="hanging")
    assert until(lambda: stuck.records("tool_use.emitted"), 20)
    other = door.work(call("look", "S39-other"), DONE)
    assert not other.read("look")[0]["error"]
    (emitted,) = other.records("tool_use.emitted")
    (decided,) = other.decided()
    assert (decided["at_ns"] - emitted["at_ns"]) / 1e9 < 2
    stuck.wait()
    assert stuck.acts("look", "S39-stuck") == []
    assert stuck.read("look")[0]["error"]
