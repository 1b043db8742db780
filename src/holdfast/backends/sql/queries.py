"""Every read of a store, each a query that is made where it is asked and run by a reader.

One query is one statement, so all it sees is of the same instant. Not here: connections, checks of
the filter.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from holdfast.backends.sql.database import Dialect, Query, columns_sql
from holdfast.model.approvals import Approval
from holdfast.model.budgets import AccountKey, AccountState, HoldState, Scope, account_texts
from holdfast.model.conversations import Conversation, ConversationHead
from holdfast.model.costs import DAY_NS, Cost, CostBy, Costs, day_of
from holdfast.model.effects import EffectEntry
from holdfast.model.events import Kind, Record
from holdfast.model.keys import SpendingKey
from holdfast.model.runs import Run
from holdfast.model.sessions import Session
from holdfast.model.stops import Stop
from holdfast.model.tools import CallRecord
from holdfast.ports import store_rows
from holdfast.ports.store import (
    ApprovalFilter,
    ConversationFilter,
    CostFilter,
    EffectFilter,
    RecordFilter,
    RunFilter,
    SessionFilter,
)
from holdfast.ports.store_rows import Row

EffectName = tuple[str, str]
"""Tenant and key."""

T = TypeVar("T")

_ALL_TIMES = (0, 2**63 - 1)
_HOLD, _ACCOUNT = 0, 1


class _Terms:
    """Conditions and their values, numbered as they come."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._sql: list[str] = []
        self.values: list[Any] = []

    def add(self, condition: str, *values: object) -> None:
        """A condition with a `{}` for each of its values."""
        first = len(self.values) + 1
        self.values += values
        self._sql.append(condition.format(*(f"${first + n}" for n in range(len(values)))))

    def equal(self, column: str, wanted: str) -> None:
        """Indexes leave empty names out, which the `<> ''` tells the planner is no loss."""
        if wanted:
            self.add(f"{column} = {{}} AND {column} <> ''", wanted)

    def among(self, column: str, wanted: Sequence[str]) -> None:
        names = [(name,) for name in wanted]
        sql, values = self._dialect.among((column,), names, len(self.values) + 1)
        self._sql.append(sql)
        self.values += values

    @property
    def where(self) -> str:
        return "WHERE " + " AND ".join(self._sql) if self._sql else ""

    def limited(self, limit: int) -> str:
        self.values.append(limit)
        return f"LIMIT ${len(self.values)}"


def _all(read: Callable[[Any], T]) -> Callable[[Iterable[Row]], list[T]]:
    """Every row, told by its first column."""
    return lambda rows: [read(row[0]) for row in rows]


def _one(read: Callable[[Any], T]) -> Callable[[Iterable[Row]], T | None]:
    """The one row that there may be, told by its first column."""
    return lambda rows: next((read(row[0]) for row in rows), None)


def records(dialect: Dialect, where: RecordFilter) -> Query[list[Record]]:
    """Journal records of one tenant by rising `seq`; the tenant is always asked for."""
    terms = _Terms(dialect)
    terms.add("tenant = {}", where.tenant)
    terms.equal('"user"', where.user)
    terms.equal("session", where.session)
    terms.equal("agent", where.agent)
    terms.equal("tool", where.tool)
    terms.equal("call_id", where.call_id)
    if where.kinds:
        terms.among("kind", where.kinds)
    if (where.from_ns, where.until_ns) != _ALL_TIMES:
        terms.add("at_ns >= {} AND at_ns < {}", where.from_ns, where.until_ns)
    if where.after_seq > 0:
        terms.add("seq > {}", where.after_seq)
    if where.before_seq > 0:
        terms.add("seq < {}", where.before_seq)
    order = "seq DESC" if where.latest else "seq"
    sql = (
        f"SELECT {columns_sql('journal')} FROM {dialect.journal(where)}"  # noqa: S608
        f" {terms.where} ORDER BY {order} {terms.limited(where.limit)}"
    )
    return Query(sql, terms.values, partial(_risen, latest=where.latest))


