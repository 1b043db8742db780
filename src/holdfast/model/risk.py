"""How dangerous a tool call is, and why: the words every risk classifier shares.

Only the nouns live here. The rules that raise a level are in ``core.risk``; what a
level leads to (allow, ask, deny) is for policy to say.
"""

import enum

import msgspec


class RiskLevel(enum.IntEnum):
    """Ordered, so that the risk of several things is their ``max``."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    BLOCK = 3


class RiskReason(msgspec.Struct, frozen=True):
    """One thing that raised a level.

    ``code`` is stable and dotted (``shell.recursive_delete``), ``text`` is one lower-case
    sentence for a person, ``where`` is the offending part as it was written, bounded.
    """

    code: str
    text: str
    level: RiskLevel
    where: str
