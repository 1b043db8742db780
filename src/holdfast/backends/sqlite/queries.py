"""Every read of the database, each a function of a read-only connection.

A journal read names its index itself: which way in is short follows from the filter, not from
statistics that a database may not have. Not here: threads, checks of the filter.
"""

from collections.abc import Sequence
from itertools import chain

import apsw
import msgspec

from holdfast.backends.sqlite.chunks import chunked
from holdfast.model.budgets import AccountKey, AccountState, HoldState
from holdfast.model.conversations import Conversation, ConversationHead
from holdfast.model.effects import EffectEntry
from holdfast.model.events import Record
from holdfast.model.runs import Run
from holdfast.model.sessions import Session
from holdfast.model.tools import CallRecord
from holdfast.ports import store_rows
from holdfast.ports.store import ConversationFilter, RecordFilter, RunFilter, SessionFilter

EffectName = tuple[str, str]
"""Tenant and key."""

_NAMES = (64, 16, 4, 1)
_ALL_TIMES = (0, 2**63 - 1)


def journal_query(where: RecordFilter) -> tuple[str, list[str | int]]:
    """SQL and bindings for a filter; the tenant is always in it.

    The indexes leave empty names out, which the `<> ''` tells SQLite is no loss.
    """
    terms = ["tenant = ?"]
    bindings: list[str | int] = [where.tenant]
    for column, wanted in (
        ("user", where.user),
        ("session", where.session),
        ("agent", where.agent),
        ("tool", where.tool),
        ("call_id", where.call_id),
    ):
        if wanted:
            terms.append(f"{column} = ? AND {column} <> ''")
            bindings.append(wanted)
    if where.kinds:
        terms.append(f"kind IN ({', '.join('?' * len(where.kinds))})")
        bindings.extend(where.kinds)
    if (where.from_ns, where.until_ns) != _ALL_TIMES:
        terms.append("at_ns >= ? AND at_ns < ?")
        bindings += [where.from_ns, where.until_ns]
    terms.append("seq > ?")
    bindings += [where.after_seq, where.limit]
    sql = (
        f"SELECT seq, {store_rows.RECORD_COLUMNS} FROM journal INDEXED BY {_way_in(where)} "  # noqa: S608
        f"WHERE {' AND '.join(terms)} ORDER BY seq LIMIT ?"
    )
    return sql, bindings


def _way_in(where: RecordFilter) -> str:
    if where.call_id:
        return "journal_by_call"
    if where.session:
        return "journal_by_session"
    if where.user:
        return "journal_by_user"
    if where.tool:
        return "journal_by_tool"
    if (where.from_ns, where.until_ns) != _ALL_TIMES:
        return "journal_by_time"
    return "journal_by_tenant"


def records(connection: apsw.Connection, where: RecordFilter) -> list[Record]:
    """Journal records by rising `seq`."""
    sql, bindings = journal_query(where)
    return [store_rows.record_of(row) for row in connection.execute(sql, bindings)]


def sessions(connection: apsw.Connection, where: SessionFilter) -> list[Session]:
    """Sessions, newest first; those opened at the same time by falling id."""
    terms = ["1"]
    bindings: list[str | int] = []
    for column, wanted in (
        ("tenant", where.tenant),
        ("project", where.project),
        ("user", where.user),
    ):
        if wanted:
            terms.append(f"{column} = ?")
            bindings.append(wanted)
    if where.states:
        terms.append(f"state IN ({', '.join('?' * len(where.states))})")
        bindings.extend(where.states)
    if where.before is not None:
        terms.append("(opened_at_ns, session_id) < (?, ?)")
        bindings.extend(where.before)
    bindings.append(where.limit)
    sql = (
        f"SELECT session FROM sessions WHERE {' AND '.join(terms)} "  # noqa: S608
        "ORDER BY opened_at_ns DESC, session_id DESC LIMIT ?"
    )
    return [store_rows.session_of(raw) for (raw,) in connection.execute(sql, bindings)]


def session(connection: apsw.Connection, session_id: str) -> Session | None:
    """One session by id."""
    found = connection.execute("SELECT session FROM sessions WHERE session_id = ?", (session_id,))
    return next((store_rows.session_of(raw) for (raw,) in found), None)


def run(connection: apsw.Connection, run_id: str) -> Run | None:
    """One run by id."""
    found = connection.execute("SELECT run FROM runs WHERE run_id = ?", (run_id,))
    return next((store_rows.run_of(raw) for (raw,) in found), None)


def runs(connection: apsw.Connection, where: RunFilter) -> list[Run]:
    """Runs, newest first; those submitted at the same time by falling id."""
    terms = ["1"]
    bindings: list[str | int] = []
    for column, wanted in (
        ("tenant", where.tenant),
        ("project", where.project),
        ("user", where.user),
        ("session", where.session),
        ("batch", where.batch),
    ):
        if wanted:
            terms.append(f"{column} = ? AND {column} <> ''")
            bindings.append(wanted)
    if where.states:
        terms.append(f"state IN ({', '.join('?' * len(where.states))})")
        bindings.extend(where.states)
    if where.before is not None:
        terms.append("(submitted_at_ns, run_id) < (?, ?)")
        bindings.extend(where.before)
    bindings.append(where.limit)
    sql = (
        f"SELECT run FROM runs WHERE {' AND '.join(terms)} "  # noqa: S608
        "ORDER BY submitted_at_ns DESC, run_id DESC LIMIT ?"
    )
    return [store_rows.run_of(raw) for (raw,) in connection.execute(sql, bindings)]


