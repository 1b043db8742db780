"""What is shown in Slack: Block Kit, from the server's own record alone.

What others wrote stands as JSON in ASCII, in blocks whose text Slack takes as it is: nothing in it
is a link, a mention, a line of ours or a sign that cannot be seen. What is too long to be shown
whole has no button that allows it. Not here: whose press it is (`door`).
"""

import json
from collections.abc import Sequence
from typing import Any

from holdfast.model.approvals import Approval
from holdfast.model.views.fleet import FleetRow

APPROVE, DENY, KILL = "holdfast.approve", "holdfast.deny", "holdfast.kill"
MOST_SHOWN = 5
MOST_SESSIONS = 20
_MOST_CHARACTERS = 2500
_TOO_LONG = "This is longer than Slack shows: look at it in the console, or with"
Block = dict[str, Any]


def message(blocks: Sequence[Block], text: str, *, replaces: bool = False) -> Block:
    """For the one who asked alone; `text` is what a notification shows of it."""
    return {
        "response_type": "ephemeral",
        "replace_original": replaces,
        "text": escaped(text[:_MOST_CHARACTERS]),
        "blocks": list(blocks),
    }


def said(text: str, *, replaces: bool = False) -> Block:
    """A message that is one sentence."""
    return message([plain(text)], text, replaces=replaces)


def escaped(text: str) -> str:
    """Text of others for mrkdwn: no mention, no link, one line."""
    line = json.dumps(text)[1:-1].replace('\\"', '"')
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> Block:
    """A paragraph in which nothing is markup."""
    shown = json.dumps(text[:_MOST_CHARACTERS])[1:-1].replace('\\"', '"')
    piece = {"type": "text", "text": shown}
    section = {"type": "rich_text_section", "elements": [piece]}
    return {"type": "rich_text", "elements": [section]}


def question(one: Approval) -> list[Block]:
    """A question with its buttons; each is bound to what is shown by the digest."""
    lines = [f"{name}: {json.dumps(value)}" for name, value in _shown(one)]
    text = "\n".join(lines)
    bound = f"{one.approval_id} {one.digest}"
    buttons = [_button(DENY, "Deny", bound, "danger")]
    if len(text) > _MOST_CHARACTERS:
        note = plain(f"{_TOO_LONG} `holdfast approvals show {one.approval_id}`.")
        return [_literal(text[:_MOST_CHARACTERS]), note, _actions(buttons)]
    return [_literal(text), _actions([_button(APPROVE, "Approve", bound, "primary"), *buttons])]


def session(row: FleetRow) -> list[Block]:
    """A session with the button that ends it, which asks once more."""
    view = row.session
    lines = (
        ("session", view.session_id),
        ("agent", view.agent),
        ("user", view.user),
        ("tenant", view.tenant),
        ("project", view.project),
        ("state", view.state.value),
    )
    kill = _button(KILL, "Kill", view.session_id, "danger") | {
        "confirm": {
            "title": _text("Kill this session?"),
            "text": _text("It ends for good, with all that it started."),
            "confirm": _text("Kill"),
            "deny": _text("Cancel"),
            "style": "danger",
        }
    }
    text = ", ".join(f"{name}: {json.dumps(value)}" for name, value in lines)
    return [_literal(text[:_MOST_CHARACTERS]), _actions([kill])]


def _shown(one: Approval) -> list[tuple[str, Any]]:
    return [
        ("approval", one.approval_id),
        ("tool", one.tool),
        ("arguments", one.arguments),
        ("resource", one.resource),
        ("risk", one.risk),
        ("why", [f"{reason.stage}: {reason.text} {reason.rule}" for reason in one.reasons]),
        ("tainted by", one.tainted_by),
        ("agent", one.agent),
        ("user", one.user),
        ("tenant", one.tenant),
        ("project", one.project),
        ("session", one.session),
        ("asked", one.times),
        ("digest", one.digest),
    ]


def _literal(text: str) -> Block:
    piece = {"type": "text", "text": text}
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_preformatted", "elements": [piece]}],
    }


def _actions(buttons: list[Block]) -> Block:
    return {"type": "actions", "elements": buttons}


def _button(action: str, text: str, value: str, style: str) -> Block:
    return {
        "type": "button",
        "action_id": action,
        "text": _text(text),
        "value": value,
        "style": style,
    }


def _text(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}
