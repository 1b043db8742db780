"""Every sentence of the journal, to the letter: with nothing in the record, and with all it can say."""

from datetime import UTC, timedelta, timezone

import pytest

from holdfast.core.narrate import narrate
from holdfast.model.events import Kind, Record

AT = 1_794_926_527_000_000_000  # 2026-11-17 14:42:07 UTC

BARE = {
    Kind.SERVER_STARTED: "the server started",
    Kind.FILES_UNSETTLED: (
        "session `` may have left something running that writes what others wrote in `any folder`"
    ),
    Kind.QUERY_SENT: "a query of `` carried 0 bytes that nobody typed, 0 of 0 so far",
    Kind.SESSION_OPENED: "a session of `` was opened for ``, task ``",
    Kind.SESSION_PAUSED: "the session was paused",
    Kind.SESSION_ENDING: ("the paused session is given up within a day unless somebody resumes it"),
    Kind.SESSION_RESUMED: "the session was resumed",
    Kind.SESSION_STOPPED: "the session was stopped",
    Kind.SESSION_KILLED: "the session was killed",
    Kind.SESSION_EXPIRED: "the session expired",
    Kind.SESSION_ENDED: "the session ended",
    Kind.SESSION_DELEGATED: "a child `` of `` was started",
    Kind.SESSION_COLLECTED: "the result of the child `` was taken",
    Kind.SESSION_CONTINUED: "the conversation of `` goes on here",
    Kind.KILL_RECEIPT: "the kill was acknowledged after 0.0 ms",
    Kind.STOP_PLACED: " was stopped, and nothing opens there",
    Kind.STOP_LIFTED: " was let go",
    Kind.STOP_RECEIPT: "0 sessions were stopped at once, in 0.0 ms",
    Kind.PROMPT_SUBMITTED: "the user wrote",
    Kind.PROMPT_CONFIRMED: "the model was asked with what the user typed, which vouches",
    Kind.MODEL_CALL_REFUSED: "a model call was refused",
    Kind.MODEL_CALL_COUNTED: "within a minute 0 free requests went to the provider",
    Kind.MODEL_CALL_CUT: "a model call was cut",
    Kind.MODEL_CALL_SETTLED: "a model call to `a model` was settled at 0 tokens in and 0 out",
    Kind.TOOL_USE_EMITTED: "the model asked to call ``",
    Kind.TOOL_CALL_DECIDED: "the call of `` was decided",
    Kind.TOOL_CALL_LIMITED: (
        "0 tool calls were refused within a second, since the tenant `` asked for more than are"
        " decided"
    ),
    Kind.MODEL_CALL_LIMITED: "0 model calls were refused within a second for the rate of the tenant ``",
    Kind.TOOL_CALL_FINISHED: "the call of `` failed after 0 ms",
    Kind.TOOL_RESULT_ADMITTED: "the first-party result of `` reached the model",
    Kind.TOOL_RESULT_REPLACED: "the result of `` was replaced",
    Kind.EVIDENCE_MISSING: "a result of `a tool` came without a permit",
    Kind.EVIDENCE_REFUSED: "a history was refused for a call of `a tool`",
    Kind.PERMIT_REFUSED: "a permit for `a tool` was refused",
    Kind.HOOK_RAN: "a hook point was reached",
    Kind.BUDGET_DECIDED: "a a call was reserved on its budgets",
    Kind.BUDGET_ALERT: "`` reached 0 % of its limit",
    Kind.BUDGET_CHANGED: "the limit of `` was changed from unlimited to unlimited",
    Kind.BUDGET_OVERSHOT: "`` was charged more than was held on it",
    Kind.LOOP_ALERT: "the loop guard noticed something",
    Kind.CONTEXT_ALERT: "the context of the session is 0 % full, 0 % or more",
    Kind.CONTEXT_COMPACTED: "the client made its conversation smaller: 0 messages in place of 0",
    Kind.RISK_NOTICE: "`` was noted at risk ",
    Kind.POLICY_CHANGED: "`` applied policies: no rule",
    Kind.CLOCK_JUMPED: "the wall clock was moved",
    Kind.ADMIN_ACTED: "admin asked for a change",
    Kind.AUTH_REFUSED: "a token was refused",
    Kind.KEY_ADDED: "the key `` was handed out",
    Kind.KEY_REVOKED: "the key `` was revoked",
    Kind.KEY_ROTATED: "the key `` was given another token",
    Kind.KEY_USED: "the key `` opened it, its session 0",
    Kind.APPROVAL_ASKED: "a person was asked whether `` may run",
    Kind.APPROVAL_ANSWERED: "somebody refused ``",
    Kind.APPROVAL_DELEGATED: " left it to  to answer whether `` may run",
    Kind.APPROVAL_ESCALATED: "nobody answered for 0 s whether `` may run:  may",
    Kind.APPROVAL_REVOKED: " ended the grant of ``",
    Kind.APPROVAL_EXPIRED: "nobody answered whether `` may run",
    Kind.TOOL_CALL_RETRIED: "`` is tried again",
    Kind.EFFECT_UNKNOWN: "it is not known whether `` took effect",
    Kind.EFFECT_RESOLVED: "somebody settled what became of ``",
    Kind.RUN_SUBMITTED: "the run `` was submitted",
    Kind.RUN_CLAIMED: "the worker `` took up the run ``",
    Kind.RUN_ANSWERED: "the model's answer of turn 0 was kept (without a word why)",
    Kind.RUN_TOOL_ANSWERED: "the result of `` was kept for the model",
    Kind.RUN_NOTED: "the harness told the model",
    Kind.RUN_JUDGED: "the judge could not be read",
    Kind.RUN_COMPACTED: "the conversation was made smaller",
    Kind.RUN_RETRYING: "the run is tried again",
    Kind.RUN_PARKED: "the run `` waits for a person",
    Kind.RUN_RESUMED: "the run `` was queued again",
    Kind.RUN_DONE: "the run `` is done",
    Kind.RUN_FAILED: "the run `` failed",
    Kind.RUN_CANCELLED: "the run `` was cancelled",
    Kind.RUN_DEAD: "the run `` went to the dead-letter queue",
    Kind.CONVERSATION_SAVED: "the conversation `` (0 bytes) was saved",
    Kind.CONVERSATION_LOADED: "the conversation `` (0 bytes) was loaded",
    Kind.CONVERSATION_DELETED: "the conversation `` (0 bytes) was deleted",
    Kind.RETENTION_APPLIED: "retention deleted nothing",
    Kind.FILES_TRUSTED: "files of `` at `` () count as the operator's own",
    Kind.FILES_FORGOTTEN: "files of `` at  no longer count as the operator's own",
    Kind.FILES_WRITTEN: "`` counts as ``'s own, as a session left it",
    Kind.UPSTREAM_OPENED: "the upstream `` (its key) failed too often and is left alone",
    Kind.UPSTREAM_CLOSED: "the upstream `` (its key) answers again",
}
REASON = {"verdict": "deny", "stage": "policy", "rule": "r1", "text": "over", "code": "c"}
USED = {
    "input_tokens": 1,
    "cache_read_tokens": 20,
    "cache_write_5m_tokens": 300,
    "cache_write_1h_tokens": 4_000,
    "output_tokens": 7,
}
SESSION_USD = {"account": "s:x:usd:life", "settled": 2 * 10**9, "held": 10**9, "limit": 5 * 10**9}
SESSION_CALLS = {"account": "s:x:turns:life", "settled": 2, "held": 1, "limit": 5}

