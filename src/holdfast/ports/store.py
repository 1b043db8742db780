"""What the server needs of durable storage: one ordered stream of writes, and indexed reads.

A *commit* is a set of journal records and state changes that become durable together. Commits
are applied in the order of the calls to `commit`, so what is on disk is always a prefix of what
happened in memory. Not here: SQL, encoding.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from holdfast.model.approvals import Approval, ApprovalState
from holdfast.model.budgets import AccountKey, AccountState, HoldState, Scope
from holdfast.model.conversations import Conversation, ConversationClosed, ConversationHead
from holdfast.model.costs import CostBy, Costs
from holdfast.model.effects import EffectEntry
from holdfast.model.events import Kind, Record
from holdfast.model.keys import SpendingKey
from holdfast.model.retention import Compacted, Cuts, PurgeCounts, Purged
from holdfast.model.runs import Run, RunState
from holdfast.model.sessions import Session, SessionState
from holdfast.model.stops import Stop
from holdfast.model.tools import CallRecord


class HoldClosed(msgspec.Struct, frozen=True):
    """The reservation is settled or released."""

    hold_id: str


Change = (
    AccountState
    | HoldState
    | HoldClosed
    | Session
    | CallRecord
    | Run
    | EffectEntry
    | Approval
    | Conversation
    | ConversationClosed
    | SpendingKey
    | Stop
)
"""A state to keep: each replaces what was stored under its key."""


class RecordFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which journal records to read; empty fields do not filter.

    `tenant` is always applied: no read crosses a tenant. Empty, it is the server's own records
    that are meant, those of no tenant, and `of_server` has to say so. Times are UTC nanoseconds,
    `from_ns` inclusive, `until_ns` exclusive. `after_seq` pages forward. With `latest` the last
    `limit` of those that match are meant, by rising `seq` still, and `before_seq` pages back.
    """

    tenant: str
    of_server: bool = False
    user: str = ""
    session: str = ""
    agent: str = ""
    tool: str = ""
    call_id: str = ""
    kinds: tuple[Kind, ...] = ()
    from_ns: int = 0
    until_ns: int = 2**63 - 1
    after_seq: int = 0
    before_seq: int = 0
    latest: bool = False
    limit: int = 1000


class CostFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent, told apart by `by`; empty fields do not filter.

    An empty tenant is the operator's. Times as of a RecordFilter; `limit` is how many of the
    dearest parts are shown.
    """

    by: tuple[CostBy, ...]
    tenant: str = ""
    project: str = ""
    user: str = ""
    agent: str = ""
    session: str = ""
    from_ns: int = 0
    until_ns: int = 2**63 - 1
    limit: int = 1000


class SessionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which sessions to list; empty fields do not filter (an empty tenant is the operator's).

    `before` pages on: when the last session of the page before was opened, and its id.
    """

    tenant: str = ""
    project: str = ""
    user: str = ""
    states: tuple[SessionState, ...] = ()
    before: tuple[int, str] | None = None
    limit: int = 200


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs to list; empty fields do not filter (an empty tenant is the operator's).

    `before` pages on: what was submitted when, and the id, of the last run of the page before.
    """

    tenant: str = ""
    project: str = ""
    user: str = ""
    session: str = ""
    batch: str = ""
    states: tuple[RunState, ...] = ()
    before: tuple[int, str] | None = None
    limit: int = 200


class EffectFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which unknown effects to list; an empty tenant is the operator's.

    `before` pages on: when the last effect of the page before became unknown, and its key.
    """

    tenant: str = ""
    before: tuple[int, str] | None = None
    limit: int = 200


class ApprovalFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which approvals to list; empty fields do not filter (an empty tenant is the operator's).

    `before` pages on: when the last approval of the page before was asked for, and its id.
    """

    tenant: str = ""
    project: str = ""
    session: str = ""
    states: tuple[ApprovalState, ...] = ()
    before: tuple[int, str] | None = None
    limit: int = 200


class ConversationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which conversations of one user of one tenant to list.

    `prefix` is how their names begin, `after` pages forward by name. Those that had expired at
    `live_at_ns` are left out.
    """

    tenant: str
    user: str
    prefix: str = ""
    after: str = ""
    live_at_ns: int = 0
    limit: int = 200


class Store(Protocol):
    """Durable storage behind one writer."""

    @property
    def failure(self) -> str:
        """Why nothing more is written until a restart; empty while all is well."""
        ...

    def commit(
        self, records: Sequence[Record] = (), changes: Sequence[Change] = ()
    ) -> asyncio.Future[None]:
        """Queue one commit; ordered by the call itself, durable when the future is done.

        Without records and changes it only waits for all commits before it. Cancelling the
        awaitable does not take the commit back.
        Errors: the call itself raises InvalidRequest or TooLarge, and nothing is queued. The
        awaitable raises Conflict when a session brings another session's token, or a conversation
        is not the version that the change replaces (this commit alone is left out), and
        StoreUnavailable when the commit did not become durable; the caller must then allow nothing
        that depended on it. Memory is ahead of the disk from there on, so the store refuses every
        later commit too, until the process starts again.
        """
        ...

    async def records(self, where: RecordFilter) -> list[Record]:
        """Journal records by rising `seq`."""
        ...

    async def costs(self, where: CostFilter) -> Costs:
        """What journal records settled, added up; parts of one price by their names."""
        ...

    async def sessions(self, where: SessionFilter) -> list[Session]:
        """Sessions, newest first."""
        ...

    async def session(self, session_id: str) -> Session | None:
        """One session by id."""
        ...

    async def session_by_token(self, token_digest: str) -> Session | None:
        """One session by the digest of its token."""
        ...

    async def calls(self, session_id: str) -> list[CallRecord]:
        """Every call of a session, oldest first."""
        ...

    async def run(self, run_id: str) -> Run | None:
        """One run by id."""
        ...

    async def runs(self, where: RunFilter) -> list[Run]:
        """Runs, newest first; those submitted at the same time by falling id."""
        ...

    async def effect(self, tenant: str, key: str) -> EffectEntry | None:
        """One entry of the effects ledger."""
        ...

    async def effects(self, session_id: str) -> list[EffectEntry]:
        """Every entry whose last attempt was this session's, oldest intent first, then by key."""
        ...

    async def unknown_effects(self, where: EffectFilter) -> list[EffectEntry]:
        """Entries that nobody knows the outcome of, newest first; of one time by falling key."""
        ...

    async def sessions_left_open(self, limit: int) -> list[str]:
        """Ids of active and paused sessions with an effect that is intended, at most so many."""
        ...

    async def approval(self, approval_id: str) -> Approval | None:
        """One approval by id."""
        ...

    async def approvals(self, where: ApprovalFilter) -> list[Approval]:
        """Approvals, newest first; those asked for at the same time by falling id."""
        ...

    async def conversation(self, tenant: str, user: str, name: str) -> Conversation | None:
        """One conversation, expired or not."""
        ...

    async def conversations(self, where: ConversationFilter) -> list[ConversationHead]:
        """Conversations by rising name (bytes of UTF-8), without their text."""
        ...

    async def purge(self, cuts: Cuts, *, now_ns: int, limit: int) -> Purged:
        """Delete what is old and needed by nothing, at most `limit` of each sort; all or nothing.

        One step: call again until it deleted nothing, since what one step deletes may be what the
        next one's had to be kept for. Ordered with the commits. It deletes

        - a run that is over, changed before `cuts.sessions_ns`, of a session that has ended, done
          again or branched from by no run, and in no batch that has a run which is open or newer;
        - the calls of a session that ended before `cuts.sessions_ns`, that has no run and no
          effect that is intended or unknown, and that no session continues but purged ones; the
          session stays, with `purged_at_ns` set to `now_ns`;
        - an effect that is done or failed, changed before `cuts.effects_ns`, of a session that
          ended before it and has no run, in a task without a session that is active or paused and
          without a run that is not over;
        - a conversation that had expired at `cuts.expired_ns`, or was saved before
          `cuts.saved_ns`.

        Errors: InvalidRequest; StoreUnavailable, and then nothing of this step is deleted (the
        store goes on, memory rests on nothing of it).
        """
        ...

    async def purgeable(self, cuts: Cuts) -> PurgeCounts:
        """What `purge`, repeated to its end, would delete now; nothing is changed."""
        ...

    async def compact(self, at_most_bytes: int) -> Compacted:
        """Give free space back to the disk, at most so much in this step; ordered with commits.

        A store whose database does that by itself frees nothing here.
        """
        ...

    async def accounts(self, keys: Sequence[AccountKey] | None = None) -> list[AccountState]:
        """Accounts in the order of their keys' text: those of `keys` that there are, or all.

        `held` is counted from the open holds.
        """
        ...

    async def account_keys(
        self, scope: Scope, tenant: str, after: str, limit: int
    ) -> list[AccountKey]:
        """Keys of a scope's accounts in the order of their text, those behind the text `after`.

        An empty tenant means those of all.
        """
        ...

    async def holds(self) -> list[HoldState]:
        """Every open reservation, for the ledger's start."""
        ...

    async def spending_keys(self) -> list[SpendingKey]:
        """Every spending key, by name, those that are over too."""
        ...

    async def stops(self) -> list[Stop]:
        """The stops that stand, oldest first; of one time by the key of their reach."""
        ...

    async def last_at_ns(self) -> int:
        """Time of the newest journal record, 0 when there is none."""
        ...

    async def close(self) -> None:
        """Finish queued commits and close; idempotent."""
        ...
