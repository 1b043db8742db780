"""Every field of every kind of span, as a receiver gets it, and the memory of the fold."""

import hashlib

import pytest

from holdfast.core import spans
from holdfast.core.spans import Span, SpanFold, call_span_id, root_id, trace_id, turn_id
from holdfast.model.events import Kind, Record

MS = 1_000_000
WHO = {
    "session": "s",
    "tenant": "acme",
    "project": "shop",
    "user": "ann",
    "agent": "desk",
    "task": "t",
}


def record(kind, at_ms=0, **more):
    return Record(kind=kind, at_ns=at_ms * MS, **WHO | more)


def common(operation, turn):
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.conversation.id": "s",
        "gen_ai.agent.name": "desk",
        "holdfast.session": "s",
        "holdfast.tenant": "acme",
        "holdfast.project": "shop",
        "holdfast.user": "ann",
        "holdfast.agent": "desk",
        "holdfast.task": "t",
        "holdfast.turn": turn,
    }


OPENED = record(Kind.SESSION_OPENED, 5)
PROMPT = record(Kind.PROMPT_SUBMITTED, 6, body={"text": "p" * 501})


def folded(*records):
    fold = SpanFold()
    return [span for one in records for span in fold.see(one)]


def number(size, *parts):
    spelled = b"\0".join(part.encode() for part in parts)
    return int.from_bytes(hashlib.sha256(b"holdfast span\0" + spelled).digest()[:size], "big")


def test_ids_are_digests_of_what_they_stand_for_and_of_their_size():
    assert trace_id("s") == number(16, "trace", "s")
    assert root_id("s") == number(8, "session", "s")
    assert turn_id("s", 3) == number(8, "turn", "s", "3")
    assert call_span_id("s", "c") == number(8, "call", "s", "c")


def ending(kind, at_ms, came_from="active", **more):
    return record(kind, at_ms, body={"from": came_from, "reason": "r" * 501}, **more)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (Kind.SESSION_ENDED, "ended"),
        (Kind.SESSION_STOPPED, "stopped"),
        (Kind.SESSION_KILLED, "killed"),
        (Kind.SESSION_EXPIRED, "expired"),
    ],
)
def test_the_root_says_all_of_its_session(kind, state):
    spent = [
        record(Kind.MODEL_CALL_SETTLED, 7, turn=2, cost_nusd=30),
        record(Kind.MODEL_CALL_SETTLED, 8, turn=1, cost_nusd=4),
    ]
    *_, root = folded(OPENED, PROMPT, *spent, ending(kind, 25, "paused"))
    ok = state == "ended"
    assert root == Span(
        trace_id=trace_id("s"),
        span_id=root_id("s"),
        parent_id=0,
        name="invoke_agent desk",
        start_ns=5 * MS,
        end_ns=25 * MS,
        ok=ok,
        error="" if ok else f"{state}: {'r' * 500}",
        outward=False,
        attributes=common("invoke_agent", 2)
        | {
            "holdfast.cost_nusd": 34,
            "holdfast.state": state,
            "holdfast.input": "p" * 500,
            "holdfast.success": ok,
            "holdfast.ms": 20,
        },
    )


@pytest.mark.parametrize("came_from", ["stopped", "ended", "expired", "killed", ""])
def test_what_had_ended_has_no_second_root(came_from):
    assert folded(OPENED, ending(Kind.SESSION_KILLED, 9, came_from)) == []


def test_a_clock_that_went_back_makes_no_negative_length():
    (root,) = folded(record(Kind.SESSION_OPENED, 50), ending(Kind.SESSION_ENDED, 20))
    assert (root.start_ns, root.end_ns, root.attributes["holdfast.ms"]) == (20 * MS, 20 * MS, 0)
    call = record(Kind.TOOL_CALL_DECIDED, 50, call_id="c", verdict="allow")
    (span,) = folded(OPENED, call, record(Kind.TOOL_RESULT_ADMITTED, 30, call_id="c"))
    assert (span.start_ns, span.end_ns, span.attributes["holdfast.ms"]) == (30 * MS, 30 * MS, 0)