FULL = [
    (Kind.SERVER_STARTED, {}, {"orphaned_holds": 0}, "the server started"),
    (
        Kind.SESSION_OPENED,
        {"agent": "desk", "user": "ann", "task": "t"},
        {},
        "a session of `desk` was opened for `ann`, task `t`",
    ),
    (
        Kind.SESSION_STOPPED,
        {},
        {"by": "admin", "reason": "drill"},
        "the session was stopped by admin: drill",
    ),
    (
        Kind.SESSION_DELEGATED,
        {"agent": "lead"},
        {"child": "c", "agent": "reader", "task_text": "read"},
        "a child `c` of `reader` was started: read",
    ),
    (
        Kind.SESSION_COLLECTED,
        {},
        {"child": "c", "taints": True},
        "the result, untrusted, of the child `c` was taken",
    ),
    (
        Kind.SESSION_CONTINUED,
        {},
        {"session": "old", "taints": 1},
        "the conversation of `old` goes on here, which is untrusted",
    ),
    (
        Kind.KILL_RECEIPT,
        {},
        {"total_ms": 3.5, "levers": [{"lever": "a", "ok": True}, {"lever": "b", "ok": False}, "x", {"lever": "c"}]},
        "the kill was acknowledged after 3.5 ms, but failed at b, c",
    ),
    (
        Kind.STOP_PLACED,
        {},
        {"act": "pause", "what": "project a/p", "by": "eve", "reason": "w"},
        "project a/p was paused by eve, and nothing opens there: w",
    ),
    (
        Kind.STOP_PLACED,
        {},
        {"act": "kill", "what": "agent bot", "by": "eve", "reason": ""},
        "agent bot was killed by eve, and nothing opens there",
    ),
    (
        Kind.STOP_LIFTED,
        {},
        {"act": "pause", "what": "everything", "by": "eve", "reason": "w"},
        "everything was let go by eve: w",
    ),
    (
        Kind.STOP_RECEIPT,
        {},
        {"act": "kill", "number": 7, "failed": 2, "total_ms": 3.5},
        "7 sessions were killed at once, in 3.5 ms; of 2 something may be left",
    ),
    (
        Kind.STOP_RECEIPT,
        {},
        {"act": "resume", "number": 7, "total_ms": 3.5},
        "7 sessions were resumed at once, in 3.5 ms",
    ),
    (
        Kind.KILL_RECEIPT,
        {},
        {"total_ms": 3, "levers": ({"lever": "a", "ok": True},)},
        "the kill was acknowledged after 3.0 ms",
    ),
    (Kind.PROMPT_SUBMITTED, {}, {"text": "hi", "vouched": True}, "the user wrote: hi"),
    (
        Kind.PROMPT_SUBMITTED,
        {},
        {"text": "hi", "vouched": False},
        "the agent's client says that the user wrote: hi",
    ),
    (
        Kind.PROMPT_CONFIRMED,
        {},
        {"text": "hi"},
        "the model was asked with what the user typed, which vouches: hi",
    ),
    (
        Kind.MODEL_CALL_REFUSED,
        {},
        {"model": "opus", "why": "a", "reason": "b", "text": "c"},
        "a model call to `opus` was refused: a",
    ),
    (Kind.MODEL_CALL_CUT, {}, {"reason": "b", "text": "c"}, "a model call was cut: b"),
    (
        Kind.MODEL_CALL_COUNTED,
        {},
        {"passed": 3, "refused": 4},
        "within a minute 3 free requests went to the provider, 4 more were refused",
    ),
    (
        Kind.MODEL_CALL_SETTLED,
        {},
        {"model": "opus", "usage": USED, "ended": "complete"},
        "a model call to `opus` was settled at 4321 tokens in and 7 out",
    ),
    (
        Kind.MODEL_CALL_SETTLED,
        {"cost_nusd": 12_300_000},
        {"usage": {"input_tokens": "x"}, "ended": "cut", "doubts": ["a", "b", "c", "d"]},
        ("a model call to `a model` was settled at 0 tokens in and 0 out, cut, at what was held, since"
        " no price is known for `a`, `b`, `c` ($0.0123)"),
    ),
    (
        Kind.MODEL_CALL_SETTLED,
        {},
        {"outcome": "unknown", "usage": USED},
        "the outcome of a model call is unknown",
    ),
    (
        Kind.MODEL_CALL_SETTLED,
        {},
        {"doubts": [], "usage": []},
        "a model call to `a model` was settled at 0 tokens in and 0 out",
    ),
    (Kind.TOOL_USE_EMITTED, {"tool": "pay"}, {}, "the model asked to call `pay`"),
    (
        Kind.TOOL_CALL_DECIDED,
        {"tool": "pay", "verdict": "deny", "risk": "HIGH"},
        {"reasons": [{"verdict": "ask", "text": "no"}, "x", REASON, REASON | {"text": "later"}]},
        "the call of `pay` was denied at risk HIGH, policy by rule `r1`: over",
    ),
    (
        Kind.TOOL_CALL_DECIDED,
        {"tool": "pay", "verdict": "deny"},
        {"reasons": ({"verdict": "deny", "code": "c"},)},
        "the call of `pay` was denied: c",
    ),
    (
        Kind.TOOL_CALL_DECIDED,
        {"tool": "pay", "verdict": "ask"},
        {},
        "the call of `pay` was held for a person",
    ),
    (
        Kind.TOOL_CALL_DECIDED,
        {"tool": "pay", "verdict": "allow"},
        {"reasons": "odd"},
        "the call of `pay` was allowed",
    ),
    (
        Kind.TOOL_CALL_DECIDED,
        {"tool": "pay", "verdict": "novel"},
        {},
        "the call of `pay` was novel",
    ),
    (
        Kind.TOOL_CALL_DECIDED,
        {},
        {"times": 3, "why": "full"},
        "work of the provider was denied: full",
    ),
    (
        Kind.TOOL_CALL_LIMITED,
        {"tenant": "acme"},
        {"refused": 1},
        ("a tool call was refused within a second, since the tenant `acme` asked for more than are"
        " decided"),
    ),
    (
        Kind.TOOL_CALL_LIMITED,
        {"tenant": "acme"},
        {"refused": 2},
        ("2 tool calls were refused within a second, since the tenant `acme` asked for more than are"
        " decided"),
    ),
    (
        Kind.MODEL_CALL_LIMITED,
        {"tenant": "acme"},
        {"refused": 1},
        "a model call was refused within a second for the rate of the tenant `acme`",
    ),
    (
        Kind.TOOL_CALL_FINISHED,
        {"tool": "pay"},
        {"ok": True, "duration_ms": 0},
        "the call of `pay` succeeded after 0 ms",
    ),
    (
        Kind.TOOL_CALL_FINISHED,
        {"tool": "pay"},
        {"ok": False, "error": "no"},
        "the call of `pay` failed after 0 ms: no",
    ),
    (
        Kind.TOOL_CALL_FINISHED,
        {"tool": "pay"},
        {"outcome": "unknown"},
        "the outcome of a tool call is unknown",
    ),
    (
        Kind.TOOL_RESULT_ADMITTED,
        {"tool": "pay"},
        {"taints": True},
        "the untrusted result of `pay` reached the model",
    ),
    (
        Kind.TOOL_RESULT_REPLACED,
        {"tool": "pay"},
        {"why": "a", "text": "b"},
        "the result of `pay` was replaced: b",
    ),
    (Kind.TOOL_RESULT_REPLACED, {}, {"text": "b"}, "the result of `` was replaced: b"),
    (
        Kind.EVIDENCE_MISSING,
        {"tool": "pay"},
        {"text": "a"},
        "a result of `pay` came without a permit: a",
    ),
    (
        Kind.EVIDENCE_REFUSED,
        {"tool": "pay"},
        {"text": "a"},
        "a history was refused for a call of `pay`: a",
    ),
    (Kind.PERMIT_REFUSED, {"tool": "pay"}, {"why": "a"}, "a permit for `pay` was refused: a"),
    (Kind.HOOK_RAN, {}, {"point": "pre_tool", "detail": "a"}, "pre_tool was reached: a"),
    (
        Kind.HOOK_RAN,
        {"verdict": "deny"},
        {"point": "pre_tool", "hook": "h", "rewrote": True, "fault": "a", "reason": "b"},
        "the hook `h` ran at pre_tool: denied, and rewrote what it saw: a",
    ),
    (
        Kind.HOOK_RAN,
        {},
        {"hook": "h", "reason": "b"},
        "the hook `h` ran at a hook point: no verdict: b",
    ),
    (Kind.HOOK_RAN, {"verdict": "novel"}, {"hook": "h"}, "the hook `h` ran at a hook point: novel"),
    (
        Kind.BUDGET_DECIDED,
        {"verdict": "allow"},
        {"purpose": "model"},
        "a model call was reserved on its budgets",
    ),
    (
        Kind.BUDGET_DECIDED,
        {"verdict": "deny"},
        SESSION_USD | {"purpose": "model", "wanted": 3 * 10**9},
        ("a model call was refused for its budget: `s:x:usd:life` has $2.0000 settled and $1.0000 held"
        " of $5.0000, $3.0000 more was wanted"),
    ),
    (
        Kind.BUDGET_DECIDED,
        {"verdict": "deny"},
        SESSION_CALLS | {"limit": None, "wanted": 7},
        ("a a call was refused for its budget: `s:x:turns:life` has 2 settled and 1 held of unlimited,"
        " 7 more was wanted"),
    ),
    (
        Kind.BUDGET_DECIDED,
        {"verdict": "deny"},
        {},
        ("a a call was refused for its budget: `a budget` has  settled and  held of unlimited,  more"
        " was wanted"),
    ),
    (
        Kind.BUDGET_ALERT,
        {},
        SESSION_USD | {"percent": 80},
        "`s:x:usd:life` reached 80 % of its limit, at $2.0000 of $5.0000",
    ),
    (
        Kind.BUDGET_ALERT,
        {},
        SESSION_CALLS | {"percent": 100},
        "`s:x:turns:life` had no room for a call, at 2 of 5",
    ),
    (
        Kind.BUDGET_ALERT,
        {},
        SESSION_CALLS | {"percent": 100, "settled": 5},
        "`s:x:turns:life` reached 100 % of its limit, at 5 of 5",
    ),
    (
        Kind.BUDGET_ALERT,
        {},
        SESSION_CALLS | {"percent": 100, "limit": None},
        "`s:x:turns:life` reached 100 % of its limit",
    ),
    (
        Kind.BUDGET_CHANGED,
        {},
        {"account": "s:x:usd_in:life", "old": 10**9, "new": None, "by": "admin", "reason": "why"},
        "the limit of `s:x:usd_in:life` was changed from $1.0000 to unlimited by admin: why",
    ),
    (
        Kind.BUDGET_OVERSHOT,
        {},
        {"account": "a"},
        "`a` was charged more than was held on it",
    ),
    (
        Kind.LOOP_ALERT,
        {},
        {"stops": True, "text": "a", "code": "b"},
        "the loop guard noticed something and stopped the session: a",
    ),
    (Kind.LOOP_ALERT, {}, {"code": "b"}, "the loop guard noticed something: b"),
    (
        Kind.CONTEXT_ALERT,
        {},
        {"percent": 85, "threshold": 80, "run_id": "r"},
        "the context of the run `r` is 85 % full, 80 % or more",
    ),
    (
        Kind.CONTEXT_ALERT,
        {},
        {"percent": 85, "threshold": 80, "run_id": "r", "agent_path": "p"},
        "the context of the sub-agent `p` is 85 % full, 80 % or more",
    ),
    (
        Kind.RISK_NOTICE,
        {"tool": "pay", "risk": "HIGH"},
        {"reasons": ["a", 2, "b"]},
        "`pay` was noted at risk HIGH: a; b",
    ),
    (Kind.RISK_NOTICE, {"tool": "pay", "risk": "HIGH"}, {"reasons": 3}, "`pay` was noted at risk HIGH"),
    (
        Kind.POLICY_CHANGED,
        {},
        {"by": "ann", "added": ["a", "b"], "removed": ["c"], "changed": ["d", "e", "f"], "version": "v"},
        "`ann` applied policies: 2 added, 1 removed, 3 changed: v",
    ),
    (
        Kind.POLICY_CHANGED,
        {},
        {"by": "ann", "added": [], "removed": ["c"], "changed": None},
        "`ann` applied policies: 1 removed",
    ),
    (
        Kind.CLOCK_JUMPED,
        {},
        {"off_by_ns": -2_540_000_000},
        "the wall clock was moved back by 2.5 s",
    ),
    (Kind.CLOCK_JUMPED, {}, {"off_by_ns": 1}, "the wall clock was moved forward by 0.0 s"),
    (
        Kind.ADMIN_ACTED,
        {},
        {"by": "ann", "action": "kill", "account": "a", "reason": "drill"},
        "ann asked for kill on `a`: drill",
    ),
    (Kind.AUTH_REFUSED, {}, {"why": "old"}, "a token was refused: old"),
    (
        Kind.APPROVAL_ASKED,
        {"tool": "pay"},
        {"reasons": [{"stage": "s", "verdict": "ask", "code": "c", "text": "it is much"}]},
        "a person was asked whether `pay` may run: it is much",
    ),
    (
        Kind.APPROVAL_ANSWERED,
        {"tool": "pay"},
        {"approved": True, "by": "ann", "note": "seen"},
        "ann approved `pay`: seen",
    ),
    (
        Kind.APPROVAL_ANSWERED,
        {"tool": "pay"},
        {"approved": True, "by": "mia", "missing": 1, "note": "fine"},
        "mia approved `pay`, and 1 more have to: fine",
    ),
    (
        Kind.APPROVAL_ANSWERED,
        {"tool": "pay"},
        {"approved": True, "by": "mia", "granted_until_ns": 9},
        "mia approved `pay` and calls like it for a while",
    ),
    (
        Kind.APPROVAL_REVOKED,
        {"tool": "pay"},
        {"by": "leo", "note": "enough"},
        "leo ended the grant of `pay`: enough",
    ),
    (
        Kind.APPROVAL_DELEGATED,
        {"tool": "pay"},
        {"by": "mia", "to": "leo"},
        "mia left it to leo to answer whether `pay` may run",
    ),
    (
        Kind.APPROVAL_ESCALATED,
        {"tool": "pay"},
        {"to": ["group:leads", "zoe"], "after_s": 60},
        "nobody answered for 60 s whether `pay` may run: group:leads, zoe may",
    ),
    (
        Kind.APPROVAL_EXPIRED,
        {"tool": "pay"},
        {"lets": True},
        "nobody answered whether `pay` may run, and a rule lets it run",
    ),
    (
        Kind.APPROVAL_EXPIRED,
        {"tool": "pay"},
        {"approved": True},
        "`pay` was approved and did not run in time",
    ),
    (Kind.TOOL_CALL_RETRIED, {"tool": "pay"}, {"error": "e"}, "`pay` is tried again: e"),
    (
        Kind.EFFECT_UNKNOWN,
        {"tool": "pay"},
        {"why": "gone", "by": "ann"},
        "it is not known whether `pay` took effect: gone",
    ),
    (
        Kind.EFFECT_RESOLVED,
        {"tool": "pay"},
        {"by": "ann", "outcome": "done", "reason": "seen"},
        "ann settled what became of `pay`: done",
    ),
    (
        Kind.EFFECT_RESOLVED,
        {"tool": "pay"},
        {"by": "ann", "reason": "seen"},
        "ann settled what became of `pay`: seen",
    ),
    (Kind.RUN_FAILED, {}, {"run_id": "r", "reason": "a"}, "the run `r` failed: a"),
    (
        Kind.RUN_CLAIMED,
        {},
        {"run_id": "r", "worker": "w"},
        "the worker `w` took up the run `r`",
    ),
    (
        Kind.RUN_ANSWERED,
        {"turn": 3},
        {"stop_reason": "end_turn"},
        "the model's answer of turn 3 was kept (end_turn)",
    ),
    (
        Kind.RUN_TOOL_ANSWERED,
        {"tool": "pay"},
        {"is_error": True, "content": "no"},
        "an error of `pay` was kept for the model: no",
    ),
    (Kind.RUN_NOTED, {}, {"text": "a"}, "the harness told the model: a"),
    (Kind.RUN_JUDGED, {}, {"verdict": "pass", "why": "a"}, "the judge passed the result: a"),
    (Kind.RUN_JUDGED, {}, {"verdict": "fail"}, "the judge did not pass the result"),
    (Kind.RUN_JUDGED, {}, {"verdict": "x"}, "the judge could not be read"),
    (
        Kind.RUN_COMPACTED,
        {},
        {"strategy": "a", "summary": "b"},
        "the conversation was made smaller: a",
    ),
    (Kind.RUN_COMPACTED, {}, {"summary": "b"}, "the conversation was made smaller: b"),
    (Kind.RUN_RETRYING, {}, {"error": "a", "reason": "b"}, "the run is tried again: a"),
    (Kind.RUN_RETRYING, {}, {"reason": "b"}, "the run is tried again: b"),
    (
        Kind.CONVERSATION_SAVED,
        {},
        {"name": "n", "size_bytes": 9, "by": "ann"},
        "the conversation `n` (9 bytes) was saved by ann",
    ),
    (
        Kind.RETENTION_APPLIED,
        {},
        {"sessions": 1, "calls": 2, "runs": 3, "effects": 4, "conversations": 5, "by": "x", "fault": "f"},
        "retention deleted 1 sessions, 2 calls, 3 runs, 4 effects, 5 conversations by x: f",
    ),
    (Kind.RETENTION_APPLIED, {}, {"sessions": 0, "runs": 3}, "retention deleted 3 runs"),
    (
        Kind.FILES_TRUSTED,
        {},
        {"root": "/r", "ref": "main", "commit": "0123456789abcdef", "by": "ann"},
        "files of `/r` at `main` (0123456789ab…) count as the operator's own by ann",
    ),
    (
        Kind.FILES_FORGOTTEN,
        {},
        {"root": "/r", "commit": "0123456789ab", "by": "ann"},
        "files of `/r` at 0123456789ab no longer count as the operator's own by ann",
    ),
    (
        Kind.FILES_WRITTEN,
        {},
        {"files": {"a": "1"}, "user": "ann"},
        "`a` counts as `ann`'s own, as a session left it",
    ),
    (
        Kind.FILES_WRITTEN,
        {},
        {"files": {"b": "1", "a": "2", "c": "3"}, "user": "ann"},
        "`a` and 2 more counts as `ann`'s own, as a session left it",
    ),
    (
        Kind.UPSTREAM_OPENED,
        {},
        {"upstream": "u", "key": "k", "for_user": "ann", "trouble": "503"},
        "the upstream `u` (k) failed too often for the user `ann` and is left alone: 503",
    ),
    (
        Kind.UPSTREAM_CLOSED,
        {},
        {"upstream": "u", "key": "k", "for_user": "ann", "trouble": "503"},
        "the upstream `u` (k) answers again for the user `ann`",
    ),
]  # fmt: skip


