"""The turn record: a row for each model call and tool call, whatever became of it."""

import pytest

from holdfast.core.turns import RECORDED, TurnFold
from holdfast.model.events import Kind, Record

MS = 1_000_000


def record(kind, body=None, at_ns=10 * MS, **flat):
    return Record(kind=kind, at_ns=at_ns, session="s", tenant="acme", body=body or {}, **flat)


def emitted(call_id, turn=1, state="emitted"):
    return record(Kind.TOOL_USE_EMITTED, {"state": state}, call_id=call_id, tool="look", turn=turn)


def decided(call_id, verdict="allow", turn=1, **body):
    given = {"arguments": {"order": "A1"}, "reasons": []} | body
    flat = {"call_id": call_id, "tool": "look", "turn": turn}
    return record(
        Kind.TOOL_CALL_DECIDED, given, verdict=verdict, risk="LOW", decision_id="dec_1", **flat
    )


def finished(call_id, turn=1, **body):
    given = {"ok": True, "output": '"hi"', "duration_ms": 15} | body
    return record(Kind.TOOL_CALL_FINISHED, given, call_id=call_id, tool="look", turn=turn)


def settled(turn=1, cost_nusd=700, **body):
    usage = {"input_tokens": 3, "cache_read_tokens": 4, "output_tokens": 5}
    given = {"model": "m", "usage": usage, "stop_reason": "tool_use", "ended": "complete"}
    given |= {"duration_ms": 8} | body
    return record(Kind.MODEL_CALL_SETTLED, given, turn=turn, cost_nusd=cost_nusd)


def rows(*records):
    fold = TurnFold()
    for entry in records:
        fold.see(entry)
    return fold.rows()


def test_a_turn_is_its_model_call_and_the_tool_calls_it_asked_for():
    prompt = record(Kind.PROMPT_SUBMITTED, {"text": "where is my order?"})
    model, tool = rows(prompt, emitted("c1"), decided("c1"), settled(), finished("c1"))
    assert (model.kind, model.turn, model.model, model.outcome) == ("model", 1, "m", "tool_use")
    assert (model.input, model.input_tokens, model.output_tokens) == ("where is my order?", 7, 5)
    assert (model.ms, model.cost_nusd, model.at_ns) == (8, 700, 2 * MS)
    assert (tool.kind, tool.turn, tool.tool, tool.call_id) == ("tool", 1, "look", "c1")
    assert (tool.input, tool.output, tool.risk) == ('{"order":"A1"}', '"hi"', "LOW")
    assert (tool.approved, tool.verdict, tool.outcome, tool.ms) == (True, "allow", "done", 15)


def test_rows_stand_by_turn_however_late_their_records_came():
    found = rows(
        *(emitted("a"), settled(1), emitted("b", 2), settled(2)),
        *(decided("b", turn=2), decided("a"), finished("a")),
    )
    assert [(row.turn, row.kind) for row in found] == [
        (1, "model"),
        (1, "tool"),
        (2, "model"),
        (2, "tool"),
    ]


@pytest.mark.parametrize("verdict", ["deny", "ask"])
def test_a_refused_call_says_who_refused_it(verdict):
    other = {"verdict": "allow", "code": "x", "text": "y", "rule": "z"}
    why = {"verdict": verdict, "code": "permission_denied", "text": "not yours", "rule": "r1"}
    [row] = rows(emitted("c1"), decided("c1", verdict, reasons=[other, why]))
    assert (row.approved, row.verdict, row.rule, row.status) == (False, verdict, "r1", 403)
    assert row.outcome == "refused: permission_denied: not yours"


@pytest.mark.parametrize(
    ("records", "outcome", "approved"),
    [
        ([emitted("c1")], "undecided", False),
        ([emitted("c1", state="server")], "run by the provider", True),
        ([decided("c1")], "unreported", True),
        (
            [decided("c1"), finished("c1", ok=False, error="no such order")],
            "failed: no such order",
            True,
        ),
        ([emitted("c1"), record(Kind.TOOL_RESULT_REPLACED, call_id="c1")], "never ran", False),
        (
            [decided("c1"), record(Kind.TOOL_RESULT_ADMITTED, call_id="c1")],
            "unreported, but its result came",
            True,
        ),
        (
            [decided("c1"), finished("c1"), record(Kind.TOOL_RESULT_ADMITTED, call_id="c1")],
            "done",
            True,
        ),
    ],
)
def test_every_fate_of_a_call_is_one_row(records, outcome, approved):
    [row] = rows(*records)
    assert (row.outcome, row.approved) == (outcome, approved)


def test_texts_are_cut():
    [row] = rows(decided("c1", arguments={"x": "y" * 9000}), finished("c1", output="z" * 9000))
    assert (len(row.input), len(row.output)) == (2000, 2000)


def test_a_cut_a_refused_and_a_lost_model_call_are_rows_and_all_money_is_in_them():
    lost = record(Kind.MODEL_CALL_SETTLED, {"hold_id": "h", "outcome": "unknown"}, cost_nusd=5)
    refused = record(Kind.MODEL_CALL_REFUSED, {"model": "m", "why": "upstream_529"}, turn=2)
    found = rows(settled(1, ended="cut: no room"), refused, lost, settled(3))
    assert [(row.turn, row.outcome.partition(":")[0]) for row in found] == [
        (1, "cut"),
        (2, "refused"),
        (0, "unknown"),
        (3, "tool_use"),
    ]
    assert [row.approved for row in found] == [True, False, True, True]
    assert sum(row.cost_nusd for row in found) == 1405


def test_what_a_crash_left_of_a_tool_call_adds_no_second_row():
    orphan = record(Kind.TOOL_CALL_FINISHED, {"hold_id": "h", "outcome": "unknown"})
    [row] = rows(decided("c1"), orphan)
    assert row.outcome == "unreported"


def test_a_request_refused_for_its_server_tools_is_a_row_each_time():
    refused = record(Kind.TOOL_CALL_DECIDED, {"door": "gateway"}, tool="web_search", verdict="deny")
    assert [row.tool for row in rows(refused, refused)] == ["web_search", "web_search"]


def test_other_kinds_say_nothing():
    others = [record(kind) for kind in Kind if kind not in RECORDED]
    assert rows(*others) == []
