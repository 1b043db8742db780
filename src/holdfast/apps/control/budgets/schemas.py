"""What the budget paths take. Money in nano-dollars, the rest in pieces or seconds."""

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.wire import Name, Reason
from holdfast.model.budgets import Dimension, Scope, Window

MAX_LIMIT = 2**63 - 1


class WhichAccounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session, whose whole chain is shown, or a scope and its owner (`user`, `acme/ann`)."""

    session: Name = ""
    scope: Scope | None = None
    owner: Name = ""


class SetLimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new limit of one account; null lifts it."""

    scope: Scope
    owner: Annotated[str, Meta(min_length=1, max_length=256)]
    dimension: Dimension
    window: Window
    limit: Annotated[int, Meta(ge=0, le=MAX_LIMIT)] | None
    reason: Annotated[Reason, Meta(min_length=1)]