def said(kind, flat, body):
    line = narrate(Record(kind=kind, at_ns=AT, body=body, **flat), UTC)
    when, _, sentence = line.partition(" ")
    assert when == "14:42:07"
    return sentence


def test_every_kind_has_its_sentence_where_the_record_says_nothing():
    assert {kind: said(kind, {}, {}) for kind in Kind} == BARE


@pytest.mark.parametrize(("kind", "flat", "body", "sentence"), FULL)
def test_a_record_says_all_that_is_in_it(kind, flat, body, sentence):
    assert said(kind, flat, body) == sentence


@pytest.mark.parametrize(
    ("kind", "flat", "body", "most"),
    [
        (Kind.PROMPT_SUBMITTED, {}, {"text": "x" * 999}, 160),
        (Kind.SESSION_KILLED, {}, {"by": "x" * 999}, 40),
        (Kind.ADMIN_ACTED, {}, {"by": "x" * 999}, 40),
        (Kind.ADMIN_ACTED, {}, {"action": "x" * 999}, 60),
        (Kind.TOOL_USE_EMITTED, {"tool": "x" * 999}, {}, 80),
        (Kind.RISK_NOTICE, {"risk": "x" * 999}, {}, 20),
        (Kind.TOOL_CALL_DECIDED, {"risk": "x" * 999}, {}, 20),
        (Kind.TOOL_CALL_DECIDED, {"verdict": "x" * 999}, {}, 20),
        (
            Kind.TOOL_CALL_DECIDED,
            {"verdict": "deny"},
            {"reasons": [{"verdict": "deny", "stage": "x" * 999}]},
            40,
        ),
        (Kind.TOOL_CALL_FINISHED, {}, {"outcome": "x" * 999}, 40),
        (Kind.MODEL_CALL_SETTLED, {}, {"outcome": "x" * 999}, 40),
        (Kind.KILL_RECEIPT, {}, {"levers": [{"lever": "x" * 999}]}, 40),
        (Kind.HOOK_RAN, {}, {"point": "x" * 999}, 40),
        (Kind.HOOK_RAN, {"verdict": "x" * 999}, {"hook": "h"}, 20),
        (Kind.BUDGET_DECIDED, {}, {"purpose": "x" * 999}, 20),
        (Kind.UPSTREAM_OPENED, {}, {"key": "x" * 999}, 20),
        (Kind.RUN_ANSWERED, {}, {"stop_reason": "x" * 999}, 40),
        (Kind.EFFECT_RESOLVED, {}, {"by": "x" * 999}, 40),
        (Kind.FILES_TRUSTED, {}, {"commit": "x" * 999}, 12),
        (Kind.FILES_FORGOTTEN, {}, {"commit": "x" * 999}, 12),
    ],
)
def test_what_came_from_outside_is_shown_up_to_its_bound(kind, flat, body, most):
    run = max(said(kind, flat, body).replace("…", " ").split(), key=lambda word: word.count("x"))
    assert run.count("x") == most


def test_the_time_is_the_readers_and_the_date_is_said_where_asked():
    one = Record(kind=Kind.SERVER_STARTED, at_ns=AT + 999_999_999)
    east = timezone(timedelta(hours=10))
    assert narrate(one, UTC, dated=True) == "2026-11-17 14:42:07 the server started"
    assert narrate(one, east, dated=True) == "2026-11-18 00:42:07 the server started"
    assert narrate(one, east) == "00:42:07 the server started"
    assert narrate(Record(kind=Kind.SERVER_STARTED, at_ns=0), UTC, dated=True) == (
        "1970-01-01 00:00:00 the server started"
    )
    assert narrate(Record(kind=Kind.SERVER_STARTED, at_ns=0, cost_nusd=-1), UTC).endswith(
        "started (-$0.0000)"
    )
