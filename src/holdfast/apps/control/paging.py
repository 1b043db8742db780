"""Pages of a list: `?limit=&cursor=` in, `next` out; empty where nothing follows.

A cursor says where a page ended, so that what is added or gone meanwhile moves nothing. It is
opaque to whoever sends it back, and opens nothing: the filters and the token decide what is shown.
"""

import base64
import binascii
from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.wire import MAX_NS
from holdfast.errors import InvalidRequest

Place = tuple[int, str]
"""Time or number of the last entry of a page, and what tells it from others of that number."""
Cursor = Annotated[str, Meta(max_length=1024, description="`next` of the page before")]


def cursor_of(place: Place | None) -> str:
    """The cursor behind a place; empty for None, where nothing follows."""
    if place is None:
        return ""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_of(cursor: str) -> Place | None:
    """Where the page before ended; None for an empty cursor. Errors: InvalidRequest."""
    if not cursor:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        number, name = msgspec.json.decode(raw, type=Place)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise InvalidRequest("that is no cursor of this list", field="cursor") from None
    if not 0 <= number <= MAX_NS:
        raise InvalidRequest("that is no cursor of this list", field="cursor")
    return number, name
