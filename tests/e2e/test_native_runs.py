"""Runs by the house's own loop: real workers, real tools, kill -9; each effect once."""

import contextlib
import os
import signal
import time
from pathlib import Path

import msgspec
import pytest

from holdfast.model.runs import WORK_PROTOCOL
from holdfast.testing.scripted_model import Pacing, Text, Turn
from holdfast.testing.scripted_model.script import Fault
from tests.native_project import SETTINGS, NativeProject, calls, end, script, until

LEASE_S = 3
# What differs by its prompt alone is played on one server.
_LOOK, _WIRE, _LAST = calls(("look", "o1"), ("wire", "o1"))
PLAYED = script(
    whole=calls(("look", "o1"), ("pay", "o1"), ("ship", "o1")),
    killed_pay=calls(("look", "slow1"), ("pay", "slow1"), ("look", "o2")),
    killed_ship=calls(("look", "slow1"), ("ship", "slow1"), ("look", "o2")),
    once=calls(("wire", "slow1"), ("look", "o2")),
    frozen=calls(("look", "o1"), ("pay", "slow1"), ("ship", "slow2")),
    nothing=calls(),
    failing=(
        Turn(
            blocks=(Text(text="at last"),),
            faults=(Fault(times=2, status=529, error_type="overloaded_error"),),
        ),
    ),
    slowly=calls(("pay", "slow1")),
    again=calls(("look", "o1"), ("pay", "o1")),
    hanging=calls(("pay", "hang1")),
    paused=calls(("look", "o1"), ("pay", "slow1"), ("ship", "o2")),
    standing=(
        _LOOK,
        msgspec.structs.replace(_WIRE, pacing=Pacing(first_event_delay_ms=1500)),
        _LAST,
    ),
)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with NativeProject(tmp_path_factory.mktemp("runs"), PLAYED) as house:
        yield house


@pytest.fixture
def house(running):
    """The shared server; whatever a test did, and its workers, are gone with it."""
    yield running
    while running.workers:
        end(running.workers.pop())
    (running.folder / "acts.log").unlink(missing_ok=True)


def test_a_run_goes_through_its_tools_to_its_result(house):
    run = house.submit("the whole of o1")
    assert house.show(run)["state"] == "queued"
    house.worker()
    done = house.until(run, "done", "failed", "dead")
    assert (done["state"], done["result"]) == ("done", "done")
    assert [a[:2] for a in house.acts()] == [["pay", "o1"], ["ship", "o1"]]
    kinds = house.kinds(run)
    assert kinds.count("run.answered") == 4
    assert kinds.count("run.tool_answered") == 3
    assert house.project.view(run["session"])["state"] == "ended"


@pytest.mark.parametrize("tool", ["pay", "ship"])
@pytest.mark.parametrize("after_the_act", [False, True])
def test_a_worker_killed_in_the_middle_of_a_tool_repeats_nothing(house, tool, after_the_act):
    first = house.worker()
    run = house.submit(f"killed_{tool}")
    if after_the_act:
        until(lambda: house.acts(tool), 60)
    else:
        until(lambda: house.kinds(run).count("tool_call.decided") == 2, 60)
    end(first)
    house.worker()
    done = house.until(run, "done", "failed", "dead", "parked")
    assert done["state"] == "done", done
    assert len({tuple(act) for act in house.acts(tool)}) == 1
    assert len(house.acts(tool)) == 1
    assert done["activations"] >= 2


@pytest.mark.parametrize("tried", [False, True])
def test_a_policy_process_that_stands_still_delays_a_run_and_denies_it_nothing(tmp_path, tried):
    played = script(refund=calls(("look", "o1"), ("pay", "slow1")))
    with NativeProject(tmp_path, played) as house:
        first = house.worker() if tried else None
        run = house.submit("refund it")
        if first is not None:
            until(lambda: house.acts("pay"), 60)
            end(first)
        os.kill(house.project.policy_pid, signal.SIGSTOP)
        house.worker()
        until(lambda: house.kinds(run).count("run.retrying") >= 3, 60)
        os.kill(house.project.policy_pid, signal.SIGCONT)
        done = house.until(run, "done", "failed", "dead", "parked")
        assert done["state"] == "done", done
        assert [act[:2] for act in house.acts()] == [["pay", "slow1"]]
        records = house.project.records(session=run["session"])
        decided = [r for r in records if r["kind"] == "tool_call.decided"]
        assert {r["verdict"] for r in decided} == {"allow"}
        assert len({r["call_id"] for r in decided}) == 2
        # One more where the word came when whoever had asked was put back already.
        assert len(decided) - (3 if tried else 2) in (0, 1)


