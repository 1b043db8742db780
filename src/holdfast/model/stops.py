"""Stops: what holds a part of the fleet, of whoever works in it, now and from now on."""

import enum

import msgspec


class StopKind(enum.StrEnum):
    """What a stop does to the sessions that it finds: they wait for its end, or are over."""

    PAUSE = "pause"
    KILL = "kill"


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the fleet: the sessions of which all that is named here is true, to the letter.

    What is empty is not asked about; where all of it is, that is everything.
    """

    tenant: str = ""
    project: str = ""
    user: str = ""
    agent: str = ""

    @property
    def key(self) -> str:
        """What tells it from every other, whatever stands in the names."""
        return msgspec.json.encode(msgspec.structs.astuple(self)).decode()

    def __str__(self) -> str:
        """In words: `user ann and agent support in acme/shop`, or `everything`."""
        place = "/".join(filter(None, (self.tenant, self.project)))
        named = [("user", self.user), ("agent", self.agent)]
        who = " and ".join(f"{noun} {name}" for noun, name in named if name)
        if who:
            return f"{who} in {place}" if place else who
        if not place:
            return "everything"
        return f"{'project' if self.project else 'tenant'} {place}"


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A standing order: no session within its reach opens or acts, until somebody lifts it.

    There is one for each reach; `stop_id` tells which it is this time. `lifted_at_ns` is 0 while it
    stands.
    """

    stop_id: str
    reach: Reach
    kind: StopKind
    by: str
    reason: str
    at_ns: int
    lifted_at_ns: int = 0
