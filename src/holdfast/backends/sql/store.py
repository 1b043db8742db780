"""`SqlStore`: the Store port over whatever database; what it is opened by is each one's own.

Not here: SQL, queues, encoding.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from holdfast.backends.sql import purging, queries
from holdfast.backends.sql.database import Connection, Dialect, Readers
from holdfast.backends.sql.lookups import EffectLookups
from holdfast.backends.sql.queries import EffectName
from holdfast.backends.sql.writer import Writer
from holdfast.model.approvals import Approval
from holdfast.model.budgets import AccountKey, AccountState, HoldState, Scope
from holdfast.model.conversations import Conversation, ConversationHead
from holdfast.model.costs import Costs
from holdfast.model.effects import EffectEntry
from holdfast.model.events import Record
from holdfast.model.keys import SpendingKey
from holdfast.model.retention import Compacted, Cuts, PurgeCounts, Purged
from holdfast.model.runs import Run
from holdfast.model.sessions import Session
from holdfast.model.stops import Stop
from holdfast.model.tools import CallRecord
from holdfast.ports.store import (
    ApprovalFilter,
    Change,
    ConversationFilter,
    CostFilter,
    EffectFilter,
    RecordFilter,
    RunFilter,
    SessionFilter,
)
from holdfast.ports.store_refusals import (
    check_account_keys,
    check_approval_filter,
    check_conversation_filter,
    check_cost_filter,
    check_cuts,
    check_effect_filter,
    check_record_filter,
    check_run_filter,
    check_session_filter,
    check_text,
)
from holdfast.ports.store_rows import commit_rows

T = TypeVar("T")


class SqlStore(ABC):
    """Durable storage behind one writer and a few readers.

    What is asked wrongly is refused here (InvalidRequest, TooLarge); every read may raise
    StoreUnavailable.
    """

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        dialect: Dialect,
        fresh: Mapping[EffectName, bytes] = MappingProxyType({}),
    ) -> None:
        self._writer = writer
        self._read = readers.read
        self._dialect = dialect
        self._lookups = EffectLookups(readers, dialect, fresh)

    @property
    def failure(self) -> str:
        """Why the store writes nothing more, empty while all is well (for readiness checks)."""
        return self._writer.failure

    def commit(
        self, records: Sequence[Record] = (), changes: Sequence[Change] = ()
    ) -> asyncio.Future[None]:
        """Queue one commit; ordered by the call itself, durable when the future is done.

        Without records and changes it only waits for all commits before it. Cancelling the
        future does not take the commit back.
        Errors: the call itself raises InvalidRequest or TooLarge, and nothing is queued. The
        future raises Conflict when a session brings another session's token, or a conversation is
        not the version that the change replaces (this commit alone is left out), and
        StoreUnavailable when the commit did not become durable: then every later commit fails
        too, until the process starts again.
        """
        return self._writer.put(commit_rows(records, changes))

    async def records(self, where: RecordFilter) -> list[Record]:
        """Journal records of one tenant by rising `seq`."""
        check_record_filter(where)
        return await self._read(queries.records(self._dialect, where))

    async def costs(self, where: CostFilter) -> Costs:
        """What journal records settled, added up."""
        check_cost_filter(where)
        return await self._read(queries.costs(self._dialect, where))

    async def sessions(self, where: SessionFilter) -> list[Session]:
        """Sessions, newest first."""
        check_session_filter(where)
        return await self._read(queries.sessions(self._dialect, where))

    async def session(self, session_id: str) -> Session | None:
        """One session by id."""
        check_text((session_id,), "the session id")
        return await self._read(queries.session(session_id))

    async def session_by_token(self, token_digest: str) -> Session | None:
        """One session by the digest of its token."""
        check_text((token_digest,), "the digest")
        return await self._read(queries.session_by_token(token_digest))

    async def calls(self, session_id: str) -> list[CallRecord]:
        """Calls of a session in the order in which they were first committed."""
        check_text((session_id,), "the session id")
        return await self._read(queries.calls(session_id))

    async def run(self, run_id: str) -> Run | None:
        """One run by id."""
        check_text((run_id,), "the run id")
        return await self._read(queries.run(run_id))

    async def runs(self, where: RunFilter) -> list[Run]:
        """Runs, newest first."""
        check_run_filter(where)
        return await self._read(queries.runs(self._dialect, where))

    async def effect(self, tenant: str, key: str) -> EffectEntry | None:
        """One entry of the effects ledger."""
        check_text((tenant, key), "the effect's key")
        return await self._lookups.find((tenant, key))

    async def effects(self, session_id: str) -> list[EffectEntry]:
        """Entries of one session, oldest intent first, then by key."""
        check_text((session_id,), "the session id")
        return await self._read(queries.effects(session_id))

    async def unknown_effects(self, where: EffectFilter) -> list[EffectEntry]:
        """Entries that nobody knows the outcome of, newest first."""
        check_effect_filter(where)
        return await self._read(queries.unknown_effects(self._dialect, where))

    async def sessions_left_open(self, limit: int) -> list[str]:
        """Ids of active and paused sessions with an effect that is intended."""
        return await self._read(queries.sessions_left_open(limit))

    async def approval(self, approval_id: str) -> Approval | None:
        """One approval by id."""
        check_text((approval_id,), "the approval id")
        return await self._read(queries.approval(approval_id))

    async def approvals(self, where: ApprovalFilter) -> list[Approval]:
        """Approvals, newest first."""
        check_approval_filter(where)
        return await self._read(queries.approvals(self._dialect, where))

    async def conversation(self, tenant: str, user: str, name: str) -> Conversation | None:
        """One conversation, expired or not."""
        check_text((tenant, user, name), "the conversation's name")
        return await self._read(queries.conversation(tenant, user, name))

    async def conversations(self, where: ConversationFilter) -> list[ConversationHead]:
        """Conversations of one user by rising name."""
        check_conversation_filter(where)
        return await self._read(queries.conversations(where))

    async def accounts(self, keys: Sequence[AccountKey] | None = None) -> list[AccountState]:
        """All accounts, or those of `keys`, by key; `held` is counted from the open holds."""
        check_account_keys(keys or ())
        return await self._read(queries.accounts(self._dialect, keys))

    async def account_keys(
        self, scope: Scope, tenant: str, after: str, limit: int
    ) -> list[AccountKey]:
        """Keys of a scope's accounts in the order of their text, those behind `after`."""
        check_text((tenant, after), "the filter")
        return await self._read(queries.account_keys(self._dialect, scope, tenant, after, limit))

    async def holds(self) -> list[HoldState]:
        """Every open reservation, oldest first."""
        return await self._read(queries.holds())

    async def spending_keys(self) -> list[SpendingKey]:
        """Every spending key, by name."""
        return await self._read(queries.spending_keys())

    async def stops(self) -> list[Stop]:
        """Stops that stand, oldest first."""
        return await self._read(queries.stops())

    async def last_at_ns(self) -> int:
        """Time of the newest journal record, 0 when there is none."""
        return await self._read(queries.last_at_ns())

    async def purge(self, cuts: Cuts, *, now_ns: int, limit: int) -> Purged:
        """One step of deleting what is old; see `ports.store.Store.purge`."""
        check_cuts(cuts, now_ns, limit)
        step = partial(purging.purge, cuts=cuts, now_ns=now_ns, limit=limit)
        purged: Purged = await self._writer.act(step)
        return purged

    async def purgeable(self, cuts: Cuts) -> PurgeCounts:
        """What `purge` would delete in all."""
        check_cuts(cuts)
        # What was queued before is part of the answer.
        await self.commit()
        return await self._tried(partial(purging.purgeable, cuts=cuts))

    @abstractmethod
    async def _tried(self, work: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """Work on a connection of its own that has temporary tables. Errors: StoreUnavailable."""

    @abstractmethod
    async def compact(self, at_most_bytes: int) -> Compacted:
        """Give free space back to the disk, at most so much; ordered with commits."""

    @abstractmethod
    async def close(self) -> None:
        """Finish queued commits, close, and give the store free; idempotent."""
