"""What people, models and clients are told in fixed words: alerts, denials, hooks, edits, places."""

from datetime import UTC

import pytest

from holdfast.core import hook_outputs
from holdfast.core.alerts import alert_of
from holdfast.core.claude_cli import embedded, runs_without_hooks
from holdfast.core.conversations import (
    MAX_NAME_BYTES,
    digest_of,
    refusal,
    shape_refusal,
    version_after,
)
from holdfast.core.cover import Cover
from holdfast.core.denials import denial_text, withheld_text
from holdfast.core.edits import Edits
from holdfast.core.place import Place, absolute, folder_fault
from holdfast.core.stream import Metered
from holdfast.core.wire.splicing import Change
from holdfast.model.decisions import Decision, Reason, Verdict
from holdfast.model.events import Kind, Record
from holdfast.model.notices import Notice
from holdfast.model.risk import RiskLevel

# ---- alerts ----------------------------------------------------------------------------------


def record(kind, **body):
    return Record(
        kind=kind, at_ns=7, tenant="acme", project="shop", user="ann", agent="desk", session="s",
        body=body,
    )  # fmt: skip


TOLD = {
    Kind.APPROVAL_ASKED,
    Kind.APPROVAL_DELEGATED,
    Kind.APPROVAL_ESCALATED,
    Kind.APPROVAL_EXPIRED,
    Kind.BUDGET_ALERT,
    Kind.BUDGET_OVERSHOT,
    Kind.CONTEXT_ALERT,
    Kind.EVIDENCE_MISSING,
    Kind.RISK_NOTICE,
    Kind.SESSION_ENDING,
    Kind.SESSION_KILLED,
    Kind.STOP_LIFTED,
    Kind.STOP_PLACED,
}


def test_only_these_kinds_are_told_whatever_they_say():
    assert {kind for kind in Kind if alert_of(record(kind), UTC)} == TOLD


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        (Kind.LOOP_ALERT, {"stops": True}, True),
        (Kind.LOOP_ALERT, {"stops": False}, False),
        (Kind.MODEL_CALL_SETTLED, {"doubts": ["x"]}, True),
        (Kind.MODEL_CALL_SETTLED, {"doubts": []}, False),
        (Kind.MODEL_CALL_SETTLED, {"stops": True}, False),
        (Kind.LOOP_ALERT, {"doubts": ["x"]}, False),
        (Kind.KILL_RECEIPT, {"levers": [{"ok": True}]}, False),
        (Kind.KILL_RECEIPT, {"levers": [{"ok": True}, {"ok": False}]}, True),
        (Kind.KILL_RECEIPT, {"levers": [{}]}, True),
        (Kind.KILL_RECEIPT, {"levers": ["x"]}, False),
        (Kind.KILL_RECEIPT, {"levers": None}, False),
        (Kind.SESSION_PAUSED, {"account": "session:a/s:usd:life"}, True),
        (Kind.SESSION_PAUSED, {"account": ""}, False),
        (Kind.SESSION_STOPPED, {"levers": [{}], "stops": True, "doubts": [1]}, False),
    ],
)
def test_some_are_told_for_what_they_say(kind, body, told):
    assert (alert_of(record(kind, **body), UTC) is not None) is told


def test_a_message_says_whose_it_is_and_the_record_in_full():
    assert alert_of(record(Kind.SESSION_KILLED, by="admin"), UTC) == Notice(
        kind="session.killed",
        text="1970-01-01 00:00:00 the session was killed by admin",
        tenant="acme",
        project="shop",
        user="ann",
        agent="desk",
        session="s",
        at_ns=7,
        fields={"by": "admin"},
    )


# ---- denials ---------------------------------------------------------------------------------


def reason(verdict=Verdict.DENY, stage="risk", rule=""):
    return Reason(stage=stage, verdict=verdict, code="the.code", text="why not", rule=rule)


def decision(verdict, *reasons):
    return Decision(
        decision_id="dec_1", session="s", call_id="c", tool="t", digest="d", verdict=verdict,
        reasons=reasons, risk=RiskLevel.LOW, policy_version="", at_ns=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "code"),
    [(stage, "the.code") for stage in ("hook", "budget", "loop", "contract", "live", "policy", "effect")]
    + [(stage, "permission_denied") for stage in ("risk", "flow", "gate", "novel")],
)  # fmt: skip
def test_a_denial_names_its_code_where_its_stage_has_codes_of_its_own(stage, code):
    told = decision(Verdict.DENY, reason(stage=stage))
    assert denial_text(told) == f"{code}: why not [dec_1]"
    ruled = decision(Verdict.DENY, reason(stage=stage, rule="r1"))
    assert denial_text(ruled) == f"{code}: why not (rule r1) [dec_1]"


def test_what_waits_for_a_person_says_so_and_a_denial_without_a_reason_is_one():
    asked = decision(Verdict.ASK, reason(Verdict.ASK, stage="policy"))
    assert denial_text(asked) == "approval_required: why not [dec_1]"
    assert denial_text(decision(Verdict.DENY)) == "permission_denied: refused [dec_1]"


