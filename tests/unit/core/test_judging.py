"""A judge's verdict: what it is asked, how it is read, and what the loop makes of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.judging import JudgeSettings, judge_request, read_verdict
from holdfast.core.loop import Conversation, Fail, Finish, Judge, Say, next_step
from holdfast.model.events import Kind, Record
from holdfast.model.runs import RunPlan

PLAN = RunPlan(model="claude-haiku-4-5", output={"judge": {"instructions": "Be strict."}})


def record(kind, turn=0, **body):
    return Record(kind=kind, at_ns=1, turn=turn, body=body)


def answered(turn, words):
    content = [{"type": "text", "text": words}]
    return record(Kind.RUN_ANSWERED, turn, content=content, stop_reason="end_turn", usage={})


def judged(turn, verdict, why="because"):
    return record(Kind.RUN_JUDGED, turn, verdict=verdict, why=why)


def step(*records, plan=PLAN):
    return next_step(Conversation([record(Kind.RUN_SUBMITTED, prompt="go"), *records]), plan)


def test_a_result_that_passed_its_rules_goes_to_the_judge_before_it_leaves():
    assert step(answered(1, "forty")) == Judge("forty")
    assert step(answered(1, "forty"), judged(1, "pass")) == Finish("forty")


def test_a_result_that_breaks_its_schema_is_never_shown_to_the_judge():
    plan = RunPlan(model="m", output={"schema": {"type": "object"}, "judge": {}})
    assert isinstance(step(answered(1, "forty"), plan=plan), Say)


def test_a_failed_verdict_is_an_error_that_the_model_reads_as_often_as_attempts_say():
    records = []
    for turn in (1, 2):
        records += [answered(turn, "forty"), judged(turn, "fail", "no currency")]
        said = step(*records)
        assert isinstance(said, Say)
        assert "the judge says: no currency" in said.text
        records.append(record(Kind.RUN_NOTED, turn, text=said.text, why=said.why))
    failed = step(*records, answered(3, "forty"), judged(3, "fail", "no currency"))
    assert isinstance(failed, Fail)
    assert (failed.code, "3 times" in failed.text) == ("output_invalid", True)


def test_a_verdict_is_of_its_own_answer_and_of_no_later_one():
    note = record(Kind.RUN_NOTED, 1, text="again", why="output_check")
    records = [answered(1, "a"), judged(1, "fail"), note, answered(2, "b")]
    assert step(*records) == Judge("b")
    assert step(*records, judged(2, "pass")) == Finish("b")


def test_a_failed_verdict_fails_the_run_at_once_where_the_agent_says_so():
    plan = RunPlan(model="m", output={"judge": {"on_fail": "fail"}})
    failed = step(answered(1, "a"), judged(1, "fail", "no"), plan=plan)
    assert isinstance(failed, Fail)
    assert failed.code == "output_invalid"


def test_a_judge_that_cannot_be_read_is_asked_once_more_and_then_nothing_leaves():
    once = [answered(1, "a"), judged(1, "unreadable")]
    assert step(*once) == Judge("a")
    assert step(*once, judged(1, "pass")) == Finish("a")
    failed = step(*once, judged(1, "something new"))
    assert isinstance(failed, Fail)
    assert failed.code == "judge_unreadable"


def test_the_first_readable_verdict_stands():
    assert isinstance(step(answered(1, "a"), judged(1, "fail"), judged(1, "pass")), Say)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PASS",
        '"pass"',
        "[]",
        '{"verdict": "pass"}',
        '{"verdict": "PASS", "why": "x"}',
        '{"verdict": "pass", "why": 1}',
        '{"verdict": "pass", "why": "x", "more": 1}',
        '{"verdict": "fail", "verdict": "pass", "why": "x"}',
        '{"verdict": "pass", "why": "x"} {"verdict": "pass", "why": "x"}',
        'It holds. {"verdict": "pass", "why": "x"}',
        '```json\n{"verdict": "pass", "why": "x"}\n```',
        '{"verdict": "pass", "why": "\ud800"}',
    ],
)
def test_an_answer_that_is_not_exactly_one_verdict_passes_nothing(text):
    assert read_verdict(text).verdict == "unreadable"


def test_a_verdict_is_read_with_its_reason_bounded():
    told = read_verdict(json.dumps({"verdict": "fail", "why": "x" * 10_000}))
    assert (told.verdict, len(told.why)) == ("fail", 2_000)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_no_result_ends_the_string_that_holds_it(result):
    asked = judge_request(JudgeSettings(), "m", "sum up", result)
    text = asked["messages"][0]["content"][0]["text"]
    assert json.loads(text) == {"task": "sum up", "result": result}


@given(st.text())
def test_reading_a_verdict_never_raises_and_passes_only_what_says_so(text):
    assert read_verdict(text).verdict == "unreadable" or json.loads(text)["verdict"] in (
        "pass",
        "fail",
    )
