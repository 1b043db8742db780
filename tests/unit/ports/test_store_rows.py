"""Rows as a version before wrote them are read as what they say now."""

from typing import Any

import msgspec
import pytest

from holdfast.model.tools import CallRecord
from holdfast.model.tools import CallState as S
from holdfast.ports.store_rows import call_of

KNOWN: dict[str, Any] = {
    "session": "ses_1",
    "call_id": "c1",
    "tool": "refund",
    "permit_id": "prm_1",
    "turn": 3,
}


def row(state, digest, **more):
    return msgspec.json.encode({**KNOWN, "state": state, "digest": digest, **more})


@pytest.mark.parametrize(
    ("state", "digest", "redeemed", "expected", "kept"),
    [
        ("emitted", "incomplete", False, S.TORN, ""),
        ("server", "incomplete", False, S.SERVER_TORN, ""),
        ("denied", "incomplete", False, S.DENIED, ""),
        ("allowed", "sha256:1", True, S.BEGUN, "sha256:1"),
        ("allowed", "sha256:1", False, S.ALLOWED, "sha256:1"),
        ("executed", "sha256:1", True, S.EXECUTED, "sha256:1"),
        ("failed", "sha256:1", True, S.FAILED, "sha256:1"),
        ("emitted", "sha256:1", False, S.EMITTED, "sha256:1"),
    ],
)
def test_a_call_of_the_version_before_has_the_state_that_its_words_and_flags_told(
    state, digest, redeemed, expected, kept
):
    before = row(state, digest, redeemed=redeemed, permit_expires_at_ns=7)
    assert call_of(before) == CallRecord(state=expected, digest=kept, **KNOWN)


@pytest.mark.parametrize("state", list(S))
def test_a_call_is_read_as_it_was_written(state):
    call = CallRecord(state=state, digest="" if "torn" in state else "sha256:1", **KNOWN)
    assert call_of(msgspec.json.encode(call)) == call