@pytest.mark.parametrize(
    ("body", "parent", "more"),
    [
        ({}, 0, {}),
        ({"parent": "old"}, 0, {"holdfast.parent_session": "old"}),
        ({"delegated_by": "up"}, root_id("up"), {"holdfast.delegated_by": "up"}),
        (
            {"delegated_by": "up", "by_call": "c", "root": "top"},
            call_span_id("up", "c"),
            {"holdfast.delegated_by": "up"},
        ),
        ({"by_call": "c"}, 0, {}),
    ],
)
def test_a_root_hangs_where_its_session_was_started(body, parent, more):
    begun = record(Kind.SESSION_OPENED, 5, body=body)
    (root,) = folded(begun, ending(Kind.SESSION_ENDED, 6))
    assert (root.parent_id, root.trace_id) == (parent, trace_id(body.get("root", "s")))
    told = {n: v for n, v in root.attributes.items() if n.endswith(("parent_session", "ated_by"))}
    assert told == more


MODEL_BODY = {
    "model": "opus",
    "max_tokens": 99,
    "usage": {
        "input_tokens": 1,
        "cache_read_tokens": 20,
        "cache_write_5m_tokens": 300,
        "cache_write_1h_tokens": 4_000,
        "output_tokens": 7,
    },
    "message_id": "msg",
    "stop_reason": "end_turn",
    "context_percent": 12,
    "duration_ms": 3,
    "ended": "complete",
}


def chat(error="", **over):
    told = {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "opus",
        "gen_ai.request.max_tokens": 99,
        "gen_ai.usage.input_tokens": 4_321,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 20,
        "gen_ai.usage.cache_creation.input_tokens": 4_300,
        "gen_ai.response.id": "msg",
        "gen_ai.response.finish_reasons": ["end_turn"],
        "holdfast.context_percent": 12,
        "holdfast.cost_nusd": 70,
        "holdfast.input": "p" * 500,
        "holdfast.ms": 3,
        "holdfast.success": not error,
    }
    if error:
        told["error.type"] = error.partition(":")[0]
    given = {
        "span_id": turn_id("s", 4),
        "name": "chat opus",
        "attributes": common("chat", 4) | told,
    }
    return Span(
        trace_id=trace_id("s"),
        parent_id=root_id("s"),
        start_ns=7 * MS,
        end_ns=10 * MS,
        ok=not error,
        error=error,
        outward=True,
        **given | over,
    )


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        (Kind.MODEL_CALL_SETTLED, {}, ""),
        (Kind.MODEL_CALL_SETTLED, {"ended": "cut"}, "cut"),
        (Kind.MODEL_CALL_SETTLED, {"ended": ""}, "unknown"),
        (
            Kind.MODEL_CALL_SETTLED,
            {"outcome": "unknown"},
            "unknown: the server ended before the provider's usage came",
        ),
    ],
)
def test_a_model_call_says_all_that_was_settled(kind, body, error):
    call = record(kind, 10, turn=4, cost_nusd=70, body=MODEL_BODY | body)
    assert folded(OPENED, PROMPT, call) == [chat(error)]


def test_a_refused_model_call_says_which_model_and_why_and_counts_nothing():
    call = record(Kind.MODEL_CALL_REFUSED, 10, turn=4, body={"why": "no money", "model": "opus"})
    (span,) = folded(OPENED, PROMPT, call)
    assert (span.name, span.error, span.start_ns) == ("chat opus", "refused: no money", 10 * MS)
    assert span.attributes["gen_ai.usage.input_tokens"] == 0
    assert span.attributes["holdfast.input"] == "p" * 500


def test_a_model_call_that_a_crash_left_is_known_by_its_hold():
    call = record(
        Kind.MODEL_CALL_SETTLED, 10, turn=4, cost_nusd=70, body=MODEL_BODY | {"hold_id": "h"}
    )
    assert folded(OPENED, PROMPT, call) == [chat(span_id=number(8, "hold", "s", "h"))]