def _risen(rows: Iterable[Row], *, latest: bool) -> list[Record]:
    found = [store_rows.record_of(row) for row in rows]
    return found[::-1] if latest else found


def costs(dialect: Dialect, where: CostFilter) -> Query[Costs]:
    """What was settled, by whatever tells it apart, the dearest parts first."""
    terms = _Terms(dialect)
    # As the index has it: of many records few settled anything.
    terms.add("cost_nusd <> 0")
    for column in ("tenant", "project", '"user"', "agent", "session"):
        terms.equal(column, getattr(where, column.strip('"')))
    terms.add("at_ns >= {} AND at_ns < {}", where.from_ns, where.until_ns)
    names = ", ".join(_told_apart(dialect, one) for one in where.by)
    order = ", ".join(str(n) for n in range(1, len(where.by) + 1))
    sql = (
        f"SELECT {names}, sum(cost_nusd), count(*),"  # noqa: S608
        " sum(sum(cost_nusd)) OVER (), sum(count(*)) OVER (), count(*) OVER ()"
        f" FROM {dialect.settled} {terms.where} GROUP BY {order}"
        f" ORDER BY sum(cost_nusd) DESC, {order} {terms.limited(max(where.limit, 1))}"
    )
    return Query(sql, terms.values, lambda rows: _costs_of(where, rows))


def _told_apart(dialect: Dialect, by: CostBy) -> str:
    if by is CostBy.DAY:
        return f"at_ns / {DAY_NS}"
    if by is CostBy.MODEL:
        named = f"CASE WHEN kind = '{Kind.MODEL_CALL_SETTLED}' THEN {dialect.model} END"
        return f"coalesce({named}, '')"
    return f'"{by}"'


def _costs_of(where: CostFilter, rows: Iterable[Row]) -> Costs:
    """Postgres adds up in numbers of any length."""
    found = Costs()
    dearest: list[Cost] = []
    for *told, cost_nusd, charges, all_nusd, all_charges, parts in rows:
        names = tuple(map(_name_of, where.by, told))
        dearest.append(Cost(names=names, cost_nusd=int(cost_nusd), charges=charges))
        found = Costs(cost_nusd=int(all_nusd), charges=int(all_charges), parts=parts)
    return msgspec.structs.replace(found, dearest=tuple(dearest[: where.limit]))


def _name_of(by: CostBy, told: Any) -> str:
    return day_of(told) if by is CostBy.DAY else str(told)


def sessions(dialect: Dialect, where: SessionFilter) -> Query[list[Session]]:
    """Sessions, newest first; those opened at the same time by falling id."""
    terms = _Terms(dialect)
    terms.equal("tenant", where.tenant)
    terms.equal("project", where.project)
    terms.equal('"user"', where.user)
    if where.states:
        terms.among("state", where.states)
    if where.before is not None:
        terms.add("(opened_at_ns, session_id) < ({}, {})", *where.before)
    sql = (
        f"SELECT session FROM sessions {terms.where}"  # noqa: S608
        f" ORDER BY opened_at_ns DESC, session_id DESC {terms.limited(where.limit)}"
    )
    return Query(sql, terms.values, _all(store_rows.session_of))


def session(session_id: str) -> Query[Session | None]:
    """One session by id."""
    sql = "SELECT session FROM sessions WHERE session_id = $1"
    return Query(sql, (session_id,), _one(store_rows.session_of))


def session_by_token(token_digest: str) -> Query[Session | None]:
    """One session by the digest of its token; an empty digest is nobody's."""
    sql = "SELECT session FROM sessions WHERE token_digest = $1 AND token_digest <> ''"
    return Query(sql, (token_digest,), _one(store_rows.session_of))


def calls(session_id: str) -> Query[list[CallRecord]]:
    """Calls of a session in the order in which they were first committed."""
    sql = "SELECT call FROM calls WHERE session = $1 ORDER BY position"
    return Query(sql, (session_id,), _all(store_rows.call_of))