def test_a_result_is_withheld_in_the_words_of_the_first_hook_that_objects():
    allow, deny = reason(Verdict.ALLOW, rule="r0"), reason(Verdict.DENY, rule="r1")
    later = Reason(stage="hook", verdict=Verdict.DENY, code="later", text="x", rule="r2")
    assert withheld_text([allow, deny, later], "dec_1") == (
        "the.code: this call was made, and its result is withheld: why not (rule r1) [dec_1]"
    )
    assert withheld_text([allow], "dec_1") == withheld_text([], "dec_1") == ""


# ---- answers to hooks --------------------------------------------------------------------------

DENIED = {
    "hookSpecificOutput": {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": "no",
    }
}
HALTED = {"continue": False, "stopReason": "no"}
BLOCKED = {"decision": "block", "reason": "no"}


def test_answers_to_hooks_are_spelt_as_the_cli_reads_them():
    allowed = {"hookEventName": "PreToolUse", "permissionDecision": "allow"}
    assert hook_outputs.nothing() == {}
    assert hook_outputs.allow() == {"hookSpecificOutput": allowed}
    assert hook_outputs.allow({}) == {"hookSpecificOutput": allowed | {"updatedInput": {}}}
    assert hook_outputs.deny("no") == DENIED
    assert hook_outputs.halt("no") == HALTED
    assert hook_outputs.block("no") == BLOCKED
    assert hook_outputs.over("PreToolUse", "no") == DENIED
    assert hook_outputs.over("Stop", "no") == {}
    shown = {"hookEventName": "PostToolUse", "updatedMCPToolOutput": 1}
    assert hook_outputs.replace_output(1, mcp=True) == {"hookSpecificOutput": shown}
    shown = {"hookEventName": "PostToolUse", "updatedToolOutput": 1}
    assert hook_outputs.replace_output(1, mcp=False) == {"hookSpecificOutput": shown}


@pytest.mark.parametrize(
    ("event", "answer"),
    [("PreToolUse", DENIED), ("UserPromptSubmit", BLOCKED), ("PreCompact", BLOCKED),
     ("PostToolUse", HALTED), ("novel", HALTED), ("", HALTED | BLOCKED)],
)  # fmt: skip
def test_each_event_is_refused_by_what_holds_there(event, answer):
    assert hook_outputs.refuse(event, "no") == answer


def test_a_reason_is_bounded_and_never_missing():
    assert hook_outputs.block("x" * 2_001)["reason"] == "x" * 2_000
    assert hook_outputs.block("")["reason"] == "refused by holdfast"


@pytest.mark.parametrize(
    ("original", "replacement", "fits"),
    [
        ({"a": "x"}, {"a": "y"}, True),
        ({"a": "x"}, {"a": 1}, False),
        ({"a": "x"}, {}, False),
        ({"a": "x"}, {"a": "y", "b": 1}, False),
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, True),
        ({"a": {"b": "x"}}, {"a": "b"}, False),
        ([1, "x"], [2, "y"], True),
        ([1], [1, 2], False),
        ([1], ["x"], False),
        ([1], {"a": 1}, False),
        ("x", "y", True),
        ("x", None, False),
        (1, 2, True),
        (1, "2", False),
    ],
)
def test_a_replacement_fits_where_it_has_the_shape_of_what_it_replaces(original, replacement, fits):
    assert hook_outputs.fits(original, replacement) is fits


# ---- edits, cover, places ------------------------------------------------------------------------


def test_edits_leave_a_body_alone_only_where_nothing_of_it_is_changed():
    assert Edits().leaves_body()
    assert Edits(betas="x").leaves_body()
    for changed in (
        Edits(model="m"), Edits(max_tokens=1), Edits(contents=((0, 0, "x"),)),
        Edits(changes=(Change(("a",)),)), Edits(removed=(Change(("a",)),)),
    ):  # fmt: skip
        assert not changed.leaves_body()


def test_edits_are_made_in_order_what_is_removed_first():
    body = b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"x"},{"type":"tool_result","content":"a"}]}],"k":1,"g":2}'
    edits = Edits(
        model="n",
        max_tokens=3,
        contents=((0, 0, "new"),),
        changes=(Change(("k",), 7),),
        removed=(Change(("messages", 0, "content", 0)), Change(("g",))),
    )
    assert edits.applied(body) == (
        b'{"model":"n","max_tokens":3,"messages":[{"role":"user","content":[{"type":"tool_result",'
        b'"content":"new","is_error":true}]}],"k":7}'
    )
    assert Edits().applied(body) == body


def test_betas_go_into_the_headers_only_where_they_are_given():
    given = {"anthropic-beta": "old", "X": "y"}
    assert Edits().headed(given) is given
    assert Edits(betas="new").headed(given) == {"x": "y", "anthropic-beta": "new"}
    assert Edits(betas="").headed(given) == {"x": "y"}


def metered(output_bytes, deltas=0):
    meter = Metered(cached_1h=False)
    meter.output_bytes, meter.deltas = output_bytes, deltas
    return meter


