"""A session's records as steps."""

import json

from holdfast.apps.console.sessions.story import Asked, Called, Step, Wrote, story
from holdfast.model.events import Kind, Record

ALLOW = {"stage": "policy", "verdict": "allow", "code": "allowed", "text": "by p1", "rule": "p1"}
DENY = {"stage": "policy", "verdict": "deny", "code": "denied", "text": "too much", "rule": "p2"}


def told(*records: Record) -> list[Step]:
    return story(records, [f"line {record.kind}" for record in records])


def decided(verdict: str, *reasons: object, call: str = "c1", **body: object) -> Record:
    said = {"arguments": {"order": "7"}, "reasons": list(reasons)} | body
    return Record(
        kind=Kind.TOOL_CALL_DECIDED,
        at_ns=3,
        turn=1,
        call_id=call,
        tool="refund",
        verdict=verdict,
        risk="HIGH",
        body=said,
    )


def of_call(kind: Kind, call: str = "c1", cost_nusd: int = 0, **body: object) -> Record:
    return Record(
        kind=kind, at_ns=4, turn=1, call_id=call, tool="refund", cost_nusd=cost_nusd, body=body
    )


def test_all_that_is_written_of_one_call_is_one_step():
    (call,) = told(
        of_call(Kind.TOOL_USE_EMITTED),
        of_call(Kind.APPROVAL_ASKED, approval_id="apr_1", arguments={"order": "7"}, reasons=[DENY]),
        of_call(Kind.APPROVAL_ANSWERED, approval_id="apr_1", approved=True, by="kim"),
        of_call(Kind.TOOL_CALL_RETRIED, attempt=1, error="late"),
        decided("allow", ALLOW),
        of_call(Kind.TOOL_CALL_FINISHED, ok=True, output='{"x": 1}', duration_ms=9, cost_nusd=5),
        of_call(Kind.TOOL_RESULT_ADMITTED, characters=3, taints=True),
    )
    assert isinstance(call, Called)
    assert (call.tool, call.verdict, call.outcome, call.ms, call.tries) == (
        *("refund", "allow", "done", 9),
        2,
    )
    assert call.taints
    assert call.cost_nusd == 5
    assert call.approval_id == "apr_1"
    assert call.answer == "line approval.answered"
    assert call.result == '{"x": 1}'
    assert [reason.rule for reason in call.reasons] == ["p1"]
    assert call.notes == ["line tool_call.retried"]


def test_calls_of_other_ids_are_other_steps_in_their_order():
    steps = told(decided("deny", DENY, call="c2"), decided("allow", call="c1"))
    assert [step.call_id for step in steps if isinstance(step, Called)] == ["c2", "c1"]


def test_a_model_call_stands_before_the_calls_that_it_asked_for():
    steps = told(
        Record(kind=Kind.PROMPT_SUBMITTED, at_ns=1, body={"text": "do it <b>"}),
        of_call(Kind.TOOL_USE_EMITTED),
        Record(
            kind=Kind.MODEL_CALL_SETTLED,
            at_ns=2,
            turn=1,
            cost_nusd=77,
            body={
                "model": "m",
                "usage": {"input_tokens": 5, "output_tokens": 6},
                "ended": "cut: x",
            },
        ),
    )
    assert [type(step) for step in steps] == [Wrote, Asked, Called]
    asked = steps[1]
    assert isinstance(asked, Asked)
    assert (asked.cost_nusd, asked.tokens_in, asked.tokens_out, asked.ended) == (77, 5, 6, "cut: x")


def test_what_has_no_step_is_its_sentence_and_what_goes_without_saying_is_left_out():
    steps = told(
        Record(kind=Kind.BUDGET_DECIDED, at_ns=1, verdict="allow"),
        Record(kind=Kind.BUDGET_DECIDED, at_ns=1, verdict="deny"),
        Record(kind=Kind.HOOK_RAN, at_ns=1, body={"point": "pre_tool"}),
        Record(kind=Kind.SESSION_PAUSED, at_ns=2),
        Record(kind=Kind.RUN_ANSWERED, at_ns=2, body={"content": [{"type": "tool_use"}]}),
    )
    assert [(type(step), step.line) for step in steps] == [
        (Step, "line budget.decided"),
        (Step, "line session.paused"),
    ]


def test_the_words_of_an_answer_are_shown():
    content = [{"type": "text", "text": "one"}, {"type": "tool_use"}, {"type": "text", "text": "2"}]
    (step,) = told(Record(kind=Kind.RUN_ANSWERED, at_ns=1, turn=1, body={"content": content}))
    assert isinstance(step, Wrote)
    assert step.by_model
    assert step.text == "one\n\n2"


def test_odd_bodies_of_any_kind_are_steps_and_no_fault():
    odd = {"text": 5, "reasons": "x", "arguments": [1], "usage": 7, "content": {}, "by": None}
    records = [Record(kind=kind, at_ns=1, call_id="c", body=odd) for kind in Kind]
    assert told(*records)


def test_arguments_are_shown_whole_and_briefly():
    given = {"to": "ann@acme.example", "text": "a\n" * 300}
    (call,) = told(decided("allow", arguments=given))
    assert isinstance(call, Called)
    assert dict(call.shown) == given
    assert len(call.brief) <= 141
    assert "\n" not in call.brief
    (single,) = told(decided("allow", arguments={"command": "ls -la"}))
    assert isinstance(single, Called)
    assert single.brief == "ls -la"
    deep = {"x": {"y": [1, 2]}}
    (nested,) = told(decided("allow", arguments=deep))
    assert isinstance(nested, Called)
    assert json.loads(dict(nested.shown)["x"]) == deep["x"]
