"""The section `operators`: which users the operators are. Not here: what binds them."""

from collections.abc import Mapping
from typing import Any

from holdfast.compose.config.model import OperatorPerson
from holdfast.compose.config.names import ID_PATTERN, USER_NAME
from holdfast.compose.config.problems import quoted
from holdfast.compose.config.shapes import Field, ListOf, Reading, Record, Text
from holdfast.model.users import EVERYONE, user_fault

OPERATOR_NAME = Text(
    pattern=rf"^(?!admin$){ID_PATTERN.removeprefix('^')}",
    says="an operator's name, of letters, digits, `.`, `_`, `@` and `-`, and not `admin`",
)
_USER = Text(pattern=rf"^\*$|{USER_NAME.pattern}", says=USER_NAME.says)


def _users_can_be(values: Mapping[str, Any], reading: Reading, path: str) -> None:
    """A name that no session can have would bind nobody, and look as if it did."""
    for user in values.get("users", ()):
        if user != EVERYONE and (fault := user_fault(user)):
            reading.problem_at(f"{path}.users", f"{quoted(user)} cannot be a user: {fault}")


OPERATOR = Record(
    build=OperatorPerson,
    fields={
        "users": Field(
            ListOf(item=_USER), "users whom they are, and for whom they open sessions; `*`: all"
        ),
        "tenants": Field(
            ListOf(item=Text(pattern=ID_PATTERN, says="a tenant's name", reference="tenant")),
            "tenants in which they are one of these users; empty: every one",
        ),
    },
    checks=(_users_can_be,),
)
