"""What a refusal looks like to the client that reads it."""

import msgspec
import pytest

from holdfast.apps.gateway.errors import envelope, status
from holdfast.errors import (
    CredentialExpired,
    Exhausted,
    HoldfastError,
    LoopDetected,
    SessionStopped,
    Unauthenticated,
)

CLI = "claude-cli/2.1.329 (external, cli)"
SDK = "Anthropic/Python 0.111.0"


@pytest.mark.parametrize("error", [SessionStopped, LoopDetected, CredentialExpired])
def test_claude_code_is_not_told_of_a_stop_as_of_a_failed_login(error):
    assert status(error("it is over"), CLI) == 410
    assert status(error("it is over"), SDK) == 403
    assert status(error("it is over"), "") == 403


@pytest.mark.parametrize("error", [Unauthenticated, Exhausted])
def test_what_is_meant_as_it_is_read_stays_as_it_is(error):
    assert status(error("no"), CLI) == error.http_status


def test_claude_code_reads_what_ended_its_session_and_what_begins_another():
    def said(error: HoldfastError, client: str) -> str:
        return str(msgspec.json.decode(envelope(error, "req_1", client))["error"]["message"])

    over = SessionStopped("the session is stopped: 25 tool calls in a row were refused")
    assert said(over, CLI) == (
        "session_stopped: the session is stopped: 25 tool calls in a row were refused;"
        " `holdfast sessions open` begins another session"
    )
    assert said(over, SDK) == over.message
