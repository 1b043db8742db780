"""What is read, as SQL. Not here: connections, and turning rows into the model's values."""

from collections.abc import Sequence
from typing import Any

import msgspec

from holdfast.backends.postgres.batch import columns_sql, escaped, unescaped
from holdfast.backends.postgres.connections import Connection
from holdfast.model.budgets import AccountKey, AccountState, HoldState
from holdfast.model.conversations import Conversation, ConversationHead
from holdfast.model.effects import EffectEntry
from holdfast.model.events import Record
from holdfast.model.runs import Run
from holdfast.model.sessions import Session
from holdfast.model.tools import CallRecord
from holdfast.ports import store_rows
from holdfast.ports.store import ConversationFilter, RecordFilter, RunFilter, SessionFilter
from holdfast.ports.store_tables import TABLES, TEXT

_JOURNAL = columns_sql("journal")
_CONVERSATION = store_rows.CONVERSATION_COLUMNS.replace(" user,", ' "user",')
_HEAD = store_rows.HEAD_COLUMNS.replace(" user,", ' "user",')
_JOURNAL_TEXTS = [n for n, (_, kind) in enumerate(TABLES["journal"]) if kind is TEXT]


class _Terms:
    """Conditions and their values, numbered as they come."""

    def __init__(self) -> None:
        self.sql: list[str] = []
        self.values: list[Any] = []

    def add(self, condition: str, value: object) -> None:
        self.values.append(escaped(value) if isinstance(value, str) else value)
        self.sql.append(condition.format(f"${len(self.values)}"))

    def before(self, time: str, name: str, place: tuple[int, str]) -> None:
        self.add(f"{time} <= {{}}", place[0])
        same = f"${len(self.values)}"
        self.add(f"({time} < {same} OR {name} < {{}})", place[1])

    @property
    def where(self) -> str:
        return " AND ".join(self.sql) or "true"

    def limited(self, limit: int) -> str:
        self.values.append(limit)
        return f"LIMIT ${len(self.values)}"


async def records(connection: Connection, where: RecordFilter) -> list[Record]:
    """Journal records of one tenant by rising `seq`."""
    terms = _Terms()
    terms.add("tenant = {}", where.tenant)
    for column, wanted in (
        ('"user"', where.user),
        ("session", where.session),
        ("agent", where.agent),
        ("tool", where.tool),
        ("call_id", where.call_id),
    ):
        if wanted:
            terms.add(f"{column} = {{}} AND {column} <> ''", wanted)
    if where.kinds:
        terms.add("kind = ANY({}::text[])", [str(kind) for kind in where.kinds])
    if where.from_ns > 0:
        terms.add("at_ns >= {}", where.from_ns)
    if where.until_ns < 2**63 - 1:
        terms.add("at_ns < {}", where.until_ns)
    if where.after_seq > 0:
        terms.add("seq > {}", where.after_seq)
    sql = f"SELECT {_JOURNAL} FROM journal WHERE {terms.where} ORDER BY seq "  # noqa: S608
    rows = await connection.fetch(sql + terms.limited(where.limit), *terms.values)
    return [store_rows.record_of(_unescaped(row)) for row in rows]


def _unescaped(row: Any) -> tuple[Any, ...]:
    values = list(row)
    for place in _JOURNAL_TEXTS:
        values[place] = unescaped(values[place])
    return tuple(values)


async def sessions(connection: Connection, where: SessionFilter) -> list[Session]:
    """Sessions, newest first; those opened at the same time by falling id."""
    terms = _Terms()
    for column, wanted in (
        ("tenant", where.tenant),
        ("project", where.project),
        ('"user"', where.user),
    ):
        if wanted:
            terms.add(f"{column} = {{}}", wanted)
    if where.states:
        terms.add("state = ANY({}::text[])", [str(state) for state in where.states])
    if where.before is not None:
        terms.before("opened_at_ns", "session_id", where.before)
    sql = (
        f"SELECT session FROM sessions WHERE {terms.where} "  # noqa: S608
        "ORDER BY opened_at_ns DESC, session_id DESC "
    )
    rows = await connection.fetch(sql + terms.limited(where.limit), *terms.values)
    return [store_rows.session_of(row[0]) for row in rows]


async def session(connection: Connection, session_id: str) -> Session | None:
    """One session by id."""
    raw = await connection.fetchval(
        "SELECT session FROM sessions WHERE session_id = $1", escaped(session_id)
    )
    return None if raw is None else store_rows.session_of(raw)


async def session_by_token(connection: Connection, token_digest: str) -> Session | None:
    """One session by the digest of its token; an empty digest is nobody's."""
    raw = await connection.fetchval(
        "SELECT session FROM sessions WHERE token_digest = $1 AND token_digest <> ''",
        escaped(token_digest),
    )
    return None if raw is None else store_rows.session_of(raw)


