"""What the path of costs takes."""

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.wire import Name
from holdfast.model.costs import CostBy

MAX_LAST_S = 366 * 86_400
MAX_PARTS = 1000


class WhichCosts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was settled in the last `last_s` seconds, told apart by `by`; an empty filter is none.

    Without a tenant, all of them. `limit` is how many of the dearest parts are shown.
    """

    by: CostBy = CostBy.USER
    tenant: Name = ""
    project: Name = ""
    user: Name = ""
    agent: Name = ""
    session: Name = ""
    last_s: Annotated[int, Meta(ge=1, le=MAX_LAST_S)] = 604_800
    limit: Annotated[int, Meta(ge=1, le=MAX_PARTS)] = 100
