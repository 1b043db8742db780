"""What the paths of stops take: a part of the fleet, by names that must all be true."""

import msgspec

from holdfast.apps.control.wire import Name, Reason


class WhichPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whoever all of this is true of. `tenant` may be left out where there is only one.

    An agent without a tenant is meant in every tenant. `everything` stands alone, and without it
    something is named.
    """

    tenant: Name = ""
    project: Name = ""
    user: Name = ""
    agent: Name = ""
    everything: bool = False


class StopPart(WhichPart, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the fleet, and why it is to stop or to go on."""

    reason: Reason = ""
