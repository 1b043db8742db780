"""What the budget paths take. Money in nano-dollars, the rest in pieces or seconds."""

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.paging import Cursor
from holdfast.apps.control.wire import Name, Reason
from holdfast.model.budgets import Dimension, Scope, Window

MAX_LIMIT = 2**63 - 1
MAX_LAST_S = 366 * 86_400
MAX_LISTED = 1000


class WhichAccounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session, whose whole chain is shown, or a scope and its owner (`user`, `acme/ann`)."""

    session: Name = ""
    scope: Scope | None = None
    owner: Name = ""


class WhichProposals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose history, of the last `last_s` seconds before today, and what percent of it to allow.

    `tenant` may be left out where there is only one; `agent` leaves other agents out.
    """

    tenant: Name = ""
    agent: Name = ""
    last_s: Annotated[int, Meta(ge=86_400, le=MAX_LAST_S)] = 30 * 86_400
    margin_percent: Annotated[int, Meta(ge=100, le=1000)] = 125


class WhichListed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The accounts of one scope, of one tenant unless that is empty."""

    scope: Scope = Scope.TENANT
    tenant: Name = ""
    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED)] = 100
    cursor: Cursor = ""


class SetLimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new limit of one account; null lifts it."""

    scope: Scope
    owner: Annotated[str, Meta(min_length=1, max_length=256)]
    dimension: Dimension
    window: Window
    limit: Annotated[int, Meta(ge=0, le=MAX_LIMIT)] | None
    reason: Annotated[Reason, Meta(min_length=1)]