def cover(held=100):
    return Cover(held_tokens=held, in_flight_tokens=20, most_tokens=150)


@pytest.mark.parametrize(
    ("held", "seen", "deltas", "ahead", "overrun", "wanted"),
    [
        (100, 80, 0, True, False, 20),
        (100, 81, 0, False, False, 20),
        (100, 100, 0, False, False, 20),
        (100, 101, 0, False, False, 21),
        (100, 149, 0, False, False, 50),
        (149, 140, 0, False, False, 1),
        (150, 999, 0, True, False, 0),
        (151, 999, 0, True, False, 0),
        (150, 0, 150, True, False, 0),
        (150, 0, 151, False, True, 0),
        (0, 0, 0, False, False, 20),
    ],
)
def test_a_hold_stays_a_tranche_ahead_of_what_was_seen(held, seen, deltas, ahead, overrun, wanted):
    one, meter = cover(held), metered(seen, deltas)
    assert (one.is_ahead(meter), one.is_overrun(meter), one.wanted(meter)) == (
        ahead,
        overrun,
        wanted,
    )
    assert (one.possible(10), one.possible(0)) == (max(min(10, 150 - held), 0), 0)


@pytest.mark.parametrize(
    ("folder", "fault"),
    [
        ("", ""),
        ("/a", ""),
        ("/", ""),
        ("a", "the folder of a session is an absolute path"),
        ("/a\n", "the folder of a session is an absolute path"),
        ("/" + "a" * 4_095, ""),
        ("/" + "a" * 4_096, "the folder of a session is an absolute path"),
        ("/a/", "the folder of a session is written without `.`, `..` and `/` at its end"),
        ("/a/../b", "the folder of a session is written without `.`, `..` and `/` at its end"),
    ],
)
def test_a_folder_has_one_absolute_spelling(folder, fault):
    assert folder_fault(folder) == fault


def test_a_path_is_taken_from_the_folder_unless_it_begins_elsewhere():
    place = Place(folder="/f")
    told = [absolute(path, place) for path in ("a/./b", "/x/../y", "~/k", "../z")]
    assert told == ["/f/a/b", "/y", "~/k", "/z"]


# ---- conversations, versions of the client ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "ttl_s", "passes"),
    [("n", 1, True), ("n" * 256, 1, True), ("n" * 257, 1, False), ("é" * 128, 1, True),
     ("é" * 128 + "n", 1, False), ("", 1, False), ("a\n", 1, False), ("n", 0, False),
     ("n", 366 * 86_400, True), ("n", 366 * 86_400 + 1, False)],
)  # fmt: skip
def test_a_conversation_has_a_short_printable_name_and_an_end(name, ttl_s, passes):
    assert (refusal(name, ttl_s) == "") is passes
    if not passes:
        assert ("bytes of printable text" in refusal(name, ttl_s)) is (ttl_s == 1)
    assert str(MAX_NAME_BYTES) in refusal("", 1)


@pytest.mark.parametrize(
    ("messages", "metadata", "text"),
    [
        (b" [1]", b"\n{}", ""),
        (b"{}", b"{}", "the messages of a conversation are a list"),
        (b"", b"{}", "the messages of a conversation are a list"),
        (b"[]", b"[]", "the metadata of a conversation is an object"),
        (b"[]", b"", "the metadata of a conversation is an object"),
    ],
)
def test_a_conversation_is_a_list_with_an_object_beside_it(messages, metadata, text):
    assert shape_refusal(messages, metadata) == text


def test_versions_rise_and_never_fall_behind_the_time():
    assert version_after(5, 3_000_000) == 6
    assert version_after(5, 6_999_999) == 6
    assert version_after(5, 7_000_000) == 7
    assert digest_of(b"a", b"b") != digest_of(b"a\nb", b"") != digest_of(b"", b"a\nb")


@pytest.mark.parametrize(
    ("agent", "without", "inside"),
    [
        ("claude-cli/2.1.295 (external)", False, False),
        ("claude-cli/2.1.294", True, False),
        ("claude-cli/2.1.296", False, False),
        ("claude-cli/2.2.0", False, False),
        ("claude-cli/2.0.999", True, False),
        ("claude-cli/1.9.999", True, False),
        ("claude-cli/3.0.0", False, False),
        ("claude-cli/2.1.295-beta.1", True, False),
        ("claude-cli/2.1.296-beta.1 x", False, False),
        (" Claude-CLI/2.1.296", True, False),
        ("claude-cli/2.1.296x", True, False),
        ("claude-cli/2.1.2960000", True, False),
        ("claude-cli", True, False),
        ("anthropic/1.0", False, False),
        ("", False, False),
        ("claude-cli/2.1.296 (sdk-py, agent)", False, True),
        ("claude-cli/2.1.296 (sdk-ts)", False, True),
        ("claude-cli/2.1.296 (sdk-pyx)", False, False),
    ],
)
def test_a_client_that_goes_on_without_its_hooks_is_known_by_its_version(agent, without, inside):
    assert (runs_without_hooks(agent), embedded(agent)) == (without, inside)
