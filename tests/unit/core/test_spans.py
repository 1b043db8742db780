"""Spans folded from the journal: one a call, whatever became of it, in one tree a session."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.spans import SpanFold, call_span_id, root_id, trace_id, turn_id
from holdfast.model.events import Kind, Record

MS = 1_000_000
S = 1000 * MS


def record(kind, at_ns=0, session="s", **more):
    return Record(
        kind=kind, at_ns=at_ns, session=session, tenant="acme", user="ann", agent="desk", **more
    )


def opened(at_ns=0, **more):
    return record(Kind.SESSION_OPENED, at_ns, **more)


def decided(call_id, verdict="allow", at_ns=10 * MS, reasons=(), arguments=None, **more):
    body = {"arguments": arguments or {"order": "A1"}, "reasons": list(reasons)}
    flat = {"turn": 1, "decision_id": "dec_1", "tool": "look", "risk": "LOW"} | more
    return record(
        Kind.TOOL_CALL_DECIDED, at_ns, call_id=call_id, verdict=verdict, body=body, **flat
    )


def finished(call_id, *, ok=True, at_ns=30 * MS, ms=15, error=""):
    body = {"ok": ok, "duration_ms": ms, "error": error}
    return record(Kind.TOOL_CALL_FINISHED, at_ns, call_id=call_id, tool="look", turn=1, body=body)


def settled(turn=1, at_ns=9 * MS, ended="complete", **more):
    body = {
        "model": "claude-opus-5-5",
        "usage": {"input_tokens": 3, "cache_read_tokens": 4, "output_tokens": 5},
        "stop_reason": "tool_use",
        "ended": ended,
        "duration_ms": 8,
        "message_id": "msg_1",
    } | more
    return record(Kind.MODEL_CALL_SETTLED, at_ns, turn=turn, cost_nusd=700, body=body)


def ended(kind=Kind.SESSION_ENDED, at_ns=50 * MS, came_from="active", reason="done"):
    return record(kind, at_ns, body={"reason": reason, "from": came_from})


def folded(*records, fold=None):
    fold = fold or SpanFold()
    return [span for entry in records for span in fold.see(entry)]


def test_a_session_is_one_tree_with_a_span_for_each_call():
    root, chat, call = sorted(
        folded(opened(), settled(), decided("c1"), finished("c1"), ended()),
        key=lambda span: span.start_ns,
    )
    assert {span.trace_id for span in (root, chat, call)} == {trace_id("s")}
    assert (root.span_id, root.parent_id) == (root_id("s"), 0)
    assert (chat.span_id, chat.parent_id) == (turn_id("s", 1), root.span_id)
    assert (call.span_id, call.parent_id) == (call_span_id("s", "c1"), chat.span_id)
    assert (root.start_ns, root.end_ns) == (0, 50 * MS)
    assert (chat.start_ns, chat.end_ns) == (1 * MS, 9 * MS)
    assert (call.start_ns, call.end_ns) == (10 * MS, 30 * MS)
    assert [span.ok for span in (root, chat, call)] == [True, True, True]
    assert root.attributes["holdfast.cost_nusd"] == 700


def test_a_model_call_says_model_tokens_stop_reason_time_and_success():
    prompt = record(Kind.PROMPT_SUBMITTED, body={"text": "p" * 900})
    (chat,) = folded(opened(), prompt, settled())
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "claude-opus-5-5",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.response.finish_reasons": ["tool_use"],
        "holdfast.cost_nusd": 700,
        "holdfast.turn": 1,
        "holdfast.ms": 8,
        "holdfast.success": True,
        "holdfast.input": "p" * 500,
    }
    assert expected.items() <= chat.attributes.items()
    assert (chat.name, chat.outward) == ("chat claude-opus-5-5", True)


def test_a_tool_call_says_who_asked_what_was_decided_and_how_it_went():
    call = decided("c1", arguments={"text": "x" * 900})
    (span,) = folded(opened(), call, finished("c1", ok=False, error="no such order"))
    expected = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "look",
        "gen_ai.tool.call.id": "c1",
        "holdfast.session": "s",
        "holdfast.tenant": "acme",
        "holdfast.user": "ann",
        "holdfast.agent": "desk",
        "holdfast.decision_id": "dec_1",
        "holdfast.verdict": "allow",
        "holdfast.risk": "LOW",
        "holdfast.turn": 1,
        "holdfast.ms": 15,
        "holdfast.success": False,
        "error.type": "tool_error",
    }
    assert expected.items() <= span.attributes.items()
    assert len(span.attributes["holdfast.input"]) == 500
    assert (span.ok, span.error) == (False, "tool_error: no such order")


@pytest.mark.parametrize("verdict", ["deny", "ask"])
def test_a_refused_call_has_no_length_and_says_the_rule_that_decided(verdict):
    other = {"verdict": "allow", "code": "x", "text": "y", "rule": "z"}
    why = {
        "verdict": verdict,
        "code": "permission_denied",
        "text": "not yours",
        "rule": "no-refunds",
    }
    (span,) = folded(opened(), decided("c1", verdict, reasons=(other, why)))
    assert span.start_ns == span.end_ns
    assert (span.ok, span.error) == (False, "permission_denied: not yours")
    assert span.attributes["holdfast.rule"] == "no-refunds"
    assert span.attributes["error.type"] == "permission_denied"


def test_a_call_whose_result_came_back_unreported_is_finished_by_the_result():
    admitted = record(Kind.TOOL_RESULT_ADMITTED, 40 * MS, call_id="c1", tool="look", turn=1)
    assert folded(opened(), admitted) == []
    (span,) = folded(opened(), decided("c1"), admitted, ended())[:1]
    assert (span.end_ns, span.attributes["holdfast.outcome"]) == (40 * MS, "result_admitted")


def test_a_call_that_never_ran_or_ran_at_the_provider_has_its_span():
    never = record(Kind.TOOL_RESULT_REPLACED, call_id="c1", tool="look", turn=1)
    body = {"state": "server"}
    server = record(Kind.TOOL_USE_EMITTED, call_id="c2", tool="web_search", turn=1, body=body)
    mine = record(Kind.TOOL_USE_EMITTED, call_id="c3", tool="look", body={"state": "emitted"})
    first, second = folded(opened(), never, server, mine)
    assert (first.ok, first.attributes["error.type"]) == (False, "never_ran")
    assert (second.ok, second.name) == (True, "execute_tool web_search")


def test_a_call_withdrawn_and_then_denied_has_one_span():
    never = record(Kind.TOOL_RESULT_REPLACED, call_id="c1", tool="look", turn=1)
    assert len(folded(opened(), never, decided("c1", "deny"))) == 1


def test_a_running_call_of_a_killed_session_may_still_report():
    fold = SpanFold()
    (root,) = folded(opened(), decided("c1"), ended(Kind.SESSION_KILLED, reason="odd"), fold=fold)
    assert (root.ok, root.error) == (False, "killed: odd")
    assert fold.lapse(51 * MS) == []
    (call,) = folded(finished("c1", at_ns=60 * MS), fold=fold)
    assert call.ok
    assert fold.lapse(2**62) == []


def test_a_call_that_never_reports_is_closed_a_minute_after_its_session():
    fold = SpanFold()
    folded(opened(), decided("c1"), ended(Kind.SESSION_KILLED), fold=fold)
    (call,) = fold.lapse(50 * MS + 60 * S)
    assert (call.ok, call.end_ns) == (False, 50 * MS)
    assert call.error.startswith("unreported")
    assert folded(finished("c1"), fold=fold) == []


def test_a_session_that_is_killed_after_its_end_has_one_root():
    again = ended(Kind.SESSION_KILLED, 60 * MS, came_from="ended")
    assert len(folded(opened(), ended(), again)) == 1
    assert folded(again) == []


LOST_CALL = record(Kind.TOOL_CALL_FINISHED, 5, body={"hold_id": "h1", "outcome": "unknown"})


def test_a_model_call_that_a_crash_took_is_an_error_and_a_tool_call_is_awaited():
    body = {"hold_id": "h2", "outcome": "unknown"}
    model = record(Kind.MODEL_CALL_SETTLED, 5, cost_nusd=9, body=body)
    (chat,) = folded(LOST_CALL, model)
    assert (chat.ok, chat.name) == (False, "chat")
    assert chat.attributes["holdfast.cost_nusd"] == 9
    assert chat.attributes["holdfast.agent"] == "desk"


def after_a_crash(*records, over=(), lost=(LOST_CALL,)):
    """A fold of the server that came after the crash, told of what was open in the session."""
    fold = SpanFold()
    assert folded(*lost, fold=fold) == []
    assert fold.recall(records, frozenset(over)) == []
    return fold


def test_a_call_that_lived_over_a_crash_is_the_same_span_as_without():
    (whole,) = [s for s in folded(opened(), decided("c1"), finished("c1")) if s.name != "chat"]
    fold = after_a_crash(opened(), decided("c1"))
    assert folded(finished("c1"), fold=fold) == [whole]
    failed = finished("c1", ok=False, error="on fire")
    (told,) = folded(failed, fold=after_a_crash(opened(), decided("c1")))
    assert (told.ok, told.error, told.name) == (False, "tool_error: on fire", "execute_tool look")


def test_over_a_crash_a_session_has_its_whole_root():
    before = (opened(at_ns=3, body={"delegated_by": "above", "root": "above"}), settled(turn=4))
    fold = after_a_crash(*before)
    (root,) = folded(ended(), fold=fold)
    assert root == folded(*before, ended())[-1]
    assert (root.start_ns, root.attributes["holdfast.turn"]) == (3, 4)


def test_what_was_over_before_a_crash_has_no_second_span():
    fold = after_a_crash(opened(), over=["c1"])
    never = record(Kind.TOOL_RESULT_REPLACED, call_id="c1", tool="look", turn=1)
    assert folded(never, fold=fold) == []


def test_a_session_that_is_known_learns_nothing_by_being_read_again():
    fold = SpanFold()
    folded(opened(), decided("c1"), finished("c1"), decided("c2"), fold=fold)
    assert fold.recall([opened(), decided("c1")], frozenset()) == []
    assert folded(finished("c1"), fold=fold) == []
    assert len(folded(finished("c2"), fold=fold)) == 1


@pytest.mark.parametrize("below", [False, True])
def test_a_call_that_died_in_a_kill_has_its_span_with_the_receipt(below):
    fold = SpanFold()
    folded(opened(), decided("c1"), decided("c2"), fold=fold)
    folded(ended(Kind.SESSION_KILLED), finished("c2", at_ns=51 * MS), fold=fold)
    child = {"session_id": "s", "agent": "desk", "state": "killed", "streams": 0, "processes": 1}
    body = {"children": [{**child, "ok": True, "detail": ""}]} if below else {}
    receipt = record(Kind.KILL_RECEIPT, 52 * MS, session="top" if below else "s", body=body)
    (call,) = folded(receipt, fold=fold)
    assert (call.ok, call.end_ns, call.name) == (False, 50 * MS, "execute_tool look")
    assert call.error.startswith("unreported")
    assert folded(receipt, finished("c1"), fold=fold) == []
    assert fold.lapse(2**62) == []


@given(data=st.data())
def test_every_call_has_one_span_wherever_the_server_crashed(data):
    """At any point between two records, any number of times; each is told what was open."""
    fates = data.draw(st.lists(st.sampled_from(["finish", "fail", "deny", "silent"]), max_size=8))
    records = [opened()]
    for number, fate in enumerate(fates):
        records.append(decided(f"c{number}", "deny" if fate == "deny" else "allow"))
    for number, fate in enumerate(fates):
        if fate in ("finish", "fail"):
            records.append(finished(f"c{number}", ok=fate == "finish"))
    records += [ended(Kind.SESSION_KILLED), record(Kind.KILL_RECEIPT, 60 * MS)]
    crashes = data.draw(st.sets(st.integers(1, len(records) - 2), max_size=4))
    fold, spans = SpanFold(), []
    for at, one in enumerate(records):
        if at in crashes:
            over = {r.call_id for r in records[:at] if r.kind is Kind.TOOL_CALL_FINISHED}
            over |= {r.call_id for r in records[:at] if r.verdict == "deny"}
            fold = after_a_crash(*(r for r in records[:at] if r.call_id not in over), over=over)
        spans += fold.see(one)
    everything = [span for span in spans if span.name == "execute_tool look"]
    assert len(everything) == len(fates) == len({span.span_id for span in everything})
    oks = {span.attributes["gen_ai.tool.call.id"]: span.ok for span in everything}
    assert oks == {f"c{n}": fate == "finish" for n, fate in enumerate(fates)}


@pytest.mark.parametrize(
    "why", ["cut: budget_exceeded: no room", "abandoned", "broken: the provider ended"]
)
def test_an_answer_that_was_cut_is_a_span_with_an_error(why):
    (chat,) = folded(opened(), settled(ended=why))
    assert (chat.ok, chat.error) == (False, why)
    assert chat.attributes["error.type"] == why.partition(":")[0]


def test_a_refused_model_call_is_a_span_with_an_error():
    refused = record(Kind.MODEL_CALL_REFUSED, 5, turn=2, body={"model": "m", "why": "upstream_529"})
    (chat,) = folded(opened(), refused)
    assert (chat.error, chat.span_id) == ("refused: upstream_529", turn_id("s", 2))


def test_records_of_no_session_and_of_other_kinds_make_no_span():
    assert folded(record(Kind.SERVER_STARTED, session=""), record(Kind.HOOK_RAN)) == []
    assert folded(record(Kind.AUTH_REFUSED)) == []


def test_very_many_sessions_are_let_go_oldest_first_with_their_calls():
    fold = SpanFold()
    folded(opened(session="first"), fold=fold)
    call = decided("c1")
    folded(
        Record(**{f: getattr(call, f) for f in call.__struct_fields__} | {"session": "first"}),
        fold=fold,
    )
    spans = folded(*(opened(session=f"s{n}") for n in range(10_000)), fold=fold)
    assert [span.attributes["gen_ai.tool.call.id"] for span in spans] == ["c1"]


FATES = st.sampled_from(["finish", "fail", "deny", "ask", "admit", "never", "server", "silent"])


@given(fates=st.lists(FATES, max_size=30), kind=st.sampled_from(["ended", "killed", "stopped"]))
def test_every_call_has_exactly_one_span_whatever_becomes_of_it(fates, kind):
    fold, spans = SpanFold(), []
    spans += folded(opened(), fold=fold)
    late = []
    for number, fate in enumerate(fates):
        call_id = f"c{number}"
        flat = {"call_id": call_id, "tool": "look", "turn": 1}
        if fate == "never":
            entries = [record(Kind.TOOL_RESULT_REPLACED, **flat)]
        elif fate == "server":
            entries = [record(Kind.TOOL_USE_EMITTED, body={"state": "server"}, **flat)]
        elif fate in ("deny", "ask"):
            entries = [decided(call_id, fate)]
        else:
            entries = [decided(call_id)]
        if fate in ("finish", "fail"):
            late.append(finished(call_id, ok=fate == "finish"))
        if fate == "admit":
            late.append(record(Kind.TOOL_RESULT_ADMITTED, **flat))
        spans += folded(*entries, fold=fold)
    half = len(late) // 2
    spans += folded(*late[:half], ended(Kind(f"session.{kind}")), *late[half:], fold=fold)
    spans += fold.lapse(2**62)
    found = [s.attributes["gen_ai.tool.call.id"] for s in spans if s.name != "invoke_agent desk"]
    assert sorted(found) == sorted(f"c{n}" for n in range(len(fates)))
    assert len({span.span_id for span in spans}) == len(spans)
    assert sum(span.parent_id == 0 for span in spans) == 1


def test_a_child_hangs_below_the_call_that_started_it_in_the_trace_of_the_top():
    def born(session, above, call_id=""):
        body = {"delegated_by": above, "root": "s", "by_call": call_id}
        return record(Kind.SESSION_OPENED, session=session, body=body)

    def over(session):
        body = {"reason": "done", "from": "active"}
        return record(Kind.SESSION_ENDED, 50 * MS, session=session, body=body)

    fold = SpanFold()
    folded(opened(), born("c", "s", "d1"), born("g", "c"), fold=fold)
    call = record(Kind.TOOL_USE_EMITTED, session="g", call_id="x", body={"state": "server"})
    below, grandchild, child, top = folded(call, over("g"), over("c"), over("s"), fold=fold)
    assert {span.trace_id for span in (below, grandchild, child, top)} == {trace_id("s")}
    assert below.parent_id == grandchild.span_id
    assert grandchild.parent_id == child.span_id
    assert child.parent_id == call_span_id("s", "d1")
    assert top.parent_id == 0
