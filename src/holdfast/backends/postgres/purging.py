"""Deleting what is old and needed by nothing, in steps that each are one short transaction.

Which rows may go is said by the SELECTs here, once: a trial runs them on copies of the columns
that they look at, which stand before the tables in the search path. Not here: when, and how much
at a time (`runtime/retention`).
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from holdfast.backends.postgres.batch import unescaped
from holdfast.backends.postgres.connections import SCHEMA, Connection
from holdfast.model.retention import Cuts, PurgeCounts, Purged
from holdfast.ports import store_rows
from holdfast.ports.store_refusals import MAX_PURGED_ROWS

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
_EFFECTS = f"""
SELECT e.tenant, e.key FROM effects AS e JOIN sessions AS s ON s.session_id = e.session
WHERE e.state IN ('done', 'failed') AND e.changed_at_ns < $1
AND s.state IN {_ENDED} AND s.changed_at_ns < $1
AND NOT EXISTS (SELECT 1 FROM runs AS r WHERE r.session = e.session)
AND NOT EXISTS (SELECT 1 FROM sessions AS live
  WHERE live.tenant = s.tenant AND live.task = s.task AND live.state IN {_LIVE})
AND (s.tenant, s.task) NOT IN (SELECT o.tenant, o.task
  FROM runs AS r JOIN sessions AS o ON o.session_id = r.session
  WHERE r.state IN {_OPEN})
ORDER BY e.changed_at_ns, e.tenant, e.key LIMIT $2
"""  # noqa: S608
_CONVERSATIONS = (
    "FROM conversations WHERE ($1::bigint > 0 AND expires_at_ns <= $1)"
    " OR ($2::bigint > 0 AND saved_at_ns < $2)"
)

_TRIAL = f"""
CREATE TEMP TABLE runs AS
  SELECT run_id, tenant, session, batch, state, changed_at_ns, retry_of FROM {SCHEMA}.runs;
CREATE INDEX ON pg_temp.runs (session);
CREATE INDEX ON pg_temp.runs (retry_of);
CREATE INDEX ON pg_temp.runs (batch);
CREATE INDEX ON pg_temp.runs (state);
CREATE TEMP TABLE sessions AS
  SELECT session_id, tenant, task, parent, state, changed_at_ns, purged_at_ns
  FROM {SCHEMA}.sessions;
CREATE INDEX ON pg_temp.sessions (session_id);
CREATE INDEX ON pg_temp.sessions (parent);
CREATE INDEX ON pg_temp.sessions (tenant, task);
CREATE TEMP TABLE effects AS
  SELECT tenant, key, session, state, changed_at_ns FROM {SCHEMA}.effects;
CREATE INDEX ON pg_temp.effects (session);
CREATE INDEX ON pg_temp.effects (tenant, key);
ANALYZE pg_temp.runs, pg_temp.sessions, pg_temp.effects;
"""  # noqa: S608


class _Step(msgspec.Struct, frozen=True):
    """What one step took, by the keys as they stand in the columns."""

    runs: list[str]
    sessions: list[str]
    effects: list[tuple[str, str]]

    @property
    def nothing(self) -> bool:
        return not (self.runs or self.sessions or self.effects)


async def purge(connection: Connection, cuts: Cuts, now_ns: int, limit: int) -> Purged:
    """One step, for the writer. Errors: asyncpg's, then nothing of it is deleted."""
    async with connection.transaction():
        step = await _step(connection, cuts, limit)
        calls = await connection.execute(
            "DELETE FROM calls WHERE session = ANY($1::text[])", step.sessions
        )
        await _mark(connection, step.sessions, now_ns)
        conversations = await connection.execute(
            'DELETE FROM conversations WHERE (tenant, "user", name) IN'  # noqa: S608
            f' (SELECT tenant, "user", name {_CONVERSATIONS} LIMIT $3)',
            cuts.expired_ns,
            cuts.saved_ns,
            limit,
        )
    return Purged(
        runs=tuple(map(unescaped, step.runs)),
        sessions=tuple(map(unescaped, step.sessions)),
        effects=tuple((unescaped(tenant), unescaped(key)) for tenant, key in step.effects),
        calls=_changed(calls),
        conversations=_changed(conversations),
    )


async def _step(connection: Connection, cuts: Cuts, limit: int) -> _Step:
    """Delete runs and effects, and name the sessions whose calls may go."""
    runs: Sequence[Any] = ()
    sessions: Sequence[Any] = ()
    effects: Sequence[Any] = ()
    if cuts.sessions_ns > 0:
        runs = await connection.fetch(_RUNS, cuts.sessions_ns, limit)
        await connection.execute(
            "DELETE FROM runs WHERE run_id = ANY($1::text[])", [row[0] for row in runs]
        )
        sessions = await connection.fetch(_SESSIONS, cuts.sessions_ns, limit)
    if cuts.effects_ns > 0:
        effects = await connection.fetch(_EFFECTS, cuts.effects_ns, limit)
        await connection.execute(
            "DELETE FROM effects WHERE (tenant, key) IN"
            " (SELECT * FROM unnest($1::text[], $2::text[]))",
            [row[0] for row in effects],
            [row[1] for row in effects],
        )
    return _Step(
        [row[0] for row in runs],
        [row[0] for row in sessions],
        [(row[0], row[1]) for row in effects],
    )


async def _mark(connection: Connection, sessions: Sequence[str], now_ns: int) -> None:
    """Say in the sessions that their calls are gone."""
    rows = await connection.fetch(
        "SELECT session_id, session FROM sessions WHERE session_id = ANY($1::text[])", sessions
    )
    marked = [
        msgspec.json.encode(
            msgspec.structs.replace(store_rows.session_of(row[1]), purged_at_ns=now_ns)
        )
        for row in rows
    ]
    await connection.execute(
        "UPDATE sessions AS s SET session = n.session, purged_at_ns = $3"
        " FROM unnest($1::text[], $2::bytea[]) AS n (session_id, session)"
        " WHERE s.session_id = n.session_id",
        [row[0] for row in rows],
        marked,
        now_ns,
    )


async def purgeable(connection: Connection, cuts: Cuts) -> PurgeCounts:
    """What steps would delete until nothing is left, tried on copies that nobody else sees."""
    trial = connection.transaction(isolation="repeatable_read")
    await trial.start()
    try:
        return await _tried(connection, cuts)
    finally:
        await trial.rollback()


async def _tried(connection: Connection, cuts: Cuts) -> PurgeCounts:
    conversations = await connection.fetchval(
        f"SELECT count(*) {_CONVERSATIONS}", cuts.expired_ns, cuts.saved_ns
    )
    found = PurgeCounts(conversations=int(conversations))
    await connection.execute(_TRIAL)
    while True:
        step = await _step(connection, cuts, MAX_PURGED_ROWS)
        if step.nothing:
            return found
        calls = await connection.fetchval(
            "SELECT count(*) FROM calls WHERE session = ANY($1::text[])", step.sessions
        )
        await connection.execute(
            "UPDATE sessions SET purged_at_ns = 1 WHERE session_id = ANY($1::text[])",
            step.sessions,
        )
        found = PurgeCounts(
            sessions=found.sessions + len(step.sessions),
            calls=found.calls + int(calls),
            runs=found.runs + len(step.runs),
            effects=found.effects + len(step.effects),
            conversations=found.conversations,
        )


def _changed(status: str) -> int:
    """How many rows a statement changed, from what Postgres says of it: `DELETE 3`."""
    return int(status.rpartition(" ")[2])
