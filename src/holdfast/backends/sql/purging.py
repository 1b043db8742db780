"""Deleting what is old and needed by nothing, in steps that each are one short transaction.

Which rows may go is said by the SELECTs here, once: a trial runs them on copies of the columns
that they look at, which stand before the tables of the same name. Not here: when, and how much at
a time (`runtime/retention`).
"""

from collections.abc import Sequence

import msgspec

from holdfast.backends.sql.database import Connection, columns_sql
from holdfast.model.retention import Cuts, PurgeCounts, Purged
from holdfast.ports import store_rows
from holdfast.ports.store_refusals import MAX_PURGED_ROWS
from holdfast.ports.store_rows import Row
from holdfast.ports.store_tables import TABLES

_OVER = "('done', 'failed', 'cancelled')"
_OPEN = "('queued', 'running', 'delayed', 'parked', 'dead')"
_LIVE = "('active', 'paused')"
_ENDED = "('stopped', 'killed', 'expired', 'ended')"

# The constants above are all that is put into these statements.
_RUNS = f"""
SELECT r.run_id FROM runs AS r
WHERE r.state IN {_OVER} AND r.changed_at_ns < $1
AND NOT EXISTS (SELECT 1 FROM runs AS later
  WHERE later.retry_of = r.run_id AND later.retry_of <> '')
AND NOT EXISTS (SELECT 1 FROM sessions AS s
  WHERE s.session_id = r.session AND s.state IN {_LIVE})
AND NOT EXISTS (SELECT 1 FROM runs AS part
  WHERE part.batch = r.batch AND part.batch <> '' AND part.tenant = r.tenant
  AND (part.state IN {_OPEN} OR part.changed_at_ns >= $1))
ORDER BY r.changed_at_ns, r.run_id LIMIT $2
"""  # noqa: S608
_SESSIONS = f"""
SELECT s.session_id FROM sessions AS s
WHERE s.purged_at_ns = 0 AND s.state IN {_ENDED} AND s.changed_at_ns < $1
AND NOT EXISTS (SELECT 1 FROM runs AS r WHERE r.session = s.session_id)
AND NOT EXISTS (SELECT 1 FROM effects AS e
  WHERE e.session = s.session_id AND e.state IN ('intended', 'unknown'))
AND NOT EXISTS (SELECT 1 FROM sessions AS later
  WHERE later.parent = s.session_id AND later.parent <> '' AND later.purged_at_ns = 0)
ORDER BY s.changed_at_ns, s.session_id LIMIT $2
"""  # noqa: S608
# The CROSS JOIN has SQLite begin with the few runs that are open.
_EFFECTS = f"""
SELECT e.tenant, e.key FROM effects AS e JOIN sessions AS s ON s.session_id = e.session
WHERE e.state IN ('done', 'failed') AND e.changed_at_ns < $1
AND s.state IN {_ENDED} AND s.changed_at_ns < $1
AND NOT EXISTS (SELECT 1 FROM runs AS r WHERE r.session = e.session)
AND NOT EXISTS (SELECT 1 FROM sessions AS live
  WHERE live.tenant = s.tenant AND live.task = s.task AND live.state IN {_LIVE})
AND (s.tenant, s.task) NOT IN (SELECT o.tenant, o.task
  FROM runs AS r CROSS JOIN sessions AS o
  WHERE r.state IN {_OPEN} AND o.session_id = r.session)
ORDER BY e.changed_at_ns, e.tenant, e.key LIMIT $2
"""  # noqa: S608
_CONVERSATIONS = (
    "FROM conversations WHERE (CAST($1 AS bigint) > 0 AND expires_at_ns <= $1)"
    " OR (CAST($2 AS bigint) > 0 AND saved_at_ns < $2)"
)

_COPIED = {
    "runs": "run_id, tenant, session, batch, state, changed_at_ns, retry_of",
    "sessions": "session_id, tenant, task, parent, state, changed_at_ns, purged_at_ns",
    "effects": "tenant, key, session, state, changed_at_ns",
}
_INDEXES = {
    "runs": ("session", "retry_of", "batch", "state"),
    "sessions": ("session_id", "parent", "tenant, task, state"),
    "effects": ("session", "tenant, key"),
}
_STANDING = [name for name, _ in TABLES["sessions"]]


async def purge(connection: Connection, cuts: Cuts, now_ns: int, limit: int) -> Purged:
    """One step, for the writer. Errors: the driver's, then nothing of it is deleted."""
    async with connection.transaction():
        purged = await _step(connection, cuts, limit)
        named = [(name,) for name in purged.sessions]
        calls = await _delete(connection, "calls", ("session",), named)
        await _delete(connection, "approvals", ("session",), named)
        await _mark(connection, named, now_ns)
        conversations = await connection.execute(
            'DELETE FROM conversations WHERE (tenant, "user", name) IN'  # noqa: S608 -- constants
            f' (SELECT tenant, "user", name {_CONVERSATIONS} LIMIT $3)',
            (cuts.expired_ns, cuts.saved_ns, limit),
        )
    return msgspec.structs.replace(purged, calls=calls, conversations=conversations)


