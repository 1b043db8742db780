"""What the paths of sign-ins at an identity provider take. All of it comes from strangers."""

from typing import Annotated

import msgspec
from msgspec import Meta

Held = Annotated[str, Meta(max_length=4096)]


class OpenIdentity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a browser came back with, and what it held; `issuer` where the provider says it."""

    held: Annotated[str, Meta(max_length=256)]
    state: Annotated[str, Meta(max_length=256)]
    code: Annotated[str, Meta(max_length=2048)]
    issuer: Annotated[str, Meta(max_length=2048)] = ""


class OpenDevice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a terminal holds of a sign-in; `key` is whose holder it wants to be, where several."""

    held: Held
    key: Annotated[str, Meta(max_length=64)] = ""
