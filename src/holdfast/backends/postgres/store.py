"""`PostgresStore`: the Store port on one database of a Postgres server.

One Holdfast server owns the store: it holds an advisory lock on the connection that writes, so
that whoever loses the connection can write nothing any more, and another may begin. Not here:
SQL, queues, encoding.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from holdfast.backends.postgres import connections, purging, queries
from holdfast.backends.postgres.batch import Counters
from holdfast.backends.postgres.connections import Connection
from holdfast.backends.postgres.owning import Owned, owning
from holdfast.backends.postgres.readers import MAX_READERS, Readers
from holdfast.backends.postgres.writer import Writer
from holdfast.model.budgets import AccountKey, AccountState, HoldState
from holdfast.model.conversations import Conversation, ConversationHead
from holdfast.model.effects import EffectEntry
from holdfast.model.events import Record
from holdfast.model.retention import Compacted, Cuts, PurgeCounts, Purged
from holdfast.model.runs import Run
from holdfast.model.sessions import Session
from holdfast.model.tools import CallRecord
from holdfast.ports.clock import Clock
from holdfast.ports.store import (
    Change,
    ConversationFilter,
    RecordFilter,
    RunFilter,
    SessionFilter,
)
from holdfast.ports.store_refusals import (
    check_account_keys,
    check_conversation_filter,
    check_cuts,
    check_record_filter,
    check_run_filter,
    check_session_filter,
    check_text,
)
from holdfast.ports.store_rows import commit_rows


class PostgresStore:
    """Durable storage in one database; made by `open`, and used in the loop that opened it."""

    def __init__(self, url: str, owned: Owned, readers: Readers, counters: Counters) -> None:
        self._url = url
        self._connection, self._store_id = owned
        self._readers = readers
        self._writer = Writer(self._connection, counters)
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, clock: Clock) -> "PostgresStore":
        """Own the database at `url`, brought to the newest schema.

        Errors: ConfigInvalid for an address that cannot be used; Conflict when another server
        owns it; StoreUnavailable when it cannot be reached or written, would forget what it
        acknowledged, is not Holdfast's, or is newer than this Holdfast.
        """
        async with owning(url, clock) as owned:
            counters = await _counters(owned.connection)
            readers = Readers(await connections.open_readers(url, MAX_READERS))
            return cls(url, owned, readers, counters)

    @property
    def failure(self) -> str:
        """Why the store writes nothing more, empty while all is well (for readiness checks)."""
        return self._writer.failure

    @property
    def store_id(self) -> str:
        """Tells this store from every other, whatever address it is reached at."""
        return self._store_id

    def commit(
        self, records: Sequence[Record] = (), changes: Sequence[Change] = ()
    ) -> asyncio.Future[None]:
        """Queue one commit; ordered by the call itself, durable when the future is done.

        Without records and changes it only waits for all commits before it. Cancelling the
        future does not take the commit back.
        Errors: the call itself raises InvalidRequest or TooLarge, and nothing is queued. The
        future raises Conflict when a session brings another session's token (this commit alone
        is left out), StoreUnavailable when the commit did not become durable: then every later
        commit fails too, until the process starts again.
        """
        return self._writer.put(commit_rows(records, changes))

    async def records(self, where: RecordFilter) -> list[Record]:
        """Journal records of one tenant by rising `seq`.

        Errors: InvalidRequest for an empty tenant or a filter out of range, StoreUnavailable.
        """
        check_record_filter(where)
        return await self._readers.read(lambda connection: queries.records(connection, where))

    async def sessions(self, where: SessionFilter) -> list[Session]:
        """Sessions, newest first. Errors: InvalidRequest, StoreUnavailable."""
        check_session_filter(where)
        return await self._readers.read(lambda connection: queries.sessions(connection, where))

    async def session(self, session_id: str) -> Session | None:
        """One session by id. Errors: InvalidRequest, StoreUnavailable."""
        check_text((session_id,), "the session id")
        return await self._readers.read(lambda connection: queries.session(connection, session_id))

    async def session_by_token(self, token_digest: str) -> Session | None:
        """One session by the digest of its token. Errors: InvalidRequest, StoreUnavailable."""
        check_text((token_digest,), "the digest")
        return await self._readers.read(
            lambda connection: queries.session_by_token(connection, token_digest)
        )

    async def calls(self, session_id: str) -> list[CallRecord]:
        """Calls of a session in the order in which they were first committed."""
        check_text((session_id,), "the session id")
        return await self._readers.read(lambda connection: queries.calls(connection, session_id))

    async def run(self, run_id: str) -> Run | None:
        """One run by id. Errors: InvalidRequest, StoreUnavailable."""
        check_text((run_id,), "the run id")
        return await self._readers.read(lambda connection: queries.run(connection, run_id))

    async def runs(self, where: RunFilter) -> list[Run]:
        """Runs, newest first. Errors: InvalidRequest, StoreUnavailable."""
        check_run_filter(where)
        return await self._readers.read(lambda connection: queries.runs(connection, where))

    async def effect(self, tenant: str, key: str) -> EffectEntry | None:
        """One entry of the effects ledger. Errors: InvalidRequest, StoreUnavailable."""
        check_text((tenant, key), "the effect's key")
        return await self._readers.read(lambda connection: queries.effect(connection, tenant, key))

    async def effects(self, session_id: str) -> list[EffectEntry]:
        """Entries of one session, oldest intent first, then by key."""
        check_text((session_id,), "the session id")
        return await self._readers.read(lambda connection: queries.effects(connection, session_id))

    async def conversation(self, tenant: str, user: str, name: str) -> Conversation | None:
        """One conversation, expired or not. Errors: InvalidRequest, StoreUnavailable."""
        check_text((tenant, user, name), "the conversation's name")
        return await self._readers.read(
            lambda connection: queries.conversation(connection, tenant, user, name)
        )

    async def conversations(self, where: ConversationFilter) -> list[ConversationHead]:
        """Conversations of one user by rising name. Errors: InvalidRequest, StoreUnavailable."""
        check_conversation_filter(where)
        return await self._readers.read(lambda connection: queries.conversations(connection, where))

    async def purge(self, cuts: Cuts, *, now_ns: int, limit: int) -> Purged:
        """One step of deleting what is old; see `ports.store.Store.purge`."""
        check_cuts(cuts, now_ns, limit)
        purged: Purged = await self._writer.act(
            partial(purging.purge, cuts=cuts, now_ns=now_ns, limit=limit)
        )
        return purged

    async def purgeable(self, cuts: Cuts) -> PurgeCounts:
        """What `purge` would delete in all. Errors: InvalidRequest, StoreUnavailable."""
        check_cuts(cuts)
        # What was queued before is part of the answer.
        await self.commit()
        # The readers' own connections cannot write even beside the tables.
        connection = await connections.connect(self._url)
        try:
            return await purging.purgeable(connection, cuts)
        except connections.FAULTS as error:
            raise connections.unavailable(error) from error
        finally:
            await connection.close()

    async def compact(self, at_most_bytes: int) -> Compacted:
        """Nothing: Postgres gives space back by itself, to new rows first."""
        await self.commit()
        return Compacted()

    async def accounts(self, keys: Sequence[AccountKey] | None = None) -> list[AccountState]:
        """All accounts, or those of `keys`, by key; `held` is counted from the open holds."""
        check_account_keys(keys or ())
        return await self._readers.read(lambda connection: queries.accounts(connection, keys))

    async def holds(self) -> list[HoldState]:
        """Every open reservation, oldest first."""
        return await self._readers.read(queries.holds)

    async def last_at_ns(self) -> int:
        """Time of the newest journal record, 0 when there is none."""
        return await self._readers.read(queries.last_at_ns)

    async def close(self) -> None:
        """Finish queued commits, close, and give the store free; idempotent."""
        await self._writer.stop()
        if self._closed:
            return
        self._closed = True
        if self._writer.failure:
            # What is broken has nothing to say goodbye to, and must not hold its owner up.
            self._readers.cut()
            self._connection.terminate()
            return
        await self._readers.close()
        try:
            await self._connection.close(timeout=connections.CONNECT_TIMEOUT_S)
        except connections.FAULTS:
            self._connection.terminate()


async def _counters(connection: Connection) -> Counters:
    seq = await connection.fetchval("SELECT coalesce(max(seq), 0) FROM journal")
    position = await connection.fetchval("SELECT coalesce(max(position), 0) FROM calls")
    return Counters(seq=int(seq), position=int(position))