def run(run_id: str) -> Query[Run | None]:
    """One run by id."""
    return Query("SELECT run FROM runs WHERE run_id = $1", (run_id,), _one(store_rows.run_of))


def runs(dialect: Dialect, where: RunFilter) -> Query[list[Run]]:
    """Runs, newest first; those submitted at the same time by falling id."""
    terms = _Terms(dialect)
    terms.equal("tenant", where.tenant)
    terms.equal("project", where.project)
    terms.equal('"user"', where.user)
    terms.equal("session", where.session)
    terms.equal("batch", where.batch)
    if where.states:
        terms.among("state", where.states)
    if where.before is not None:
        terms.add("(submitted_at_ns, run_id) < ({}, {})", *where.before)
    sql = (
        f"SELECT run FROM runs {terms.where}"  # noqa: S608
        f" ORDER BY submitted_at_ns DESC, run_id DESC {terms.limited(where.limit)}"
    )
    return Query(sql, terms.values, _all(store_rows.run_of))


def effects_named(
    dialect: Dialect, names: Sequence[EffectName]
) -> Query[dict[EffectName, EffectEntry]]:
    """The entries of the effects ledger that the tables have of those names."""
    among, values = dialect.among(("tenant", "key"), names, 1)
    sql = f"SELECT tenant, key, effect FROM effects WHERE {among}"  # noqa: S608

    def read(rows: Iterable[Row]) -> dict[EffectName, EffectEntry]:
        return {(tenant, key): store_rows.effect_of(raw) for tenant, key, raw in rows}

    return Query(sql, values, read, lags=True)


def unknown_effects(dialect: Dialect, where: EffectFilter) -> Query[list[EffectEntry]]:
    """Entries that nobody knows the outcome of, newest first; of one time by falling key."""
    terms = _Terms(dialect)
    terms.equal("tenant", where.tenant)
    if where.before is not None:
        terms.add("(changed_at_ns, key) < ({}, {})", *where.before)
    # As the index has it: what is unknown is few among millions.
    unknown = f"{terms.where} AND" if terms.values else "WHERE"
    sql = (
        f"SELECT effect FROM effects {unknown} state = 'unknown'"  # noqa: S608
        f" ORDER BY changed_at_ns DESC, key DESC {terms.limited(where.limit)}"
    )
    return Query(sql, terms.values, _all(store_rows.effect_of))


def sessions_left_open(limit: int) -> Query[list[str]]:
    """Ids of sessions that may act, and have an effect of which nobody said what came of it."""
    sql = (
        "SELECT s.session_id FROM sessions AS s WHERE s.state IN ('active', 'paused') AND EXISTS"
        " (SELECT 1 FROM effects AS e WHERE e.session = s.session_id AND e.state = 'intended')"
        " LIMIT $1"
    )
    return Query(sql, (limit,), _all(str))


def effects(session_id: str) -> Query[list[EffectEntry]]:
    """Entries of one session, oldest intent first, then by key."""
    sql = "SELECT effect FROM effects WHERE session = $1 ORDER BY intended_at_ns, key"
    return Query(sql, (session_id,), _all(store_rows.effect_of))


def approval(approval_id: str) -> Query[Approval | None]:
    """One approval by id."""
    sql = "SELECT approval FROM approvals WHERE approval_id = $1"
    return Query(sql, (approval_id,), _one(store_rows.approval_of))


def approvals(dialect: Dialect, where: ApprovalFilter) -> Query[list[Approval]]:
    """Approvals, newest first; those asked for at the same time by falling id."""
    terms = _Terms(dialect)
    terms.equal("tenant", where.tenant)
    terms.equal("project", where.project)
    terms.equal("session", where.session)
    if where.states:
        terms.among("state", where.states)
    if where.before is not None:
        terms.add("(asked_at_ns, approval_id) < ({}, {})", *where.before)
    sql = (
        f"SELECT approval FROM approvals {terms.where}"  # noqa: S608
        f" ORDER BY asked_at_ns DESC, approval_id DESC {terms.limited(where.limit)}"
    )
    return Query(sql, terms.values, _all(store_rows.approval_of))


