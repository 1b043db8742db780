"""What moves a clock."""

from typing import Annotated

import msgspec
from msgspec import Meta

_YEARS_S = 100 * 366 * 86_400


class MoveClock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of both: how long passes at once, or which moment it is then (UTC nanoseconds)."""

    advance_s: Annotated[float, Meta(ge=0, le=_YEARS_S)] | None = None
    to_ns: Annotated[int, Meta(ge=0, le=2**62)] | None = None
