"""A session's memory out of its records: each kind and each field, own or of a session before."""

# mypy: no-check-untyped-defs, disable-error-code="annotation-unchecked"

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from holdfast.core.flow import KEPT_OF_ONE, Given
from holdfast.model.bodies import ModelCallSettled
from holdfast.model.decisions import Verdict
from holdfast.model.events import Kind, Record
from holdfast.model.tools import ArgumentRole
from holdfast.runtime import replay as module_of
from holdfast.runtime.live import LiveSession
from holdfast.runtime.replay import BELIEVED, RELOADED, judge, replay, trust_attributes
from tests.unit.runtime.alone.desk import Desk, call

ABOUT = pytest.mark.parametrize("module", ["holdfast.runtime.replay"])


class Told:
    """Notes what is called on it, in order."""

    def __init__(self, name: str, notes: list[Any]) -> None:
        self._name, self._notes = name, notes

    def __getattr__(self, name):
        def note(*given, **named):
            self._notes.append((f"{self._name}.{name}", *given, *([named] if named else [])))

        return note


async def noted(record, *, own=True, before=None):
    """What one record does to a session: what it tells of it, and what it changes there."""
    desk: Any = Desk()
    live = await desk.open(context_alert_percent=80)
    call(live, "c1", permitted_digest="sha256:p")
    if before is not None:
        before(live)
    notes: list[Any] = []
    live.vouched = Told("vouched", notes)
    live.residue = Told("residue", notes)
    live.context = Told("context", notes)

    class Noted(LiveSession):
        __slots__ = ()

        def wrote(self, *given, **named):
            notes.append(("wrote", *given, named))

    live.__class__ = Noted
    turns = live.progress.turns
    live.progress = Told("progress", notes)
    live.progress.turns = turns
    replay(live, record, own=own)
    changed = {
        "cost": live.cost_nusd,
        "turn": live.turn,
        "turns": live.progress.turns,
        "threads": live.threads,
        "children": live.children,
        "answers": live.answers,
        "collected": live.collected,
        "fetched": live.fetched,
    }
    return notes, {name: value for name, value in changed.items() if value}


def record(kind, body=None, **flat):
    return Record(kind=kind, at_ns=7, body=body or {}, **flat)


def turn_five(live):
    live.turn = 5


def answered(live):
    live.answers = {"c1": "x" * (KEPT_OF_ONE + 1), "c2": "y"}


NOTHING: tuple[list[Any], dict[str, Any]] = ([], {})
EMPTY = ("vouched.learn", Given(text="", records={}, members=()))
GIVEN = {"given": {"records": {"what": ["a", "b"]}, "members": ["m"]}}
LEARNT = (
    "vouched.learn",
    Given(text="t", records={ArgumentRole.WHAT: ("a", "b")}, members=("m",)),
)
SETTLED = Kind.MODEL_CALL_SETTLED
DECIDED = Kind.TOOL_CALL_DECIDED
FINISHED = Kind.TOOL_CALL_FINISHED
ADMITTED = Kind.TOOL_RESULT_ADMITTED
WROTE = ("wrote", (), {"stale": False})


def decided(allowed=True, codes=(), digest=""):
    return ("progress.decided", "t", digest, {"allowed": allowed, "codes": list(codes)})


def settled(**body):
    return ModelCallSettled.read(body)


