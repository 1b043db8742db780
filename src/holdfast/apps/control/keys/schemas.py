"""What the paths of keys take."""

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.wire import Name, Reason
from holdfast.compose.config.names import ID_PATTERN
from holdfast.core.keys import MOST_DAYS, MOST_LIMITS, MOST_USERS

DAY_S = 86_400
Budget = Annotated[
    str, Meta(max_length=64, description="`usd=5.00`, or over a window: `usd=5.00/day`")
]


class AddKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name that was never given, whose sessions it opens, what they may spend, for how long.

    `users` empty is the user of the key's own name; `*` is whomever its holder names, of those that
    the tenant lets in. `identity` is who holds it at the identity provider, by signing in there
    (`email:ann@acme.example` or `sub:…`); with one, it has a `token` only where it is asked for.
    """

    name: Annotated[str, Meta(pattern=rf"{ID_PATTERN}(?!\n)")]
    agent: Annotated[Name, Meta(min_length=1)]
    budget: Annotated[tuple[Budget, ...], Meta(min_length=1, max_length=MOST_LIMITS)]
    ttl_s: Annotated[int, Meta(ge=1, le=MOST_DAYS * DAY_S)] = 30 * DAY_S
    tenant: Name = ""
    project: Name = ""
    task: Name = ""
    users: Annotated[tuple[Name, ...], Meta(max_length=MOST_USERS)] = ()
    identity: Name = ""
    token: bool = False


class WhichKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters; an empty one does not filter."""

    tenant: Name = ""
    project: Name = ""


class RevokeKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is taken back."""

    reason: Reason = ""