async def calls(connection: Connection, session_id: str) -> list[CallRecord]:
    """Calls of a session in the order in which they were first committed."""
    rows = await connection.fetch(
        "SELECT call FROM calls WHERE session = $1 ORDER BY position", escaped(session_id)
    )
    return [store_rows.call_of(row[0]) for row in rows]


async def run(connection: Connection, run_id: str) -> Run | None:
    """One run by id."""
    raw = await connection.fetchval("SELECT run FROM runs WHERE run_id = $1", escaped(run_id))
    return None if raw is None else store_rows.run_of(raw)


async def runs(connection: Connection, where: RunFilter) -> list[Run]:
    """Runs, newest first; those submitted at the same time by falling id."""
    terms = _Terms()
    for column, wanted in (
        ("tenant", where.tenant),
        ("project", where.project),
        ('"user"', where.user),
        ("session", where.session),
        ("batch", where.batch),
    ):
        if wanted:
            terms.add(f"{column} = {{}} AND {column} <> ''", wanted)
    if where.states:
        terms.add("state = ANY({}::text[])", [str(state) for state in where.states])
    if where.before is not None:
        terms.before("submitted_at_ns", "run_id", where.before)
    sql = (
        f"SELECT run FROM runs WHERE {terms.where} "  # noqa: S608
        "ORDER BY submitted_at_ns DESC, run_id DESC "
    )
    rows = await connection.fetch(sql + terms.limited(where.limit), *terms.values)
    return [store_rows.run_of(row[0]) for row in rows]


async def effect(connection: Connection, tenant: str, key: str) -> EffectEntry | None:
    """One entry of the effects ledger."""
    raw = await connection.fetchval(
        "SELECT effect FROM effects WHERE tenant = $1 AND key = $2", escaped(tenant), escaped(key)
    )
    return None if raw is None else store_rows.effect_of(raw)


async def conversation(
    connection: Connection, tenant: str, user: str, name: str
) -> Conversation | None:
    """One conversation, expired or not."""
    row = await connection.fetchrow(
        f"SELECT {_CONVERSATION} FROM conversations"  # noqa: S608 -- constants only
        ' WHERE tenant = $1 AND "user" = $2 AND name = $3',
        escaped(tenant),
        escaped(user),
        escaped(name),
    )
    return None if row is None else store_rows.conversation_of(_all_unescaped(row))


async def conversations(
    connection: Connection, where: ConversationFilter
) -> list[ConversationHead]:
    """Conversations of one user by rising name, without their text."""
    rows = await connection.fetch(
        f"SELECT {_HEAD} FROM conversations"  # noqa: S608 -- constants only
        ' WHERE tenant = $1 AND "user" = $2 AND name > $3 AND expires_at_ns > $4'
        " AND starts_with(name, $5) ORDER BY name LIMIT $6",
        escaped(where.tenant),
        escaped(where.user),
        escaped(where.after),
        where.live_at_ns,
        escaped(where.prefix),
        where.limit,
    )
    return [store_rows.head_of(_all_unescaped(row)) for row in rows]


def _all_unescaped(row: Any) -> tuple[Any, ...]:
    return tuple(unescaped(value) if isinstance(value, str) else value for value in row)


async def effects(connection: Connection, session_id: str) -> list[EffectEntry]:
    """Entries of one session, oldest intent first, then by key."""
    rows = await connection.fetch(
        "SELECT effect FROM effects WHERE session = $1 ORDER BY intended_at_ns, key",
        escaped(session_id),
    )
    return [store_rows.effect_of(row[0]) for row in rows]


async def holds(connection: Connection) -> list[HoldState]:
    """Open holds, oldest first."""
    rows = await connection.fetch("SELECT hold FROM holds ORDER BY opened_at_ns, hold_id")
    return [store_rows.hold_of(row[0]) for row in rows]


async def accounts(
    connection: Connection, keys: Sequence[AccountKey] | None = None
) -> list[AccountState]:
    """Accounts by key, what is held counted from the open holds of the same instant."""
    terms = _Terms()
    if keys is not None:
        terms.add("key = ANY({}::text[])", [escaped(str(key)) for key in keys])
    sql = f"SELECT account FROM accounts WHERE {terms.where} ORDER BY key"  # noqa: S608
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        open_holds = await holds(connection)
        rows = await connection.fetch(sql, *terms.values)
    held: dict[str, int] = {}
    for hold in open_holds:
        for key in hold.keys:
            held[str(key)] = held.get(str(key), 0) + hold.amounts.get(key.dimension, 0)
    stored = [store_rows.account_of(row[0]) for row in rows]
    return [msgspec.structs.replace(s, held=held.get(str(s.key), 0)) for s in stored]


async def last_at_ns(connection: Connection) -> int:
    """Time of the newest journal record, 0 when there is none."""
    found = await connection.fetchval("SELECT at_ns FROM journal ORDER BY seq DESC LIMIT 1")
    return int(found or 0)
