"""A session's rows by turn: every field of every kind of row, whatever came of the call."""

from typing import Any

import pytest

from holdfast.core.turns import RECORDED, SHOWN_CHARACTERS, TurnFold
from holdfast.model.events import Kind, Record
from holdfast.model.views.turns import TurnRecord

MS = 1_000_000
MOST = SHOWN_CHARACTERS


def record(kind, at_ms=10, **more):
    given: dict[str, Any] = {"session": "s", "turn": 2, "body": {}} | more
    return Record(kind=kind, at_ns=at_ms * MS, **given)


def rows(*records):
    fold = TurnFold()
    for one in records:
        fold.see(one)
    return fold.rows()


USAGE = {"input_tokens": 1, "cache_read_tokens": 20, "output_tokens": 7}


def settled(turn=2, **body):
    told = {"usage": USAGE, "duration_ms": 4, "model": "opus", "ended": "complete",
            "stop_reason": "end_turn"}  # fmt: skip
    return record(Kind.MODEL_CALL_SETTLED, cost_nusd=9, turn=turn, body=told | body)


def model(outcome="end_turn", **more):
    return TurnRecord(
        turn=2, at_ns=6 * MS, kind="model", outcome=outcome, approved=True, ms=4, cost_nusd=9,
        model="opus", input_tokens=21, output_tokens=7, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({}, "end_turn"),
        ({"ended": "cut"}, "cut"),
        ({"outcome": "unknown"}, "unknown: the server ended before the provider's usage came"),
        ({"ended": "x" * (MOST + 1)}, "x" * MOST),
    ],
)
def test_a_model_call_is_a_row_with_all_that_was_settled(body, outcome):
    assert rows(settled(**body)) == [model(outcome)]


def test_a_prompt_stands_in_the_row_of_the_call_that_follows_it_alone():
    prompt = record(Kind.PROMPT_SUBMITTED, body={"text": "p" * (MOST + 1)})
    first, second = rows(prompt, settled(), settled(turn=3))
    assert (first.input, second.input) == ("p" * MOST, "")


def test_a_refused_model_call_is_a_row_of_its_own_reason():
    refused = record(Kind.MODEL_CALL_REFUSED, body={"why": "no money", "model": "opus"})
    assert rows(refused) == [
        TurnRecord(
            turn=2, at_ns=10 * MS, kind="model", outcome="refused: no money", approved=False,
            model="opus",
        )
    ]  # fmt: skip
    assert len(rows(refused, settled())) == 1
    assert len(rows(settled(hold_id="h"), settled(hold_id="i"))) == 2


CALL: dict[str, Any] = {"call_id": "c", "tool": "pay"}
EMITTED = record(Kind.TOOL_USE_EMITTED, **CALL)


def decided(verdict="allow", **body):
    told = {"arguments": {"a": "b"}, "reasons": []} | body
    return record(
        Kind.TOOL_CALL_DECIDED, 20, verdict=verdict, decision_id="d", risk="HIGH", body=told, **CALL
    )


def tool(outcome, **more):
    given: dict[str, Any] = {"at_ns": 20 * MS, "approved": True, "decision_id": "d", "input": '{"a":"b"}',
             "risk": "HIGH", "verdict": "allow"} | more  # fmt: skip
    given.setdefault("status", 200 if given["approved"] else 403)
    return TurnRecord(turn=2, kind="tool", outcome=outcome, **CALL, **given)


def test_a_call_that_nobody_decided_is_undecided_or_the_providers():
    assert rows(EMITTED) == [
        TurnRecord(turn=2, at_ns=10 * MS, kind="tool", outcome="undecided", approved=False, **CALL)
    ]
    at_server = record(Kind.TOOL_USE_EMITTED, body={"state": "server"}, **CALL)
    assert rows(at_server) == [
        TurnRecord(
            turn=2, at_ns=10 * MS, kind="tool", outcome="run by the provider", approved=True, **CALL
        )
    ]


