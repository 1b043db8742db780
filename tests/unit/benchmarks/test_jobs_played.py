"""How played jobs are judged and counted."""

from types import MappingProxyType

import pytest

from benchmarks.jobs import printing
from benchmarks.jobs.command import main, sequence
from benchmarks.jobs.corpus import Job, Step, jobs
from benchmarks.jobs.script import call_id, scenarios
from benchmarks.jobs.verdicts import Played, figures, judged, results_of

PUSHES = Job(
    name="a-push",
    prompt="push it",
    repository="shop",
    steps=(
        Step(tool="Bash", arguments={"command": "git status"}),
        Step(tool="Bash", arguments={"command": "make run"}, ask="bare"),
        Step(tool="Bash", arguments={"command": "git push"}, ask="always"),
    ),
)


def record(place, verdict, code=""):
    reasons = [{"code": code}] if code else []
    return {"call_id": call_id(PUSHES, place), "verdict": verdict, "body": {"reasons": reasons}}


def played(
    *records, results=(), answered=MappingProxyType({}), sandbox=True, alive=True, finished=True
):
    calls = judged(PUSHES, records, dict(results), answered=answered, sandbox=sandbox)
    return Played(job="a-push", calls=calls, alive=alive, finished=finished)


GOOD = (record(0, "allow"), record(1, "allow"), record(2, "ask", "push"))


def test_a_job_whose_only_ask_was_foreseen_is_clean():
    found = figures([played(*GOOD)])
    assert (found.clean, found.allowed, found.free) == (1, 2, 2)
    assert (found.asked, found.to_ask, found.reasons) == (1, 1, {})


def test_an_ask_that_nobody_foresaw_fails_the_job_and_is_counted_by_its_reason():
    found = figures([played(record(0, "ask", "why"), *GOOD[1:])])
    assert (found.clean, found.allowed, found.reasons) == (0, 1, {"why": 1})


def test_an_ask_for_want_of_a_sandbox_is_foreseen_only_there():
    records = (GOOD[0], record(1, "ask", "runs"), GOOD[2])
    assert not played(*records, sandbox=True).clean
    assert played(*records, sandbox=False).clean


def test_a_foreseen_ask_that_got_its_yes_counts_as_asked_and_lets_the_job_go_on():
    found = figures([played(*GOOD[:2], record(2, "allow"), answered={call_id(PUSHES, 2): "push"})])
    assert (found.clean, found.asked, found.to_ask) == (1, 1, 1)


def test_a_call_that_was_refused_after_its_yes_fails_the_job():
    answered = {call_id(PUSHES, 2): "push"}
    assert not played(*GOOD[:2], record(2, "deny", "no room"), answered=answered).clean


def test_a_foreseen_ask_that_was_denied_fails_the_job():
    assert not played(*GOOD[:2], record(2, "deny", "no")).clean


def test_a_foreseen_ask_that_did_not_come_is_told_apart_from_one_that_did():
    found = figures([played(*GOOD[:2], record(2, "allow"))])
    assert (found.asked, found.to_ask) == (0, 1)


@pytest.mark.parametrize("given", [{"alive": False}, {"finished": False}])
def test_a_job_that_stopped_or_did_not_finish_is_not_clean(given):
    assert not played(*GOOD, **given).clean


def test_a_call_that_was_never_decided_says_whether_the_client_refused_it():
    results = {call_id(PUSHES, 0): "no such tool"}
    calls = played(results=results.items()).calls
    assert [call.verdict for call in calls] == ["unseen"] * 3
    assert [call.code for call in calls[:2]] == ["client: no such tool", "not reached"]


def test_the_last_decision_of_a_call_counts():
    assert played(record(0, "ask", "why"), *GOOD).clean


def test_results_are_read_from_what_clients_sent():
    raw = b'{"messages": [{"content": "hi"}, {"content": [{"type": "tool_result", "tool_use_id": "a"}, {"type": "tool_result", "tool_use_id": "b", "is_error": true, "content": [{"type": "text", "text": "not\\n so"}]}]}]}'
    assert results_of([raw]) == {"a": "ok", "b": "not so"}


def test_every_call_has_an_id_of_its_own_and_a_sub_agent_a_scenario(tmp_path):
    job = next(job for job in jobs() if job.name == "two-subagents")
    told = scenarios(job, tmp_path, 80)
    assert [s["match"]["text"] for s in told][-1] == job.prompt
    assert len(told) == 3
    ids = [call["id"] for s in told for turn in s["turns"] for call in turn.get("tools", [])]
    assert sorted(ids) == sorted(call_id(job, n) for n, _ in enumerate(job.calls()))


def test_a_sequence_takes_the_longest_jobs_that_share_one_history():
    chosen = sequence(jobs(), 25)
    assert len(chosen) == 25
    assert not any(job.setup for job in chosen)
    assert sum(1 + len(list(job.calls())) for job in chosen) >= 300


def test_a_refusal_is_printed_with_its_step_and_its_reason():
    said: list[str] = []
    printing.line(played(record(0, "ask", "why"), *GOOD[1:]), said.append, wordy=False)
    assert "fail" in said[0]
    assert "0 Bash ask why: git status" in "".join(said)


def test_what_tainted_is_printed_beside_what_was_refused_for_it():
    tainted = {"reasons": [{"code": "why", "text": "untrusted"}], "tainted": True}
    ask = {"call_id": call_id(PUSHES, 1), "verdict": "ask", "body": tainted}
    said: list[str] = []
    printing.line(played(GOOD[0], ask, GOOD[2]), said.append, wordy=True)
    assert "untrusted" in "".join(said)
    assert "tainted by 0 Bash: git status" in "".join(said)


def test_a_job_that_is_not_there_is_a_fault_of_the_command(capsys):
    with pytest.raises(SystemExit):
        main(["--only", "nonsense"])
    assert "no such job" in capsys.readouterr().err
