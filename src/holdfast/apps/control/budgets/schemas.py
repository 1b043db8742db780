"""What the budget paths take. Money in nano-dollars, the rest in pieces or seconds."""

from typing import Annotated

from pydantic import Field, StrictInt

from holdfast.apps.control.wire import EMPTY_IS_ABSENT, Asked, Name, Reason
from holdfast.model.budgets import Dimension, Scope, Window

MAX_LIMIT = 2**63 - 1


class WhichAccounts(Asked):
    """A session, whose whole chain is shown, or a scope and its owner (`user`, `acme/ann`)."""

    session: Name = ""
    scope: Annotated[Scope | None, EMPTY_IS_ABSENT] = None
    owner: Name = ""


class SetLimit(Asked):
    """A new limit of one account; null lifts it."""

    scope: Scope
    owner: Annotated[str, Field(min_length=1, max_length=256)]
    dimension: Dimension
    window: Window
    limit: Annotated[StrictInt, Field(ge=0, le=MAX_LIMIT)] | None
    reason: Annotated[Reason, Field(min_length=1)]