def test_what_must_not_happen_twice_waits_for_a_person_and_then_goes_on(house):
    first = house.worker()
    run = house.submit("once")
    until(lambda: house.acts("wire"), 60)
    end(first)
    house.worker()
    parked = house.until(run, "parked", "done", "failed", "dead")
    assert parked["state"] == "parked"
    assert [e["tool"] for e in parked["unknown_effects"]] == ["wire"]
    listed = house.project.call("GET", "/v1/dlq").json["runs"]
    assert [r["run_id"] for r in listed] == [run["run_id"]]
    key = parked["unknown_effects"][0]["key"]
    told = {"tenant": "acme", "key": key, "outcome": "done", "by": "mia", "reason": "seen"}
    reply = house.project.call(
        "POST", "/v1/effects/resolve", {**told, "output": {"wired": "slow1"}}
    )
    assert reply.status == 200, reply.body
    done = house.until(run, "done", "failed", "dead")
    assert done["state"] == "done"
    assert len(house.acts("wire")) == 1


def test_a_frozen_worker_that_wakes_up_past_its_lease_is_refused_everything(house):
    first = house.worker()
    run = house.submit("frozen")
    until(lambda: house.kinds(run).count("tool_call.decided") == 2, 60)
    os.kill(first.pid, signal.SIGSTOP)
    try:
        house.worker()
        done = house.until(run, "done", "failed", "dead", "parked")
        assert done["state"] == "done", done
        before = house.kinds(run)
    finally:
        os.kill(first.pid, signal.SIGCONT)
    # It finds its tokens dead; whatever it tries leaves no word of a run in the journal.
    other = house.submit("nothing")
    house.until(other, "done", "failed", "dead", "parked")
    after = [k for k in house.kinds(run)[len(before) :] if k.startswith(("run.", "tool_call."))]
    assert after == []
    keys = [act[2] for act in house.acts() if act[1].startswith("slow")]
    assert len(keys) == len(set(keys)) == 2


def test_a_server_killed_in_the_middle_goes_on_where_it_was(tmp_path):
    played = script(refund=calls(("look", "o1"), ("pay", "slow1"), ("look", "o2"), ("ship", "o3")))
    with NativeProject(tmp_path, played) as house:
        house.worker()
        run = house.submit("refund it")
        until(lambda: house.acts("pay"), 60)
        house.project.stop(signal.SIGKILL)
        house.project.start()
        done = house.until(run, "done", "failed", "dead", "parked")
        assert done["state"] == "done", done
        assert sorted(a[:2] for a in house.acts()) == [["pay", "slow1"], ["ship", "o3"]]


def test_a_provider_that_fails_is_asked_again_and_each_try_is_counted(house):
    house.worker()
    done = house.until(house.submit("failing"), "done", "failed", "dead")
    assert (done["state"], done["result"]) == ("done", "at last")


def test_a_provider_that_never_answers_ends_in_the_dead_letter_queue_and_is_redriven(tmp_path):
    faults = (Fault(times=3, status=500),)
    played = script(talk=(Turn(blocks=(Text(text="at last"),), faults=faults),))
    settings = SETTINGS.replace("retries: {", "retries: {model_attempts: 1, ")
    with NativeProject(tmp_path, played, settings=settings) as house:
        house.worker()
        run = house.submit("talk")
        dead = house.until(run, "done", "failed", "dead")
        assert dead["state"] == "dead"
        assert dead["reason"].startswith("the model call failed 1 times")
        for _ in range(6):
            path = f"/v1/dlq/{run['run_id']}/redrive"
            assert house.project.call("POST", path, {"reason": "once more"}).status == 200
            if house.until(run, "done", "failed", "dead")["state"] == "done":
                break
        assert house.show(run)["result"] == "at last"


def test_the_journal_says_how_long_a_tool_ran(house):
    house.worker()
    run = house.submit("slowly")
    house.until(run, "done", "failed", "dead")
    records = house.project.records(session=run["session"])
    (took_ms,) = [r["body"]["duration_ms"] for r in records if r["kind"] == "tool_call.finished"]
    # A slow order sleeps for 0.3 and for 0.5 seconds.
    assert 800 <= took_ms < 30_000


def test_a_hanging_tool_is_ended_and_its_class_decides(tmp_path):
    with NativeProject(tmp_path, script(pay=calls(("pay", "hang1"))), tool_timeout_s=1.0) as house:
        house.worker()
        done = house.until(house.submit("pay it"), "done", "failed", "dead", "parked")
        # The second try finds that the first took: the bank knows the key.
        assert done["state"] == "done", done
        assert len(house.acts("pay")) == 1


def test_a_spent_budget_fails_the_run(house):
    house.worker()
    run = house.submit("nothing", limits={"usd": "0.0001"})
    failed = house.until(run, "done", "failed", "dead")
    assert failed["state"] == "failed"
    assert failed["reason"].startswith("budget_exceeded")


def test_a_run_is_cancelled_forked_and_done_again_without_a_second_effect(house):
    waiting = house.submit("again")
    path = f"/v1/runs/{waiting['run_id']}"
    assert house.project.call("POST", f"{path}/cancel", {"reason": "no"}).json["state"] == (
        "cancelled"
    )
    house.worker()
    run = house.submit("again")
    house.until(run, "done", "failed", "dead")
    path = f"/v1/runs/{run['run_id']}"
    again = house.project.call("POST", f"{path}/retry", {"reason": "to be sure"}).json
    assert house.until(again, "done", "failed", "dead", "parked")["state"] == "done"
    branch = house.project.call("POST", f"{path}/fork", {"turn": 1, "reason": "x"}).json
    assert house.until(branch, "done", "failed", "dead", "parked")["state"] == "done"
    assert len(house.acts("pay")) == 1


