"""What is deleted once it is old: working state, never the journal."""

import msgspec


class Cuts(msgspec.Struct, frozen=True, kw_only=True):
    """What is old enough: whatever ended before, as UTC nanoseconds; 0 deletes nothing.

    `sessions_ns` is for the calls of ended sessions and for runs that are over, `effects_ns` for
    entries of the effects ledger, `saved_ns` for conversations by their last save. Conversations
    that had expired at `expired_ns` go whatever their age.
    """

    sessions_ns: int = 0
    effects_ns: int = 0
    saved_ns: int = 0
    expired_ns: int = 0


class Purged(msgspec.Struct, frozen=True, kw_only=True):
    """What one purge deleted: ids of runs, sessions whose calls went, names of effects, counts."""

    runs: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    effects: tuple[tuple[str, str], ...] = ()
    calls: int = 0
    conversations: int = 0

    @property
    def nothing(self) -> bool:
        """Whether there was nothing left to delete."""
        return not (self.runs or self.sessions or self.effects or self.conversations)


class PurgeCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How much a purge deletes, or would."""

    sessions: int = 0
    calls: int = 0
    runs: int = 0
    effects: int = 0
    conversations: int = 0


class Compacted(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes given back to the disk by one step, and those that are free inside and still kept."""

    freed_bytes: int = 0
    free_bytes: int = 0