ROWS: tuple[Any, ...] = (
    # record, own, before, what it tells, what it changes
    (
        record(SETTLED, {"message_id": "m1", "thread_tokens": 9}, cost_nusd=3, turn=2),
        True,
        None,
        [("context.recorded", settled(message_id="m1", thread_tokens=9), 80)],
        {"cost": 3, "turn": 2, "turns": 1, "threads": {"m1": 9}},
    ),
    (
        record(SETTLED, {"message_id": "m1"}, cost_nusd=3, turn=2),
        False,
        None,
        [("context.carried_on", ModelCallSettled.read({"message_id": "m1"}))],
        {"threads": {"m1": 0}},
    ),
    (
        record(SETTLED, {"message_id": ""}, turn=2),
        True,
        turn_five,
        [("context.recorded", settled(message_id=""), 80)],
        {"turn": 5, "turns": 1},
    ),
    (record(Kind.MODEL_CALL_REFUSED, turn=4), True, None, [], {"turn": 4}),
    (record(Kind.MODEL_CALL_REFUSED, turn=4), True, turn_five, [], {"turn": 5}),
    (record(Kind.MODEL_CALL_REFUSED, turn=4), False, None, [], {}),
    (record(Kind.SESSION_DELEGATED, {"child": "ses_2"}), True, None, [], {"children": ["ses_2"]}),
    (record(Kind.SESSION_DELEGATED), True, None, [], {"children": [""]}),
    (record(Kind.SESSION_DELEGATED, {"child": "ses_2"}), False, None, [], {}),
    (
        record(Kind.QUERY_SENT, {"bytes": 6, "text": "a b"}),
        True,
        None,
        [("residue.hold", 6), ("residue.sent", "a b")],
        {},
    ),
    (
        record(Kind.QUERY_SENT),
        False,
        None,
        [("residue.hold", 0), ("residue.sent", "")],
        {},
    ),
    (
        record(Kind.PROMPT_SUBMITTED, {"text": "go"}),
        True,
        None,
        [("vouched.trust", "go"), ("progress.prompted",)],
        {},
    ),
    (record(Kind.PROMPT_SUBMITTED, {"text": "go"}), False, None, [("vouched.trust", "go")], {}),
    (record(Kind.PROMPT_SUBMITTED, {"vouched": True}), False, None, [("vouched.trust", "")], {}),
    (
        record(Kind.PROMPT_SUBMITTED, {"text": "go", "vouched": False}),
        True,
        None,
        [("progress.prompted",)],
        {},
    ),
    (record(Kind.PROMPT_CONFIRMED, {"text": "go"}), True, None, [("vouched.trust", "go")], {}),
    (record(Kind.PROMPT_CONFIRMED), True, None, [("vouched.trust", "")], {}),
    (
        record(Kind.RUN_TOOL_ANSWERED, {"content": "out"}, call_id="c1"),
        True,
        None,
        [],
        {"answers": {"c1": "out"}},
    ),
    (record(Kind.RUN_TOOL_ANSWERED, call_id="c1"), False, None, [], {"answers": {"c1": ""}}),
    (record(ADMITTED, tool="t"), True, None, [EMPTY], {}),
    (
        record(ADMITTED, {"taints": True, "trusted": "t", **GIVEN}, tool="t"),
        False,
        None,
        [("vouched.taint", "t"), LEARNT],
        {},
    ),
    (
        record(ADMITTED, {"trusted_answer": True, "trusted": "t"}, call_id="c1"),
        True,
        answered,
        [("vouched.learn", Given(text="x" * KEPT_OF_ONE, records={}, members=()))],
        {"answers": {"c2": "y"}},
    ),
    (
        record(ADMITTED, {"trusted": "t"}, call_id="c1"),
        True,
        answered,
        [("vouched.learn", Given(text="t", records={}, members=()))],
        {"answers": {"c2": "y"}},
    ),
    (
        record(ADMITTED, {"trusted_answer": True, "trusted": "t"}, call_id="c9"),
        True,
        None,
        [EMPTY],
        {},
    ),
    (
        record(Kind.SESSION_COLLECTED, {"digest": "d", "taints": True}, tool="t"),
        True,
        None,
        [("vouched.taint", "t")],
        {"collected": {"d": True}},
    ),
    (
        record(Kind.SESSION_COLLECTED, {"digest": "d"}),
        False,
        None,
        [],
        {"collected": {"d": False}},
    ),
    (
        record(Kind.SESSION_CONTINUED, {"taints": True}, tool="t"),
        False,
        None,
        [("vouched.taint", "t")],
        {},
    ),
    (
        record(
            DECIDED,
            {
                "arguments": {"a": 1},
                "digest": "d",
                "made": ["f"],
                "stale": True,
                "fetched": ["h"],
                "reasons": [{"code": "x", "verdict": "ask"}, {"verdict": "allow"}, {}],
            },
            call_id="c1",
            tool="t",
            verdict=Verdict.ALLOW,
        ),
        True,
        None,
        [
            ("vouched.bring", {"a": 1}),
            ("wrote", ("f",), {"stale": True}),
            ("progress.call", "t", "d", 7),
            decided(codes=("x", ""), digest="d"),
        ],
        {"fetched": {"h"}},
    ),
    (
        record(
            DECIDED,
            {"arguments": {}, "arguments_kept": False},
            call_id="c1",
            tool="t",
            verdict=Verdict.ALLOW,
        ),
        False,
        None,
        [("vouched.bring", None), WROTE],
        {},
    ),
    (
        record(DECIDED, {"arguments": {"a": 1}}, call_id="c1", tool="t", verdict=Verdict.DENY),
        True,
        None,
        [WROTE, ("progress.call", "t", "", 7), decided(allowed=False)],
        {},
    ),
    (
        record(DECIDED, {"again": True}, call_id="c1", tool="t", verdict=Verdict.DENY),
        True,
        None,
        [WROTE],
        {},
    ),
    (record(DECIDED, tool="t", verdict=Verdict.DENY), True, None, [WROTE], {}),
    (
        record(FINISHED, {"output_digest": "o", "fetched": ["h"]}, call_id="c1", tool="t"),
        True,
        None,
        [("progress.outcome", "t", "sha256:p", "o", 7)],
        {},
    ),
    (
        record(FINISHED, call_id="c1", tool="t"),
        True,
        None,
        [("progress.outcome", "t", "sha256:p", "", 7)],
        {},
    ),
    (record(FINISHED, call_id="c9", tool="t"), True, None, [], {}),
    (record(FINISHED, call_id="c1", tool="t"), False, None, [], {}),
)