def test_a_model_call_of_which_nothing_is_known_is_blank_and_no_error_of_ours():
    (span,) = folded(OPENED, record(Kind.MODEL_CALL_REFUSED, 10))
    assert (span.name, span.start_ns, span.end_ns, span.error) == (
        "chat", 10 * MS, 10 * MS, "refused: ",
    )  # fmt: skip
    assert span.attributes["gen_ai.response.finish_reasons"] == []
    assert span.attributes["holdfast.input"] == ""


def test_turns_of_refused_calls_count_for_the_root():
    *_, root = folded(
        OPENED, record(Kind.MODEL_CALL_REFUSED, 6, turn=3), ending(Kind.SESSION_ENDED, 9)
    )
    assert root.attributes["holdfast.turn"] == 3


def decided(verdict, at_ms=10, call_id="c", **body):
    more = {"decision_id": "d", "tool": "pay", "risk": "HIGH", "turn": 4}
    return record(
        Kind.TOOL_CALL_DECIDED, at_ms, call_id=call_id, verdict=verdict, body=body, **more
    )


def tool(error="", *, start=10, end=10, cost=0, verdict="allow", rule="", given="", **more):
    told = {
        "gen_ai.tool.name": "pay",
        "gen_ai.tool.call.id": "c",
        "holdfast.decision_id": "d",
        "holdfast.verdict": verdict,
        "holdfast.risk": "HIGH",
        "holdfast.rule": rule,
        "holdfast.cost_nusd": cost,
        "holdfast.input": given,
        "holdfast.ms": end - start,
        "holdfast.success": not error,
    }
    return Span(
        trace_id=trace_id("s"),
        span_id=call_span_id("s", "c"),
        parent_id=turn_id("s", 4),
        name="execute_tool pay",
        start_ns=start * MS,
        end_ns=end * MS,
        ok=not error,
        error=error,
        outward=False,
        attributes=common("execute_tool", 4)
        | told
        | {name.replace("__", "."): value for name, value in more.items()},
    )


ALLOWED = decided("allow", arguments={"a": "b"})
GIVEN = '{"a":"b"}'


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ({"code": "policy.deny", "text": "no", "rule": "r1"}, "policy.deny: no"),
        ({"code": "policy.deny", "rule": "r1"}, "policy.deny"),
        ({"text": "no", "rule": "r1"}, "permission_denied: no"),
    ],
)
@pytest.mark.parametrize("verdict", ["deny", "ask"])
def test_a_refused_call_is_a_span_of_its_reason(verdict, reason, error):
    call = decided(verdict, reasons=[reason | {"verdict": verdict}])
    more = {"error__type": error.partition(":")[0]}
    assert folded(OPENED, call) == [tool(error, verdict=verdict, rule="r1", **more)]


@pytest.mark.parametrize(
    ("kind", "body", "error", "more"),
    [
        (Kind.TOOL_CALL_FINISHED, {"ok": True, "duration_ms": 6}, "", {"holdfast__ms": 6}),
        (
            Kind.TOOL_CALL_FINISHED,
            {"ok": False, "duration_ms": 6, "error": "e" * 501},
            f"tool_error: {'e' * 500}",
            {"holdfast__ms": 6, "error__type": "tool_error"},
        ),
        (
            Kind.TOOL_CALL_FINISHED,
            {},
            "tool_error: ",
            {"holdfast__ms": 0, "error__type": "tool_error"},
        ),
        (
            Kind.TOOL_RESULT_ADMITTED,
            {},
            "",
            {"holdfast__outcome": "result_admitted"},
        ),
    ],
)
def test_an_allowed_call_is_a_span_of_its_outcome(kind, body, error, more):
    done = record(kind, 30, call_id="c", cost_nusd=9, body=body)
    assert folded(OPENED, ALLOWED) == []
    assert folded(OPENED, ALLOWED, done) == [tool(error, end=30, cost=9, given=GIVEN, **more)]
    assert len(folded(OPENED, ALLOWED, done, done, ALLOWED, done)) == 1


