"""Exit codes by outcome, from what the journal of a run holds."""

import pytest

from holdfast.apps.cli.exit_codes import ExitCode
from holdfast.apps.cli.outcomes import outcome_of
from holdfast.client import SessionView
from holdfast.model.events import Kind, Record
from holdfast.model.principals import TrustLevel
from holdfast.model.sessions import SessionState


def view(state=SessionState.ACTIVE, reason=""):
    return SessionView(
        session_id="ses_1",
        tenant="acme",
        project="desk",
        user="ann",
        agent="support",
        task="",
        trust=TrustLevel.SEMI_AUTONOMOUS,
        state=state,
        state_reason=reason,
        opened_at_ns=0,
        expires_at_ns=1,
    )


def record(kind, verdict="", **body):
    return Record(kind=kind, at_ns=1, verdict=verdict, body=body)


def test_a_run_without_a_fault_is_done_though_a_call_was_denied_on_the_way():
    seen = [record(Kind.TOOL_CALL_DECIDED, "deny")]
    assert outcome_of(view(), seen, fault="").code is ExitCode.DONE


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (SessionState.KILLED, ExitCode.KILLED),
        (SessionState.PAUSED, ExitCode.PAUSED),
        (SessionState.EXPIRED, ExitCode.LOOP),
    ],
)
def test_the_sessions_state_decides_before_what_the_agent_says(state, code):
    found = outcome_of(view(state, "by hand"), [], fault="")
    assert found.code is code
    assert "by hand" in found.why


def test_a_session_that_the_loop_guard_stopped_is_a_loop():
    seen = [record(Kind.LOOP_ALERT, code="loop.stall", stops=True)]
    assert outcome_of(view(SessionState.STOPPED, "a stall"), seen, fault="x").code is ExitCode.LOOP


def test_a_session_stopped_for_missing_evidence_was_denied():
    seen = [record(Kind.EVIDENCE_MISSING, "deny")]
    found = outcome_of(view(SessionState.STOPPED, "no permit"), seen, fault="403")
    assert found.code is ExitCode.DENIED


def test_a_loop_alert_that_stops_nothing_is_no_loop():
    seen = [
        record(Kind.LOOP_ALERT, code="loop.repeats_alert", stops=False),
        record(Kind.EVIDENCE_MISSING, "deny"),
    ]
    found = outcome_of(view(SessionState.STOPPED, "no permit"), seen, fault="403")
    assert found.code is ExitCode.DENIED


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (record(Kind.BUDGET_DECIDED, "deny"), ExitCode.BUDGET),
        (record(Kind.MODEL_CALL_REFUSED), ExitCode.UPSTREAM),
        (record(Kind.TOOL_CALL_DECIDED, "deny"), ExitCode.DENIED),
        (record(Kind.TOOL_CALL_DECIDED, "ask"), ExitCode.DENIED),
        (record(Kind.MODEL_CALL_SETTLED, ended="complete"), ExitCode.UPSTREAM),
    ],
)
def test_a_run_that_failed_is_named_by_the_last_obstacle(last, code):
    seen = [record(Kind.BUDGET_DECIDED, "allow"), last, record(Kind.BUDGET_ALERT)]
    assert outcome_of(view(), seen, fault="it failed").code is code
