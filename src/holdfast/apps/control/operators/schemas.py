"""What the paths of operators take."""

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.wire import Name
from holdfast.compose.config.names import ID_PATTERN
from holdfast.model.operators import Role

MOST_PLACES = 100


class AddOperator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name that is not taken, what they may do, and where: tenants, or `tenant/project`.

    `within` empty is everywhere. `identity` is who they are to the identity provider,
    `email:ann@acme.example` or `sub:…`; with one, they get a `token` only where it is asked for.
    """

    name: Annotated[str, Meta(pattern=rf"{ID_PATTERN}(?!\n)")]
    role: Role = Role.OPERATOR
    within: Annotated[tuple[Name, ...], Meta(max_length=MOST_PLACES)] = ()
    identity: Name = ""
    token: bool = False
