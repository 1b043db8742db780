"""Shapes that every route shares: what a body may be, how a refusal looks.

Not here: the mapping from exceptions to answers (`errors`).
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

MAX_NS = 2**63 - 1


class Asked(BaseModel):
    """A body or a query: nothing unknown in it, so that a misspelt filter is not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _absent(value: object) -> object:
    return None if value == "" else value


EMPTY_IS_ABSENT = BeforeValidator(_absent)
"""`?state=` says as little as no `state` at all."""

Name = Annotated[str, Field(max_length=256)]
Reason = Annotated[str, Field(max_length=500, description="why, for the journal")]
Nanoseconds = Annotated[int, Field(ge=0, le=MAX_NS)]


class Fault(BaseModel):
    """What went wrong; further fields explain it (account, limit, field, problems, …)."""

    model_config = ConfigDict(extra="allow")

    code: str
    message: str
    retryable: bool


class Refusal(BaseModel):
    """The body of every answer that is not a success."""

    error: Fault


_SAID = {
    400: "the request can never work as it stands",
    401: "no token, or one that was never issued",
    403: "the token is for another door",
    404: "no such thing",
    409: "the state does not allow it",
    413: "the body is too large",
    422: "a value does not fit what it names",
    503: "something that Holdfast needs is down; nothing was changed",
}
_ALWAYS = (400, 401, 403, 413, 503)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented refusals of a route: the ones any route has, and its own."""
    return {
        status: {"model": Refusal, "description": _SAID[status]}
        for status in sorted({*_ALWAYS, *statuses})
    }