async def _step(connection: Connection, cuts: Cuts, limit: int) -> Purged:
    """Delete runs and effects, and name the sessions whose calls may go."""
    runs: list[Row] = []
    sessions: list[Row] = []
    effects: list[Row] = []
    if cuts.sessions_ns > 0:
        runs = await connection.fetch(_RUNS, (cuts.sessions_ns, limit))
        await _delete(connection, "runs", ("run_id",), runs)
        sessions = await connection.fetch(_SESSIONS, (cuts.sessions_ns, limit))
    if cuts.effects_ns > 0:
        effects = await connection.fetch(_EFFECTS, (cuts.effects_ns, limit))
        await _delete(connection, "effects", ("tenant", "key"), effects)
    return Purged(
        runs=tuple(name for (name,) in runs),
        sessions=tuple(name for (name,) in sessions),
        effects=tuple((tenant, key) for tenant, key in effects),
    )


async def _delete(
    connection: Connection, table: str, columns: Sequence[str], names: Sequence[Row]
) -> int:
    """Delete rows by name; how many there were."""
    if not names:
        return 0
    among, values = connection.dialect.among(columns, names, 1)
    return await connection.execute(f"DELETE FROM {table} WHERE {among}", values)  # noqa: S608


async def _mark(connection: Connection, named: Sequence[Row], now_ns: int) -> None:
    """Say in the sessions that their calls are gone."""
    if not named:
        return
    among, values = connection.dialect.among(("session_id",), named, 1)
    sql = f"SELECT {columns_sql('sessions')} FROM sessions WHERE {among}"  # noqa: S608
    marked = [_marked(row, now_ns) for row in await connection.fetch(sql, values)]
    await connection.write({"sessions": marked})


def _marked(row: Row, now_ns: int) -> Row:
    standing = dict(zip(_STANDING, row, strict=True))
    session = store_rows.session_of(standing["session"])
    purged = msgspec.structs.replace(session, purged_at_ns=now_ns)
    return tuple(
        (standing | {"purged_at_ns": now_ns, "session": msgspec.json.encode(purged)}).values()
    )


async def purgeable(connection: Connection, cuts: Cuts) -> PurgeCounts:
    """What steps would delete until nothing is left, tried on copies that nobody else sees."""
    trial = connection.transaction()
    await trial.start()
    try:
        return await _tried(connection, cuts)
    finally:
        await trial.rollback()


async def _tried(connection: Connection, cuts: Cuts) -> PurgeCounts:
    sql = f"SELECT count(*) {_CONVERSATIONS}"
    ((conversations,),) = await connection.fetch(sql, (cuts.expired_ns, cuts.saved_ns))
    found = PurgeCounts(conversations=conversations)
    await _copy(connection)
    while True:
        step = await _step(connection, cuts, MAX_PURGED_ROWS)
        if step.nothing:
            return found
        found = PurgeCounts(
            sessions=found.sessions + len(step.sessions),
            calls=found.calls + await _tried_sessions(connection, step.sessions),
            runs=found.runs + len(step.runs),
            effects=found.effects + len(step.effects),
            conversations=found.conversations,
        )


async def _copy(connection: Connection) -> None:
    """Copies of what the SELECTs look at, of one instant with calls and conversations."""
    dialect = connection.dialect
    for table, columns in _COPIED.items():
        await connection.execute(
            f"CREATE TEMP TABLE {table} AS SELECT {columns} FROM {dialect.schema}.{table}"  # noqa: S608
        )
        for number, indexed in enumerate(_INDEXES[table]):
            await connection.execute(f"CREATE INDEX trial_{table}_{number} ON {table} ({indexed})")
    if dialect.analyze:
        await connection.execute(dialect.analyze.format(tables=", ".join(_COPIED)))


async def _tried_sessions(connection: Connection, sessions: Sequence[str]) -> int:
    """Mark copies; how many calls the sessions have."""
    if not sessions:
        return 0
    named = [(name,) for name in sessions]
    among, values = connection.dialect.among(("session_id",), named, 1)
    await connection.execute(f"UPDATE sessions SET purged_at_ns = 1 WHERE {among}", values)  # noqa: S608
    among, values = connection.dialect.among(("session",), named, 1)
    ((calls,),) = await connection.fetch(f"SELECT count(*) FROM calls WHERE {among}", values)  # noqa: S608
    return int(calls)
