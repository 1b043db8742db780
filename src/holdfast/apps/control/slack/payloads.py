"""What Slack sends, once it is known to be Slack's: a command, or a button that was pressed.

Fields that are not read here pass. Not here: who that person is, what it does (`door`).
"""

from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from holdfast.errors import InvalidRequest

_MOST_FIELDS = 40
_FORM = "application/x-www-form-urlencoded"
_T = TypeVar("_T")


class Team(msgspec.Struct, frozen=True):
    """A workspace."""

    id: str


class Person(msgspec.Struct, frozen=True):
    """A member of a workspace."""

    id: str


class Pressed(msgspec.Struct, frozen=True):
    """One button: what it does, and to what."""

    action_id: str
    value: str


class Interaction(msgspec.Struct, frozen=True, tag_field="type", tag="block_actions"):
    """A button was pressed; `response_url` is where Slack takes what to show for it."""

    team: Team
    user: Person
    actions: tuple[Pressed, ...]
    response_url: str

    @property
    def who(self) -> str:
        """As the settings name people."""
        return f"{self.team.id}/{self.user.id}"


class Command(msgspec.Struct, frozen=True):
    """A slash command and the words after it."""

    team_id: str
    user_id: str
    command: str
    text: str = ""

    @property
    def who(self) -> str:
        """As the settings name people."""
        return f"{self.team_id}/{self.user_id}"


def command_of(content_type: str, body: bytes) -> Command:
    """Errors: InvalidRequest."""
    return _shaped(_fields(content_type, body), Command)


def interaction_of(content_type: str, body: bytes) -> Interaction:
    """Errors: InvalidRequest; also for what is no press of one button."""
    text = _fields(content_type, body).get("payload", "")
    try:
        found = msgspec.json.decode(text, type=Interaction)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest("this is no press of a button") from None
    if len(found.actions) != 1:
        raise InvalidRequest("this is no press of one button")
    return found


def _fields(content_type: str, body: bytes) -> dict[str, str]:
    if content_type.partition(";")[0].strip().lower() != _FORM:
        raise InvalidRequest(f"Slack sends `{_FORM}`")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise InvalidRequest("the body is no form") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise InvalidRequest("a field of the form stands there twice")
    return dict(pairs)


def _shaped(fields: dict[str, str], kind: type[_T]) -> _T:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError:
        raise InvalidRequest("a field of the form is missing") from None
