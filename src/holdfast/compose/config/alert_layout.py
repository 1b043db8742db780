"""The section `alerts`: who is told, of what, when, and by which way.

Not here: addresses and secrets, which stay in the environment (`compose/alerting`).
"""

from collections.abc import Mapping
from datetime import time
from typing import Any

import msgspec

from holdfast.compose.config.model import AlertFormat, AlertReceiver
from holdfast.compose.config.names import ENV_NAME, ID
from holdfast.compose.config.nodes import Node
from holdfast.compose.config.problems import quoted
from holdfast.compose.config.shapes import (
    INVALID,
    Choice,
    Field,
    Flag,
    ListOf,
    MapOf,
    Reading,
    Record,
    Text,
)
from holdfast.core.quiet_hours import QuietHours
from holdfast.model.events import Kind

_ADDRESS = Text(
    pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*$",
    says="an e-mail address",
    max_chars=254,
)
_ANY = "; empty: any"


class ClockTime(msgspec.Struct, frozen=True):
    """`"07:30"`, quoted: YAML reads other spellings as numbers."""

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """A time of day."""
        shape = Text(pattern=r"^(?:[01]\d|2[0-3]):[0-5]\d$", says='a time of day such as `"07:30"`')
        text = shape.read(node, reading, path)
        return INVALID if text is INVALID else time.fromisoformat(text)

    def schema(self) -> dict[str, Any]:
        """Text."""
        return {"type": "string", "pattern": r"^(?:[01]\d|2[0-3]):[0-5]\d$"}


class Zone(msgspec.Struct, frozen=True):
    """A time zone by its name."""

    def read(self, node: Node, reading: Reading, path: str) -> Any:
        """The name."""
        from zoneinfo import available_timezones  # noqa: PLC0415 -- few have quiet hours

        text = Text(max_chars=64, says="a time zone such as `Europe/Berlin`").read(
            node, reading, path
        )
        if text is not INVALID and text not in available_timezones():
            return reading.problem(node, path, f"no time zone {quoted(text)} is known")
        return text

    def schema(self) -> dict[str, Any]:
        """Text."""
        return {"type": "string", "maxLength": 64}


def _has_its_way(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    """A letter has somebody who writes it and somebody who gets it; all else is signed."""
    mail = values.get("format") is AlertFormat.EMAIL
    for name in ("from", "to"):
        if mail and not values.get(name):
            reading.problem_at(path, f"e-mail needs `{name}`")
        if not mail and values.get(name):
            reading.problem_at(path, f"`{name}` is of e-mail alone (`format: email`)")
    if not mail and not values.get("secret_env"):
        reading.problem_at(path, "`secret_env` is missing: messages are signed with it")
    if mail and values.get("secret_env"):
        reading.problem_at(path, "`secret_env` signs what is posted, and e-mail is not")


QUIET = Record(
    build=QuietHours,
    fields={
        "from": Field(ClockTime(), "when they begin", "start"),
        "until": Field(ClockTime(), "when they are over; before `from`: on the next day", "end"),
        "zone": Field(Zone(), "the time zone of both"),
    },
)
RECEIVER = Record(
    build=AlertReceiver,
    fields={
        "url_env": Field(
            ENV_NAME, "environment variable with the address to post to, or to send by"
        ),
        "secret_env": Field(ENV_NAME, "environment variable with the secret that signs messages"),
        "format": Field(Choice(AlertFormat), "Slack's own message, every field as JSON, or e-mail"),
        "from": Field(_ADDRESS, "who writes an e-mail", "sender"),
        "to": Field(ListOf(item=_ADDRESS, most=50), "who gets it"),
        "kinds": Field(ListOf(item=Choice(Kind)), f"kinds of records that it is told of{_ANY}"),
        "tenants": Field(ListOf(item=ID), f"tenants of which it is told{_ANY}"),
        "projects": Field(ListOf(item=ID), f"projects of which it is told{_ANY}"),
        "hard_only": Field(Flag(), "whether what can wait for the morning is not told at all"),
        "quiet": Field(QUIET, "hours in which what can wait is held, and told when they are over"),
    },
    checks=(_has_its_way,),
)
ALERTS = MapOf(value=RECEIVER, key=ID)
