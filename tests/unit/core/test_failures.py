"""What a model call that failed is called, and what its client is told of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.failures import Failed, failed, most_tries, told_headers


def refusal(**error: object) -> bytes:
    return json.dumps({"type": "error", "error": error}).encode()


def test_a_refusal_is_called_what_it_calls_itself_and_our_own_code_comes_first():
    assert failed(529, refusal(type="overloaded_error", message="busy")) == Failed(
        status=529, code="overloaded_error", text="busy"
    )
    assert failed(403, refusal(type="permission_error", code="denied", message="")).code == "denied"


@given(st.integers(400, 599), st.binary(max_size=200))
def test_whatever_a_provider_says_is_a_failure_with_a_code_and_a_text(status, body):
    found = failed(status, body)
    assert found.status == status
    assert found.code
    assert found.text


@pytest.mark.parametrize("body", [b"", b"[]", b'{"error": 7}', b"<html>", b"[" * 100_000])
def test_what_is_no_envelope_is_its_status_alone(body):
    assert failed(500, body) == Failed(
        status=500, code="api_error", text="the provider answered 500"
    )


@pytest.mark.parametrize(
    ("status", "text", "full"),
    [
        (400, "Prompt is too long: 210000 tokens > 200000", True),
        (413, "exceeds the context window", True),
        (400, "messages: at least one message is required", False),
        (529, "prompt is too long", False),
    ],
)
def test_only_a_refusal_of_the_request_for_its_length_is_a_full_context(status, text, full):
    assert Failed(status=status, code="x", text=text).too_long is full


def test_a_client_is_told_not_to_try_only_where_something_else_than_a_try_was_decided():
    undecided = {"hook_point": "on_error", "tries": 3, "account": "not a header"}
    assert told_headers(undecided) == {"holdfast-hook-point": "on_error", "holdfast-tries": "3"}
    assert "x-should-retry" not in told_headers({**undecided, "recovery": "retry"})
    for recovery in ("retry_smaller", "switch_tool", "skip", "escalate", "fail"):
        told = told_headers({**undecided, "recovery": recovery})
        assert (told["holdfast-recovery"], told["x-should-retry"]) == (recovery, "false")


@pytest.mark.parametrize(
    ("given", "most"),
    [({}, None), ({"Holdfast-Tries": "2"}, 2), ({"holdfast-tries": "0"}, 1)]
    + [({"holdfast-tries": text}, None) for text in ("", "-1", "x", "99999", "1.5", "\u00b2")],
)
def test_a_request_says_how_many_tries_it_wants_or_nothing(given, most):
    assert most_tries(given) == most