@pytest.mark.parametrize(
    ("reason", "outcome", "rule"),
    [
        ({"code": "c", "text": "t", "rule": "r"}, "refused: c: t", "r"),
        ({"code": "c"}, "refused: c", ""),
        ({"text": "x" * MOST}, ("refused: " + "x" * MOST)[:MOST], ""),
        (None, "refused", ""),
    ],
)
@pytest.mark.parametrize("verdict", ["deny", "ask"])
def test_a_refused_call_says_code_words_and_rule(verdict, reason, outcome, rule):
    reasons = [] if reason is None else [reason | {"verdict": verdict}]
    assert rows(EMITTED, decided(verdict, reasons=reasons)) == [
        tool(outcome, approved=False, verdict=verdict, rule=rule)
    ]


def finished(**body):
    return record(Kind.TOOL_CALL_FINISHED, 30, cost_nusd=5, body=body, **CALL)


@pytest.mark.parametrize(
    ("records", "row"),
    [
        ([], tool("unreported")),
        (
            [finished(ok=True, output="o" * (MOST + 1), duration_ms=3)],
            tool("done", output="o" * MOST, ms=3, cost_nusd=5),
        ),
        ([finished(ok=False)], tool("failed: ", cost_nusd=5)),
        ([finished(error="e" * MOST)], tool(("failed: " + "e" * MOST)[:MOST], cost_nusd=5)),
        (
            [record(Kind.TOOL_RESULT_ADMITTED, 33, **CALL)],
            tool("unreported, but its result came", ms=13),
        ),
        (
            [record(Kind.TOOL_RESULT_ADMITTED, 13, **CALL)],
            tool("unreported, but its result came", ms=0),
        ),
        (
            [finished(ok=True), record(Kind.TOOL_RESULT_ADMITTED, 33, **CALL)],
            tool("done", cost_nusd=5),
        ),
        ([record(Kind.TOOL_RESULT_REPLACED, 33, **CALL)], tool("never ran")),
        (
            [record(Kind.RUN_TOOL_ANSWERED, body={"content": "k" * (MOST + 1)}, **CALL)],
            tool("unreported", output="k" * MOST),
        ),
        (
            [
                finished(ok=True, output="first"),
                record(Kind.RUN_TOOL_ANSWERED, body={"content": "second"}, **CALL),
            ],
            tool("done", output="first", cost_nusd=5),
        ),
    ],
)
def test_an_allowed_call_says_what_came_of_it(records, row):
    assert rows(EMITTED, decided(), *records) == [row]


def test_rows_stand_by_turn_the_model_call_before_the_calls_it_asked_for():
    late = record(Kind.TOOL_USE_EMITTED, turn=3, call_id="z", tool="look")
    got = rows(EMITTED, settled(), late, settled(turn=3), settled(turn=1))
    assert [(row.turn, row.kind) for row in got] == [
        (1, "model"), (2, "model"), (2, "tool"), (3, "model"), (3, "tool"),
    ]  # fmt: skip


def test_a_record_without_a_turn_stands_at_the_turn_it_came_in():
    left = record(Kind.TOOL_CALL_FINISHED, turn=0, call_id="x", tool="look")
    got = rows(settled(), left, settled(turn=3))
    assert [(row.turn, row.kind) for row in got] == [(2, "model"), (0, "tool"), (3, "model")]


def test_refusals_without_a_call_are_rows_of_their_own_and_other_records_none():
    nameless = record(Kind.TOOL_CALL_DECIDED, verdict="deny", tool="web_search")
    assert len(rows(nameless, nameless)) == 2
    assert rows(record(Kind.TOOL_CALL_FINISHED, tool="x")) == []
    for kind in set(Kind) - set(RECORDED):
        assert rows(record(kind, call_id="c", verdict="deny", body={"text": "x"})) == []
