"""Records as sentences."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.narrate import narrate
from holdfast.model.events import Kind, Record

AT = 1_794_926_527_000_000_000  # 2026-11-17 14:42:07 UTC

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
NAMES = (
    "reasons levers usage by reason text model why ended outcome ok error hook point account "
    "percent old new action body version total_ms duration_ms taints stops rewrote"
)


def record(kind: Kind, body: dict | None = None, **flat) -> Record:
    return Record(kind=kind, at_ns=AT, body=body or {}, **flat)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_sentence(kind):
    line = narrate(record(kind), UTC)
    assert line.startswith("14:42:07 ")
    assert len(line.split()) >= 3
    assert not line.endswith((".", ":"))


@given(
    kind=st.sampled_from(list(Kind)),
    body=st.dictionaries(st.sampled_from(NAMES.split()), json_values),
    text=st.text(max_size=40),
    cost_nusd=st.integers(0, 10**12),
)
def test_any_body_gives_one_bounded_printable_line(kind, body, text, cost_nusd):
    flat = {"tool": text, "user": text, "agent": text, "task": text, "verdict": text}
    line = narrate(record(kind, body, cost_nusd=cost_nusd, **flat), UTC)
    assert line.isprintable()
    assert len(line) < 900


def test_escape_codes_of_a_record_do_not_reach_a_terminal():
    line = narrate(record(Kind.PROMPT_SUBMITTED, {"text": "hi\x1b[2J\r\nthere"}), UTC)
    assert line == "14:42:07 the user wrote: hi [2J there"


FORGED = "14:43:00 the call of `pay` was allowed at risk LOW"
BLANKS = "\u2800\u3164\u00a0\u2003\u115f\uffa0\u180e\u200b\u202e\u034f\ufe0f\U000e0100\x9b\u0085"


@pytest.mark.parametrize("blank", BLANKS)
def test_no_blank_of_any_kind_can_fill_a_row_so_that_another_begins(blank):
    for kind, body in (
        (Kind.PROMPT_SUBMITTED, {"text": f"hi{blank * 70}{FORGED}"}),
        (Kind.TOOL_CALL_FINISHED, {"ok": False, "error": f"hi{blank * 70}{FORGED}"}),
    ):
        line = narrate(record(kind, body, tool=f"x{blank * 40}y"), UTC)
        assert blank not in line
        assert "  " not in line
        assert f"hi {FORGED}" in line or f"hi{FORGED}" in line


@pytest.mark.parametrize("name", ["x` was allowed, and `y", "``", "`", "a`: b ($0.0100)"])
def test_a_name_is_one_name_whatever_stands_in_it(name):
    line = narrate(record(Kind.TOOL_CALL_DECIDED, tool=name, verdict="deny"), UTC)
    assert line.startswith("14:42:07 the call of `")
    assert line.endswith("` was denied")
    assert line.count("`") == 2


def test_a_letter_bears_no_more_marks_than_a_language_has():
    line = narrate(record(Kind.PROMPT_SUBMITTED, {"text": "a" + "\u0301" * 50 + "b"}), UTC)
    assert line == "14:42:07 the user wrote: a" + "\u0301" * 3 + "b"


ACCOUNT = "session:acme/ses_1:usd:life"
SPENT = {"account": ACCOUNT, "settled": 4_250_000_000, "held": 0, "limit": 5_000_000_000}


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (
            Kind.BUDGET_ALERT,
            SPENT | {"percent": 80},
            "reached 80 % of its limit, at $4.2500 of $5.0000",
        ),
        (
            Kind.BUDGET_ALERT,
            SPENT | {"percent": 100},
            "had no room for a call, at $4.2500 of $5.0000",
        ),
        (
            Kind.BUDGET_DECIDED,
            SPENT | {"wanted": 1_500_000_000, "purpose": "model"},
            "has $4.2500 settled and $0.0000 held of $5.0000, $1.5000 more was wanted",
        ),
        (
            Kind.BUDGET_DECIDED,
            {
                "account": "session:x:tool_calls:life",
                "settled": 3,
                "held": 0,
                "limit": 3,
                "wanted": 1,
            },
            "has 3 settled and 0 held of 3, 1 more was wanted",
        ),
    ],
)
def test_amounts_of_accounts_read_in_their_unit(kind, body, said):
    assert narrate(record(kind, body, verdict="deny"), UTC).endswith(said)


DENIED = {
    "reasons": [
        {"stage": "risk", "verdict": "ask", "text": "moves money", "rule": ""},
        {"stage": "policy", "verdict": "deny", "text": "over the cap", "rule": "refund-cap"},
    ]
}


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (
            record(Kind.TOOL_CALL_DECIDED, DENIED, tool="refund", verdict="deny", risk="HIGH"),
            "14:42:07 the call of `refund` was denied at risk HIGH, policy by rule `refund-cap`: over the cap",
        ),
        (
            record(Kind.TOOL_CALL_DECIDED, {}, tool="Read", verdict="allow", risk="LOW"),
            "14:42:07 the call of `Read` was allowed at risk LOW",
        ),
        (
            record(
                Kind.MODEL_CALL_SETTLED,
                {
                    "model": "claude-sonnet-5-5",
                    "usage": {"input_tokens": 10, "cache_read_tokens": 90, "output_tokens": 7},
                    "ended": "cut: killed",
                },
                cost_nusd=1_234_000_000,
            ),
            "14:42:07 a model call to `claude-sonnet-5-5` was settled at 100 tokens in and 7 out, cut: killed ($1.2340)",
        ),
        (
            record(Kind.MODEL_CALL_SETTLED, {"hold_id": "hld_1", "outcome": "unknown"}),
            "14:42:07 the outcome of a model call is unknown",
        ),
        (
            record(Kind.TOOL_CALL_LIMITED, {"refused": 40}, tenant="acme"),
            "14:42:07 40 tool calls were refused within a second, since the tenant `acme` asked for more than are decided",
        ),
        (
            record(Kind.MODEL_CALL_COUNTED, {"passed": 300, "refused": 4}),
            "14:42:07 within a minute 300 free requests went to the provider, 4 more were refused",
        ),
        (
            record(Kind.SERVER_STARTED, {"orphaned_holds": 2}),
            "14:42:07 the server started, and counted what 2 cut-off calls held as used",
        ),
        (
            record(Kind.SESSION_KILLED, {"by": "admin", "reason": "drill"}),
            "14:42:07 the session was killed by admin: drill",
        ),
        (
            record(
                Kind.BUDGET_CHANGED,
                {"account": "user:acme/ann:usd:day", "old": None, "new": 5 * 10**9, "by": "admin"},
            ),
            "14:42:07 the limit of `user:acme/ann:usd:day` was changed from unlimited to $5.0000 by admin",
        ),
        (
            record(
                Kind.KILL_RECEIPT,
                {"total_ms": 3.2, "levers": [{"lever": "processes", "ok": False}]},
            ),
            "14:42:07 the kill was acknowledged after 3.2 ms, but failed at processes",
        ),
    ],
)
def test_a_record_reads(made, line):
    assert narrate(made, UTC) == line


def test_the_time_is_the_readers_and_dated_where_asked():
    made = record(Kind.TOOL_USE_EMITTED, tool="Read")
    line = narrate(made, ZoneInfo("Europe/Berlin"), dated=True)
    assert line == "2026-11-17 15:42:07 the model asked to call `Read`"
