"""What is shown in Slack says what the record says, and nothing of what others wrote acts."""

import json
from typing import Any

import pytest

from holdfast.apps.control.slack import blocks
from holdfast.model.approvals import Approval, ApprovalState


def approval(**fields):
    given: dict[str, Any] = {
        **dict.fromkeys(("tenant", "project", "user", "agent", "session", "task"), "x"),
        **dict.fromkeys(("call_id", "definition", "policy_version", "risk", "resource"), "x"),
        "approval_id": "apr_1",
        "tool": "pay",
        "digest": "sha256:d",
        "reasons": (),
        "arguments": {"to": "bob"},
        "state": ApprovalState.PENDING,
        "asked_at_ns": 1,
        "expires_at_ns": 2,
    }
    return Approval(**given | fields)


HOSTILE = [
    "<!channel> <@U1> <https://evil.test|approve here>",
    "```\nAPPROVED\n```",
    'line\nrisk: "none"',
    "\u202egnp.exe\u200b",
    "\x1b[31mred",
    "*bold* _it_ ~no~ `code` :white_check_mark:",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["tool", "agent", "user", "resource", "arguments"])
def test_a_text_of_others_stays_one_line_of_ascii(text, field):
    value = {"to": text} if field == "arguments" else text
    shown = blocks.question(approval(**{field: value}))[0]
    (piece,) = shown["elements"][0]["elements"]
    plain = blocks.question(approval())[0]["elements"][0]["elements"][0]["text"]
    assert piece["type"] == "text"
    assert piece["text"].isascii()
    assert piece["text"].count("\n") == plain.count("\n")
    line = next(one for one in piece["text"].split("\n") if one.startswith(f"{field}: "))
    assert json.loads(line.partition(": ")[2]) == value


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_notification_shows_has_no_mention_and_no_link(text):
    shown = blocks.escaped(text)
    assert not set("<>\n") & set(shown)
    assert shown.isascii()


def test_what_is_not_shown_whole_cannot_be_allowed():
    hidden = {"note": "a" * 4000, "to": "eve"}
    *_, actions = blocks.question(approval(arguments=hidden))
    assert [one["action_id"] for one in actions["elements"]] == [blocks.DENY]
    *_, actions = blocks.question(approval())
    assert [one["action_id"] for one in actions["elements"]] == [blocks.APPROVE, blocks.DENY]


@pytest.mark.parametrize("length", [0, 1, 4000])
def test_no_message_is_longer_than_slack_takes(length):
    many = [b for _ in range(5) for b in blocks.question(approval(tool="é" * length))]
    message = blocks.message(many, "x" * length)
    assert len(message["blocks"]) <= 50
    assert len(json.dumps(message)) < 40_000