def test_an_outcome_of_a_call_that_nobody_decided_is_no_span():
    for kind in (Kind.TOOL_CALL_FINISHED, Kind.TOOL_RESULT_ADMITTED):
        assert folded(OPENED, record(kind, 30, call_id="c", body={"ok": True})) == []


def test_a_number_of_refusals_without_records_is_no_span():
    assert folded(OPENED, decided("deny", times=3)) == []
    assert len(folded(OPENED, decided("deny", times=0))) == 1


OF_CALL = {"call_id": "c", "tool": "pay", "decision_id": "d", "risk": "HIGH", "turn": 4}


def test_calls_that_never_ran_or_ran_elsewhere_have_their_span():
    replaced = record(Kind.TOOL_RESULT_REPLACED, 10, **OF_CALL)
    text = "never_ran: the client asked for no permission"
    assert folded(OPENED, replaced) == [tool(text, verdict="", error__type="never_ran")]
    at_server = record(Kind.TOOL_USE_EMITTED, 10, body={"state": "server"}, **OF_CALL)
    assert folded(OPENED, at_server) == [tool(verdict="", holdfast__door="provider")]
    for state in ("emitted", "", None):
        assert folded(OPENED, record(Kind.TOOL_USE_EMITTED, 10, body={"state": state})) == []


def test_what_names_no_call_or_turn_is_a_span_of_its_own():
    # Of a hold that a crash left: the call whose it was has its span when it is over.
    left = record(Kind.TOOL_CALL_FINISHED, 30, tool="pay", body={"hold_id": "h"})
    assert folded(OPENED, left) == folded(left) == []
    (nameless,) = folded(OPENED, record(Kind.TOOL_RESULT_REPLACED, 30, call_id="c"))
    assert nameless.name == "execute_tool"


def test_what_was_not_reported_is_told_a_minute_after_the_end_and_once():
    fold = SpanFold()
    for one in (OPENED, ALLOWED, ending(Kind.SESSION_KILLED, 40)):
        fold.see(one)
    minute = 60_000 * MS
    assert fold.lapse(40 * MS + minute - 1) == []
    text = "unreported: the session ended before the call was reported"
    expected = tool(text, end=40, given=GIVEN, error__type="unreported")
    assert fold.lapse(40 * MS + minute) == [expected]
    assert fold.lapse(40 * MS + 2 * minute) == []


def test_records_without_a_session_or_of_kinds_that_are_no_step_are_not_remembered():
    fold = SpanFold()
    assert fold.see(record(Kind.SESSION_OPENED, session="")) == []
    assert fold.see(record(Kind.RISK_NOTICE, 5)) == []
    fold.see(ALLOWED)
    assert fold.see(record(Kind.SESSION_KILLED, 40, body={"from": "active"}))[0].start_ns == 10 * MS


def test_the_oldest_session_goes_when_one_more_than_the_most_is_there(monkeypatch):
    monkeypatch.setattr(spans, "_LIVE_SESSIONS", 2)
    monkeypatch.setattr(spans, "_ENDED_SESSIONS", 1)
    fold = SpanFold()
    for name in ("a", "b"):
        fold.see(of_session(OPENED, name))
        fold.see(of_session(ALLOWED, name))
    (gone,) = fold.see(of_session(record(Kind.SESSION_OPENED, 77), "c"))
    assert (gone.attributes["holdfast.session"], gone.end_ns) == ("a", 77 * MS)
    assert gone.error.startswith("unreported: ")
    assert len(fold.see(of_session(ending(Kind.SESSION_ENDED, 80), "b"))) == 1
    left, root = fold.see(of_session(ending(Kind.SESSION_ENDED, 90), "c"))
    assert (left.attributes["holdfast.session"], left.end_ns) == ("b", 80 * MS)
    assert root.name == "invoke_agent desk"


def of_session(one, session):
    fields = {name: getattr(one, name) for name in one.__struct_fields__}
    return Record(**fields | {"session": session})
