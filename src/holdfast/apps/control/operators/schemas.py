"""What the paths of operators take."""

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.compose.config.names import ID_PATTERN


class AddOperator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name that is not taken."""

    name: Annotated[str, Meta(pattern=rf"{ID_PATTERN}(?!\n)")]