@ABOUT
def test_each_record_does_to_the_memory_what_it_did_when_it_was_said(module):
    assert module == module_of.__name__

    async def main():
        for told, own, before, notes, changed in ROWS:
            found = await noted(told, own=own, before=before)
            assert found == (notes, changed), (told, own)

    asyncio.run(main())


@ABOUT
def test_what_an_operator_wrote_of_a_task_is_trusted_and_what_a_model_chose_is_not(module):
    assert module == module_of.__name__

    async def main():
        live: Any = await Desk().open(task_attributes={"a": "x", "b": ["y", 2], "c": (3,), "d": 4})
        notes: list[Any] = []
        seen: Any = SimpleNamespace(vouched=Told("vouched", notes))
        trust_attributes(seen, live.session)
        assert notes == [("vouched.trust", text) for text in ("x", "y", "2", "3", "4")]
        trust_attributes(seen, msgspec.structs.replace(live.session, delegated_by="ses_1"))
        assert len(notes) == 5
        judge(seen, record(Kind.PROMPT_CONFIRMED, {"text": "5"}))
        assert notes[-1] == ("vouched.trust", "5")

    asyncio.run(main())


@ABOUT
def test_what_is_believed_and_what_is_reloaded_are_these_kinds_in_this_order(module):
    assert module == module_of.__name__
    assert [str(kind) for kind in BELIEVED] == [
        "prompt.submitted",
        "prompt.confirmed",
        "run.tool_answered",
        "tool_result.admitted",
        "session.collected",
        "session.continued",
        "tool_call.decided",
    ]
    assert (
        Kind.SESSION_OPENED,
        Kind.MODEL_CALL_SETTLED,
        Kind.MODEL_CALL_REFUSED,
        *BELIEVED,
        Kind.SESSION_DELEGATED,
        Kind.TOOL_CALL_FINISHED,
        Kind.QUERY_SENT,
    ) == RELOADED
