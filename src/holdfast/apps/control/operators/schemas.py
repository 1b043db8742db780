"""What the paths of operators take and answer."""

from typing import Annotated

from pydantic import Field

from holdfast.apps.control.wire import Asked, Shown
from holdfast.compose.config.names import ID_PATTERN


class AddOperator(Asked):
    """A name that is not taken."""

    name: Annotated[str, Field(pattern=ID_PATTERN)]


class OperatorView(Shown):
    """One operator; a token is shown by nothing but `add`.

    `users` are whom they are in `tenants`, or everywhere where that is empty; what binds those
    binds them.
    """

    name: str
    added_at_ns: int
    users: list[str]
    tenants: list[str]


class OperatorList(Shown):
    """By name; the admin has no entry."""

    operators: list[OperatorView]


class OperatorAdded(Shown):
    """A new operator; the token is shown only here."""

    name: str
    token: str
