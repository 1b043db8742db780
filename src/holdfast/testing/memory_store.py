"""A Store in memory that behaves like the durable one, and fails on request.

What is kept is what passed through JSON, as on a disk; what is not yet durable is not readable.
`fail_commits`, `hold_commits` and `crashed` show a caller what a full disk, a slow disk and a
crash do. Not for production: nothing survives the process.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from holdfast.errors import Conflict, HoldfastError, InvalidRequest, StoreUnavailable
from holdfast.model.approvals import Approval
from holdfast.model.budgets import AccountKey, AccountState, HoldState, Scope, account_texts
from holdfast.model.conversations import Conversation, ConversationClosed, ConversationHead
from holdfast.model.costs import Costs
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.events import Record
from holdfast.model.keys import SpendingKey
from holdfast.model.retention import Compacted, Cuts, PurgeCounts, Purged
from holdfast.model.runs import Run
from holdfast.model.sessions import Session, SessionState
from holdfast.model.stops import Stop
from holdfast.model.tools import CallRecord
from holdfast.ports.store import (
    ApprovalFilter,
    Change,
    ConversationFilter,
    CostFilter,
    EffectFilter,
    HoldClosed,
    RecordFilter,
    RunFilter,
    SessionFilter,
)
from holdfast.ports.store_refusals import (
    MAX_PURGED_ROWS,
    check_account,
    check_account_keys,
    check_approval_filter,
    check_conversation,
    check_conversation_filter,
    check_cost_filter,
    check_cuts,
    check_effect_filter,
    check_hold_closed,
    check_record_filter,
    check_run_filter,
    check_session_filter,
    check_text,
    record_body,
    state_json,
)
from holdfast.testing import memory_purge as rules
from holdfast.testing.memory_costs import added_up
from holdfast.testing.memory_records import selected


class _Durable:
    """What the disk would hold."""

    def __init__(self) -> None:
        self.journal: list[Record] = []
        self.sessions: dict[str, Session] = {}
        self.tokens: dict[str, str] = {}
        self.calls: dict[tuple[str, str], CallRecord] = {}
        self.accounts: dict[AccountKey, AccountState] = {}
        self.holds: dict[str, HoldState] = {}
        self.runs: dict[str, Run] = {}
        self.effects: dict[tuple[str, str], EffectEntry] = {}
        self.approvals: dict[str, Approval] = {}
        self.conversations: dict[tuple[str, str, str], Conversation] = {}
        self.keys: dict[str, SpendingKey] = {}
        self.stops: dict[str, Stop] = {}

    def apply(self, records: Sequence[Record], changes: Sequence[Change]) -> None:
        """All of one commit, or nothing.

        Errors: Conflict for another session's token, or a conversation that is another version.
        """
        conversations = self._conversations_after(changes)
        self._take_sessions([change for change in changes if isinstance(change, Session)])
        self.conversations = conversations
        for record in records:
            self.journal.append(msgspec.structs.replace(record, seq=len(self.journal) + 1))
        for change in changes:
            if isinstance(change, AccountState):
                self.accounts[change.key] = change
            elif isinstance(change, HoldState):
                self.holds[change.hold_id] = change
            elif isinstance(change, HoldClosed):
                self.holds.pop(change.hold_id, None)
            elif isinstance(change, CallRecord):
                self.calls[change.session, change.call_id] = change
            elif isinstance(change, Run):
                self.runs[change.run_id] = change
            elif isinstance(change, EffectEntry):
                self.effects[change.tenant, change.key] = change
            elif isinstance(change, Approval):
                self.approvals[change.approval_id] = change
            elif isinstance(change, SpendingKey):
                self.keys[change.name] = change
            elif isinstance(change, Stop):
                self.stops[change.reach.key] = change

    def _conversations_after(
        self, changes: Sequence[Change]
    ) -> dict[tuple[str, str, str], Conversation]:
        kept = self.conversations
        for change in changes:
            if not isinstance(change, Conversation | ConversationClosed):
                continue
            key = (change.tenant, change.user, change.name)
            before = kept.get(key)
            if isinstance(change, Conversation):
                over = before is not None and before.expires_at_ns <= change.saved_at_ns
                stands = 0 if before is None or over else before.version
            else:
                stands = -1 if before is None else before.version
            if stands != change.replaces:
                raise Conflict("the conversation was changed meanwhile")
            kept = {name: one for name, one in kept.items() if name != key}
            if isinstance(change, Conversation):
                kept[key] = change
        return kept

    def purge(self, cuts: Cuts, now_ns: int, limit: int) -> Purged:
        """One step, as a database does it."""
        kept = rules.Kept(self.sessions, self.runs, self.effects)
        runs = rules.runs_to_purge(kept, cuts, limit)
        for run_id in runs:
            del self.runs[run_id]
        sessions = rules.sessions_to_purge(kept, cuts, limit)
        for name in sessions:
            self.sessions[name] = msgspec.structs.replace(self.sessions[name], purged_at_ns=now_ns)
        calls = [key for key in self.calls if key[0] in sessions]
        for call in calls:
            del self.calls[call]
        kept_approvals = self.approvals.items()
        self.approvals = {key: one for key, one in kept_approvals if one.session not in sessions}
        effects = rules.effects_to_purge(kept, cuts, limit)
        for entry in effects:
            del self.effects[entry]
        gone = rules.conversations_to_purge(self.conversations.values(), cuts, limit)
        for one in gone:
            del self.conversations[one]
        return Purged(
            runs=tuple(runs),
            sessions=tuple(sessions),
            effects=tuple(effects),
            calls=len(calls),
            conversations=len(gone),
        )

    def copy(self) -> "_Durable":
        """The same, to try something on."""
        other = _Durable()
        other.journal, other.tokens = self.journal, self.tokens
        other.sessions, other.calls = dict(self.sessions), dict(self.calls)
        other.runs, other.effects = dict(self.runs), dict(self.effects)
        other.conversations, other.approvals = dict(self.conversations), dict(self.approvals)
        return other

    def _take_sessions(self, sessions: Sequence[Session]) -> None:
        if not sessions:
            return
        kept, tokens = dict(self.sessions), dict(self.tokens)
        for session in sessions:
            before = kept.get(session.session_id)
            if before is not None:
                tokens.pop(before.token_digest, None)
            if tokens.get(session.token_digest, session.session_id) != session.session_id:
                raise Conflict("the token of the session is another session's")
            kept[session.session_id] = session
            if session.token_digest:
                tokens[session.token_digest] = session.session_id
        self.sessions, self.tokens = kept, tokens


class _Queued:
    __slots__ = ("changes", "future", "job", "records")

    def __init__(
        self,
        records: list[Record],
        changes: list[Change],
        future: asyncio.Future[Any],
        job: Callable[[], Any] | None = None,
    ) -> None:
        self.records = records
        self.changes = changes
        self.future = future
        self.job = job


class MemoryStore:
    """The Store port in memory. One event loop at a time."""

    def __init__(self) -> None:
        self._durable = _Durable()
        self._queue: deque[_Queued] = deque()
        self._held = False
        self._closed = False
        self._failure = ""
        self._read_failure = ""
        self._good_commits = -1  # below zero: no fault is due
        self._fault = ""

    # --- faults ------------------------------------------------------------------------------
    @property
    def failure(self) -> str:
        """Why nothing more is written, empty while all is well."""
        return self._failure

    @property
    def journal(self) -> tuple[Record, ...]:
        """Every durable record of every tenant, for a test to look at."""
        return tuple(self._durable.journal)

    def fail_commits(self, reason: str = "the disk is full", *, after: int = 0) -> None:
        """Let `after` more commits become durable, then fail-stop, as on a full disk."""
        self._good_commits = after
        self._fault = reason

    def fail_reads(self, reason: str = "the disk refused to read or write") -> None:
        """Every read fails from now on; an empty reason heals it."""
        self._read_failure = reason

    def hold_commits(self) -> None:
        """Queue commits without making them durable, as on a disk that hangs."""
        self._held = True

    def release_commits(self) -> None:
        """Make what is queued durable, in order, and go on."""
        self._held = False
        self._flush()

    def crashed(self) -> "MemoryStore":
        """What the next process finds: the durable part, without what was only queued.

        This store fails from now on; nobody who still waits on it gets an answer of success.
        """
        after = MemoryStore()
        after._durable = self._durable  # the same disk
        self._durable = _Durable()
        self._failure = "the process crashed"
        self.release_commits()
        return after

    # --- the port ----------------------------------------------------------------------------
    def commit(
        self, records: Sequence[Record] = (), changes: Sequence[Change] = ()
    ) -> asyncio.Future[None]:
        """Queue one commit, durable at the loop's next turn; errors as for `SqliteStore.commit`."""
        kept_records = [_kept_record(record) for record in records]
        kept_changes = [_kept_change(change) for change in changes]
        return self._put(kept_records, kept_changes)

    def _put(
        self,
        records: list[Record],
        changes: list[Change],
        job: Callable[[], Any] | None = None,
    ) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if self._failure or self._closed:
            future.set_exception(StoreUnavailable(self._failure or "the store is closed"))
            return future
        self._queue.append(_Queued(records, changes, future, job))
        if not self._held:
            loop.call_soon(self._flush)
        return future

    def _flush(self) -> None:
        while self._queue and not self._held:
            queued = self._queue.popleft()
            error: HoldfastError | None = None
            result: Any = None
            try:
                if queued.job is None:
                    self._write(queued)
                else:
                    result = self._acted(queued.job)
            except HoldfastError as refused:
                error = refused
            if queued.future.done():
                continue
            if error is None:
                queued.future.set_result(result)
            else:
                queued.future.set_exception(error)

    def _write(self, queued: _Queued) -> None:
        if self._good_commits == 0 and not self._failure:
            self._failure = f"a commit did not become durable: {self._fault}; restart to go on"
        if self._failure:
            raise StoreUnavailable(self._failure)
        if self._good_commits > 0:
            self._good_commits -= 1
        self._durable.apply(queued.records, queued.changes)

    def _acted(self, job: Callable[[], Any]) -> Any:
        """Work of its own among the commits; a fault of it stops nothing else."""
        if self._failure:
            raise StoreUnavailable(self._failure)
        if self._good_commits == 0:
            raise StoreUnavailable(self._fault)
        return job()

    def _check_readable(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._read_failure:
            raise StoreUnavailable(self._read_failure)

    async def records(self, where: RecordFilter) -> list[Record]:
        """Journal records of one tenant by rising `seq`."""
        check_record_filter(where)
        self._check_readable()
        return selected(self._durable.journal, where)

    async def costs(self, where: CostFilter) -> Costs:
        """What journal records settled, added up."""
        check_cost_filter(where)
        self._check_readable()
        return added_up(self._durable.journal, where)

    async def sessions(self, where: SessionFilter) -> list[Session]:
        """Sessions, newest first; those opened at the same time by falling id."""
        check_session_filter(where)
        self._check_readable()
        found = [
            session
            for session in self._durable.sessions.values()
            if where.tenant in ("", session.principal.tenant)
            and where.project in ("", session.principal.project)
            and where.user in ("", session.principal.user)
            and (not where.states or session.state in where.states)
        ]
        if where.before is not None:
            found = [s for s in found if _opened(s) < _place(where.before)]
        found.sort(key=_opened, reverse=True)
        return found[: where.limit]

    async def session(self, session_id: str) -> Session | None:
        """One session by id."""
        check_text((session_id,), "the session id")
        self._check_readable()
        return self._durable.sessions.get(session_id)

    async def session_by_token(self, token_digest: str) -> Session | None:
        """One session by the digest of its token; an empty digest is nobody's."""
        check_text((token_digest,), "the digest")
        self._check_readable()
        owner = self._durable.tokens.get(token_digest)
        return None if owner is None else self._durable.sessions[owner]

    async def calls(self, session_id: str) -> list[CallRecord]:
        """Calls of a session in the order in which they were first committed."""
        check_text((session_id,), "the session id")
        self._check_readable()
        return [call for (owner, _), call in self._durable.calls.items() if owner == session_id]

    async def run(self, run_id: str) -> Run | None:
        """One run by id."""
        check_text((run_id,), "the run id")
        self._check_readable()
        return self._durable.runs.get(run_id)

    async def runs(self, where: RunFilter) -> list[Run]:
        """Runs, newest first; those submitted at the same time by falling id."""
        check_run_filter(where)
        self._check_readable()
        found = [
            run
            for run in self._durable.runs.values()
            if where.tenant in ("", run.tenant)
            and where.project in ("", run.project)
            and where.user in ("", run.user)
            and where.session in ("", run.session)
            and where.batch in ("", run.batch)
            and (not where.states or run.state in where.states)
        ]
        if where.before is not None:
            found = [r for r in found if _submitted(r) < _place(where.before)]
        found.sort(key=_submitted, reverse=True)
        return found[: where.limit]

    async def effect(self, tenant: str, key: str) -> EffectEntry | None:
        """One entry of the effects ledger."""
        check_text((tenant, key), "the effect's key")
        self._check_readable()
        return self._durable.effects.get((tenant, key))

    async def effects(self, session_id: str) -> list[EffectEntry]:
        """Entries of one session, oldest intent first, then by key."""
        check_text((session_id,), "the session id")
        self._check_readable()
        found = [e for e in self._durable.effects.values() if e.session == session_id]
        return sorted(found, key=lambda e: (e.intended_at_ns, e.key.encode()))

    async def unknown_effects(self, where: EffectFilter) -> list[EffectEntry]:
        """Entries that nobody knows the outcome of, newest first; of one time by falling key."""
        check_effect_filter(where)
        self._check_readable()
        found = [
            entry
            for entry in self._durable.effects.values()
            if entry.state is EffectState.UNKNOWN and where.tenant in ("", entry.tenant)
        ]
        if where.before is not None:
            found = [entry for entry in found if _changed(entry) < _place(where.before)]
        return sorted(found, key=_changed, reverse=True)[: where.limit]

    async def sessions_left_open(self, limit: int) -> list[str]:
        """Ids of active and paused sessions with an effect that is intended."""
        self._check_readable()
        effects = self._durable.effects.values()
        left = {e.session for e in effects if e.state is EffectState.INTENDED}
        acting = (SessionState.ACTIVE, SessionState.PAUSED)
        sessions = self._durable.sessions.items()
        return [name for name, one in sessions if name in left and one.state in acting][:limit]

    async def approval(self, approval_id: str) -> Approval | None:
        """One approval by id."""
        check_text((approval_id,), "the approval id")
        self._check_readable()
        return self._durable.approvals.get(approval_id)

    async def approvals(self, where: ApprovalFilter) -> list[Approval]:
        """Approvals, newest first; those asked for at the same time by falling id."""
        check_approval_filter(where)
        self._check_readable()
        found = [
            one
            for one in self._durable.approvals.values()
            if where.tenant in ("", one.tenant)
            and where.project in ("", one.project)
            and where.session in ("", one.session)
            and (not where.states or one.state in where.states)
        ]
        if where.before is not None:
            found = [a for a in found if _asked(a) < _place(where.before)]
        found.sort(key=_asked, reverse=True)
        return found[: where.limit]

    async def conversation(self, tenant: str, user: str, name: str) -> Conversation | None:
        """One conversation, expired or not."""
        check_text((tenant, user, name), "the conversation's name")
        self._check_readable()
        return self._durable.conversations.get((tenant, user, name))

    async def conversations(self, where: ConversationFilter) -> list[ConversationHead]:
        """Conversations of one user by rising name, without their text."""
        check_conversation_filter(where)
        self._check_readable()
        found = [
            one.head
            for one in self._durable.conversations.values()
            if (one.tenant, one.user) == (where.tenant, where.user)
            and one.name.startswith(where.prefix)
            and one.name.encode() > where.after.encode()
            and one.expires_at_ns > where.live_at_ns
        ]
        return sorted(found, key=lambda head: head.name.encode())[: where.limit]

    async def purge(self, cuts: Cuts, *, now_ns: int, limit: int) -> Purged:
        """One step of deleting what is old; see `ports.store.Store.purge`."""
        check_cuts(cuts, now_ns, limit)
        purged: Purged = await self._put([], [], lambda: self._durable.purge(cuts, now_ns, limit))
        return purged

    async def purgeable(self, cuts: Cuts) -> PurgeCounts:
        """What `purge`, repeated to its end, would delete now."""
        check_cuts(cuts)
        await self.commit()
        tried, found = self._durable.copy(), PurgeCounts()
        while not (step := tried.purge(cuts, 1, MAX_PURGED_ROWS)).nothing:
            found = PurgeCounts(
                sessions=found.sessions + len(step.sessions),
                calls=found.calls + step.calls,
                runs=found.runs + len(step.runs),
                effects=found.effects + len(step.effects),
                conversations=found.conversations + step.conversations,
            )
        return found

    async def compact(self, at_most_bytes: int) -> Compacted:
        """Nothing: memory has no file."""
        await self.commit()
        return Compacted()

    async def accounts(self, keys: Sequence[AccountKey] | None = None) -> list[AccountState]:
        """All accounts, or those of `keys`, by key; `held` is counted from the open holds."""
        check_account_keys(keys or ())
        self._check_readable()
        held: dict[AccountKey, int] = {}
        for hold in self._durable.holds.values():
            for key in hold.keys:
                held[key] = held.get(key, 0) + hold.amounts.get(key.dimension, 0)
        kept = self._durable.accounts
        wanted = kept.values() if keys is None else [kept[k] for k in set(keys) if k in kept]
        found = sorted(wanted, key=lambda state: str(state.key).encode())
        return [msgspec.structs.replace(s, held=held.get(s.key, 0)) for s in found]

    async def account_keys(
        self, scope: Scope, tenant: str, after: str, limit: int
    ) -> list[AccountKey]:
        """Keys of a scope's accounts in the order of their text, those behind `after`."""
        check_text((tenant, after), "the filter")
        self._check_readable()
        first, end = (text.encode() for text in account_texts(scope, tenant))
        texts = {str(key).encode(): key for key in self._durable.accounts}
        first = max(first, after.encode())
        return [texts[text] for text in sorted(texts) if first < text < end][:limit]

    async def holds(self) -> list[HoldState]:
        """Every open reservation, oldest first."""
        self._check_readable()
        return sorted(
            self._durable.holds.values(), key=lambda h: (h.opened_at_ns, h.hold_id.encode())
        )

    async def spending_keys(self) -> list[SpendingKey]:
        """Every spending key, by name."""
        self._check_readable()
        return sorted(self._durable.keys.values(), key=lambda key: key.name.encode())

    async def stops(self) -> list[Stop]:
        """Stops that stand, oldest first."""
        self._check_readable()
        standing = [one for one in self._durable.stops.values() if not one.lifted_at_ns]
        return sorted(standing, key=lambda one: (one.at_ns, one.reach.key.encode()))

    async def last_at_ns(self) -> int:
        """Time of the newest journal record, 0 when there is none."""
        self._check_readable()
        return self._durable.journal[-1].at_ns if self._durable.journal else 0

    async def close(self) -> None:
        """Finish queued commits and close; idempotent."""
        self.release_commits()
        self._closed = True


def _kept_record(record: Record) -> Record:
    return msgspec.structs.replace(record, body=msgspec.json.decode(record_body(record)))


def _kept_change(change: Change) -> Change:
    if isinstance(change, AccountState):
        check_account(change)
        return msgspec.json.decode(msgspec.json.encode(change), type=AccountState)
    if isinstance(change, HoldClosed):
        check_hold_closed(change)
        return change
    if isinstance(change, Conversation | ConversationClosed):
        check_conversation(change)
        return change
    kinds = HoldState | Session | CallRecord | Run | EffectEntry | Approval | SpendingKey | Stop
    if isinstance(change, kinds):
        return msgspec.json.decode(state_json(change), type=type(change))
    raise InvalidRequest(f"a {type(change).__name__} is no state that a store keeps")


def _submitted(run: Run) -> tuple[int, bytes]:
    """Where a run stands among others, oldest first."""
    return run.submitted_at_ns, run.run_id.encode()


def _changed(entry: EffectEntry) -> tuple[int, bytes]:
    """Where an effect stands among others, oldest first."""
    return entry.changed_at_ns, entry.key.encode()


def _opened(session: Session) -> tuple[int, bytes]:
    """Where a session stands among others, oldest first."""
    return session.opened_at_ns, session.session_id.encode()


def _asked(approval: Approval) -> tuple[int, bytes]:
    """Where an approval stands among others, oldest first."""
    return approval.asked_at_ns, approval.approval_id.encode()


def _place(before: tuple[int, str]) -> tuple[int, bytes]:
    """Where a page ended."""
    return before[0], before[1].encode()