def effects_named(
    connection: apsw.Connection, names: Sequence[EffectName]
) -> dict[EffectName, EffectEntry]:
    """The entries of the effects ledger that there are of those names."""
    found: dict[EffectName, EffectEntry] = {}
    for part in chunked(names, _NAMES):
        wanted = ", ".join(["(?, ?)"] * len(part))
        # Each name is looked up in the primary key, whatever the planner knows of the table.
        sql = (
            f"WITH wanted (tenant, key) AS (VALUES {wanted}) "  # noqa: S608 -- placeholders only
            "SELECT e.tenant, e.key, e.effect FROM wanted AS w CROSS JOIN effects AS e "
            "WHERE e.tenant = w.tenant AND e.key = w.key"
        )
        for tenant, key, raw in connection.execute(sql, tuple(chain.from_iterable(part))):
            found[tenant, key] = store_rows.effect_of(raw)
    return found


def effects(connection: apsw.Connection, session_id: str) -> list[EffectEntry]:
    """Entries of one session, oldest intent first, then by key."""
    found = connection.execute(
        "SELECT effect FROM effects WHERE session = ? ORDER BY intended_at_ns, key", (session_id,)
    )
    return [store_rows.effect_of(raw) for (raw,) in found]


def conversation(
    connection: apsw.Connection, tenant: str, user: str, name: str
) -> Conversation | None:
    """One conversation, expired or not."""
    found = connection.execute(
        f"SELECT {store_rows.CONVERSATION_COLUMNS} FROM conversations"  # noqa: S608 -- constants only
        " WHERE tenant = ? AND user = ? AND name = ?",
        (tenant, user, name),
    )
    return next((store_rows.conversation_of(row) for row in found), None)


def conversations(connection: apsw.Connection, where: ConversationFilter) -> list[ConversationHead]:
    """Conversations of one user by rising name, without their text."""
    found = connection.execute(
        f"SELECT {store_rows.HEAD_COLUMNS} FROM conversations"  # noqa: S608 -- constants only
        " WHERE tenant = ? AND user = ? AND name > ? AND expires_at_ns > ?"
        " AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?",
        (
            where.tenant,
            where.user,
            where.after,
            where.live_at_ns,
            len(where.prefix),
            where.prefix,
            where.limit,
        ),
    )
    return [store_rows.head_of(row) for row in found]


def session_by_token(connection: apsw.Connection, token_digest: str) -> Session | None:
    """One session by the digest of its token; an empty digest is nobody's."""
    found = connection.execute(
        "SELECT session FROM sessions WHERE token_digest = ? AND token_digest <> ''",
        (token_digest,),
    )
    return next((store_rows.session_of(raw) for (raw,) in found), None)


def calls(connection: apsw.Connection, session_id: str) -> list[CallRecord]:
    """Calls of a session in the order in which they were first committed."""
    found = connection.execute(
        "SELECT call FROM calls WHERE session = ? ORDER BY position", (session_id,)
    )
    return [store_rows.call_of(raw) for (raw,) in found]


def holds(connection: apsw.Connection) -> list[HoldState]:
    """Open holds, oldest first."""
    found = connection.execute("SELECT hold FROM holds ORDER BY opened_at_ns, hold_id")
    return [store_rows.hold_of(raw) for (raw,) in found]


def accounts(
    connection: apsw.Connection, keys: Sequence[AccountKey] | None = None
) -> list[AccountState]:
    """Accounts by key, what is held counted from the open holds of the same instant."""
    with connection:
        open_holds = holds(connection)
        if keys is None:
            rows = connection.execute("SELECT account FROM accounts ORDER BY key")
            stored = [store_rows.account_of(raw) for (raw,) in rows]
        else:
            stored = _accounts_named(connection, sorted({str(key) for key in keys}))
    held: dict[str, int] = {}
    for hold in open_holds:
        for key in hold.keys:
            held[str(key)] = held.get(str(key), 0) + hold.amounts.get(key.dimension, 0)
    return [msgspec.structs.replace(s, held=held.get(str(s.key), 0)) for s in stored]


def _accounts_named(connection: apsw.Connection, names: Sequence[str]) -> list[AccountState]:
    found: list[AccountState] = []
    for part in chunked(names, _NAMES):
        wanted = ", ".join("?" * len(part))
        sql = f"SELECT account FROM accounts WHERE key IN ({wanted}) ORDER BY key"  # noqa: S608
        found += [store_rows.account_of(raw) for (raw,) in connection.execute(sql, tuple(part))]
    return found


def last_at_ns(connection: apsw.Connection) -> int:
    """Time of the newest journal record, 0 when there is none."""
    found = connection.execute("SELECT at_ns FROM journal ORDER BY seq DESC LIMIT 1")
    return next((int(at_ns) for (at_ns,) in found), 0)