def test_killing_its_session_ends_a_run_and_its_tool(house):
    house.worker()
    run = house.submit("hanging")
    until(lambda: house.acts("pay"), 60)
    killed = house.project.call("POST", f"/v1/sessions/{run['session']}/kill", {"reason": "enough"})
    assert killed.status == 200
    assert house.until(run, "cancelled", "failed", "dead")["state"] == "cancelled"


def test_a_paused_session_parks_its_run_and_a_resumed_one_lets_it_go_on(house):
    house.worker()
    run = house.submit("paused")
    until(lambda: house.acts("pay"), 60)
    call, path = house.project.call, f"/v1/sessions/{run['session']}"
    assert call("POST", f"{path}/pause", {"reason": "wait"}).status == 200
    parked = house.until(run, "parked", "done", "failed", "dead")
    assert (parked["state"], parked["reason"]) == ("parked", "the session is paused")
    assert call("POST", f"{path}/resume", {"reason": "go on"}).status == 200
    assert house.until(run, "done", "failed", "dead")["state"] == "done"
    assert len(house.acts()) == 2


def test_the_worker_token_opens_the_workers_paths_and_nothing_else(house):
    token = (house.folder / ".holdfast" / "worker.token").read_text().strip()
    claim = {"worker": "w", "wait_s": 0, "protocol": WORK_PROTOCOL}
    call = house.project.call
    assert call("POST", "/v1/work/claim", claim, token=token).json["work"] is None
    assert call("POST", "/v1/work/claim", claim).status == 401
    assert call("GET", "/v1/runs", token=token).status == 401
    assert call("GET", "/v1/sessions", token=token).status == 401
    session = house.project.open(agent="clerk")
    assert call("POST", "/v1/work/claim", claim, token=session.token).status == 401


def test_tools_that_stood_still_with_their_worker_past_its_lease_never_begin(house):
    first = house.worker()
    run = house.submit("standing")
    until(lambda: "run.tool_answered" in house.kinds(run), 60)
    host = tools_host_of(first.pid)
    os.kill(host, signal.SIGSTOP)
    try:
        until(lambda: house.kinds(run).count("tool_call.decided") == 2, 60)
        time.sleep(0.3)  # What is asked of the tools waits in their pipe by now.
        os.kill(first.pid, signal.SIGSTOP)
        house.worker()
        parked = house.until(run, "parked", "done", "failed", "dead")
        assert parked["state"] == "parked", parked
    finally:
        os.kill(host, signal.SIGCONT)
        os.kill(first.pid, signal.SIGCONT)
    # It learns that the run is another's, and ends what it had of it.
    until(lambda: not Path(f"/proc/{host}").exists(), 60)
    assert house.acts("wire") == []
    assert house.show(run)["state"] == "parked"


@pytest.mark.parametrize("by", ["session", "everything"])
def test_a_worker_that_is_deaf_when_its_session_is_killed_has_no_effect_after_its_lease(house, by):
    worker = house.worker()
    run = house.submit("standing")
    until(lambda: "run.tool_answered" in house.kinds(run), 60)
    host = tools_host_of(worker.pid)
    os.kill(host, signal.SIGSTOP)
    try:
        until(lambda: house.kinds(run).count("tool_call.decided") == 2, 60)
        os.kill(worker.pid, signal.SIGSTOP)
        call, told = house.project.call, {"reason": "deaf"}
        if by == "session":
            killed = call("POST", f"/v1/sessions/{run['session']}/kill", told)
        else:
            killed = call("POST", "/v1/stops/kill", {"everything": True, **told})
        assert killed.status == 200, killed.body
        time.sleep(LEASE_S + 0.5)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(host, signal.SIGCONT)
        os.kill(worker.pid, signal.SIGCONT)
    time.sleep(2)
    assert house.acts("wire") == []
    assert house.show(run)["state"] == "cancelled"
    if by == "everything":
        assert call("POST", "/v1/stops/resume", {"everything": True}).status == 200


def tools_host_of(worker):
    """The process that runs the tools of a worker's only run."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = stat.read_text().rpartition(")")[2].split()[1]
            command = stat.with_name("cmdline").read_bytes()
            if parent == str(worker) and b"holdfast.tools.host" in command:
                return int(stat.parent.name)
    raise AssertionError("no tools are running")


def test_what_a_tool_did_while_the_server_was_down_is_known_once_it_is_back(tmp_path):
    settings = SETTINGS.replace("lease_s: 3", "lease_s: 10")
    played = script(wire=calls(("wire", "slow1"), ("look", "o2")))
    with NativeProject(tmp_path, played, settings=settings) as house:
        house.worker()
        run = house.submit("wire it")
        until(lambda: house.acts("wire"), 60)
        house.project.stop(signal.SIGKILL)
        house.project.start()
        done = house.until(run, "done", "failed", "dead", "parked")
        assert done["state"] == "done", done
        assert done["activations"] == 1
        assert len(house.acts("wire")) == 1