def conversation(tenant: str, user: str, name: str) -> Query[Conversation | None]:
    """One conversation, expired or not."""
    sql = (
        f"SELECT {store_rows.CONVERSATION_COLUMNS} FROM conversations"  # noqa: S608 -- constants
        ' WHERE tenant = $1 AND "user" = $2 AND name = $3'
    )

    def read(rows: Iterable[Row]) -> Conversation | None:
        return next(map(store_rows.conversation_of, rows), None)

    return Query(sql, (tenant, user, name), read)


def conversations(where: ConversationFilter) -> Query[list[ConversationHead]]:
    """Conversations of one user by rising name, without their text."""
    sql = (
        f"SELECT {store_rows.HEAD_COLUMNS} FROM conversations"  # noqa: S608 -- constants only
        ' WHERE tenant = $1 AND "user" = $2 AND name > $3 AND expires_at_ns > $4'
        " AND substr(name, 1, length($5)) = $5 ORDER BY name LIMIT $6"
    )
    mine = (where.tenant, where.user, where.after)
    values = (*mine, where.live_at_ns, where.prefix, where.limit)
    return Query(sql, values, lambda rows: [store_rows.head_of(row) for row in rows])


def spending_keys() -> Query[list[SpendingKey]]:
    """Every spending key, by name."""
    sql = "SELECT spending_key FROM spending_keys ORDER BY name"
    return Query(sql, (), _all(store_rows.key_of))


def holds() -> Query[list[HoldState]]:
    """Open holds, oldest first."""
    sql = "SELECT hold FROM holds ORDER BY opened_at_ns, hold_id"
    return Query(sql, (), _all(store_rows.hold_of))


def accounts(
    dialect: Dialect, keys: Sequence[AccountKey] | None = None
) -> Query[list[AccountState]]:
    """Accounts by key, what is held counted from the open holds of the same instant."""
    terms = _Terms(dialect)
    if keys is not None:
        terms.among("key", sorted({str(key) for key in keys}))
    sql = (
        f"SELECT {_HOLD}, hold_id, hold FROM holds UNION ALL"  # noqa: S608
        f" SELECT {_ACCOUNT}, key, account FROM accounts {terms.where} ORDER BY 1, 2"
    )
    return Query(sql, terms.values, _accounts_of)


def account_keys(
    dialect: Dialect, scope: Scope, tenant: str, after: str, limit: int
) -> Query[list[AccountKey]]:
    """Keys of accounts of one scope, and of one tenant where it is named, behind a text."""
    first, end = account_texts(scope, tenant)
    terms = _Terms(dialect)
    terms.add("key > {} AND key < {}", max(first, after), end)
    sql = f"SELECT account FROM accounts {terms.where} ORDER BY key {terms.limited(limit)}"  # noqa: S608
    return Query(sql, terms.values, _all(lambda raw: store_rows.account_of(raw).key))


def _accounts_of(rows: Iterable[Row]) -> list[AccountState]:
    """Holds come first."""
    held: dict[str, int] = {}
    found: list[AccountState] = []
    for part, name, raw in rows:
        if part == _ACCOUNT:
            state = store_rows.account_of(raw)
            found.append(msgspec.structs.replace(state, held=held.get(name, 0)))
            continue
        hold = store_rows.hold_of(raw)
        for key in hold.keys:
            held[str(key)] = held.get(str(key), 0) + hold.amounts.get(key.dimension, 0)
    return found


def stops() -> Query[list[Stop]]:
    """Those that stand, oldest first."""
    sql = "SELECT stop FROM stops WHERE lifted_at_ns = 0 ORDER BY at_ns, reach"
    return Query(sql, (), _all(store_rows.stop_of))


def last_at_ns() -> Query[int]:
    """Time of the newest journal record, 0 when there is none."""
    sql = "SELECT at_ns FROM journal ORDER BY seq DESC LIMIT 1"
    return Query(sql, (), lambda rows: next((int(row[0]) for row in rows), 0))
