"""What the policy paths take."""

from typing import Annotated

import msgspec
from msgspec import Meta

from holdfast.apps.control.wire import Name

MOST_FILES = 256


class AskAgain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which decision to make again: its id, or the id of a call, whose last decision it is then.

    `files` are Cedar files by name, asked in place of what was in force; null for that. `session`
    says where to look; an id of a decision is searched for among all of a tenant without it.
    """

    decision: Annotated[str, Meta(min_length=1, max_length=256)]
    tenant: Name = ""
    session: Name = ""
    files: (
        Annotated[
            dict[Annotated[str, Meta(pattern=r"^[^/\x00]{1,128}\.cedar$(?!\n)")], str],
            Meta(max_length=MOST_FILES),
        ]
        | None
    ) = None
