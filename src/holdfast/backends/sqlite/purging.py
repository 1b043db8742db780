"""Deleting what is old and needed by nothing, in steps that each are one short transaction.

Which rows may go is said by the SELECTs here, once: a trial runs them on copies of the columns
that they look at. Not here: when, and how much at a time (`runtime/retention`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec

from holdfast.backends.sqlite import connections
from holdfast.model.retention import Compacted, Cuts, PurgeCounts, Purged
from holdfast.ports import store_rows
from holdfast.ports.store_refusals import MAX_PURGED_ROWS

_OVER = "('done', 'failed', 'cancelled')"
_OPEN = "('queued', 'running', 'delayed', 'parked', 'dead')"
_LIVE = "('active', 'paused')"
_ENDED = "('stopped', 'killed', 'expired', 'ended')"

# The constants above are all that is put into these statements.
_RUNS = f"""
SELECT r.run_id FROM runs AS r
WHERE r.state IN {_OVER} AND r.changed_at_ns < ?1
AND NOT EXISTS (SELECT 1 FROM runs AS later
  WHERE later.retry_of = r.run_id AND later.retry_of <> '')
AND NOT EXISTS (SELECT 1 FROM sessions AS s
  WHERE s.session_id = r.session AND s.state IN {_LIVE})
AND NOT EXISTS (SELECT 1 FROM runs AS part
  WHERE part.batch = r.batch AND part.batch <> '' AND part.tenant = r.tenant
  AND (part.state IN {_OPEN} OR part.changed_at_ns >= ?1))
ORDER BY r.changed_at_ns, r.run_id LIMIT ?2
"""  # noqa: S608
_SESSIONS = f"""
SELECT s.session_id FROM sessions AS s
WHERE s.purged_at_ns = 0 AND s.state IN {_ENDED} AND s.changed_at_ns < ?1
AND NOT EXISTS (SELECT 1 FROM runs AS r WHERE r.session = s.session_id)
AND NOT EXISTS (SELECT 1 FROM effects AS e
  WHERE e.session = s.session_id AND e.state IN ('intended', 'unknown'))
AND NOT EXISTS (SELECT 1 FROM sessions AS later
  WHERE later.parent = s.session_id AND later.parent <> '' AND later.purged_at_ns = 0)
ORDER BY s.changed_at_ns, s.session_id LIMIT ?2
"""  # noqa: S608
_EFFECTS = f"""
SELECT e.tenant, e.key FROM effects AS e JOIN sessions AS s ON s.session_id = e.session
WHERE e.state IN ('done', 'failed') AND e.changed_at_ns < ?1
AND s.state IN {_ENDED} AND s.changed_at_ns < ?1
AND NOT EXISTS (SELECT 1 FROM runs AS r WHERE r.session = e.session)
AND NOT EXISTS (SELECT 1 FROM sessions AS live
  WHERE live.tenant = s.tenant AND live.task = s.task AND live.state IN {_LIVE})
AND (s.tenant, s.task) NOT IN (SELECT o.tenant, o.task
  FROM runs AS r CROSS JOIN sessions AS o
  WHERE r.state IN {_OPEN} AND o.session_id = r.session)
ORDER BY e.changed_at_ns, e.tenant, e.key LIMIT ?2
"""  # noqa: S608
_CONVERSATIONS = """
FROM conversations WHERE (?1 > 0 AND expires_at_ns <= ?1) OR (?2 > 0 AND saved_at_ns < ?2)
"""

_TRIAL = (
    (
        "CREATE TEMP TABLE runs AS SELECT run_id, tenant, session, batch, state, changed_at_ns,"
        " retry_of FROM main.runs"
    ),
    "CREATE INDEX temp.trial_runs ON runs (session)",
    "CREATE INDEX temp.trial_retries ON runs (retry_of)",
    "CREATE INDEX temp.trial_batches ON runs (batch)",
    "CREATE INDEX temp.trial_open ON runs (state)",
    (
        "CREATE TEMP TABLE sessions AS SELECT session_id, tenant, task, parent, state,"
        " changed_at_ns, purged_at_ns FROM main.sessions"
    ),
    "CREATE UNIQUE INDEX temp.trial_sessions ON sessions (session_id)",
    "CREATE INDEX temp.trial_parents ON sessions (parent)",
    "CREATE INDEX temp.trial_tasks ON sessions (tenant, task, state)",
    (
        "CREATE TEMP TABLE effects AS SELECT tenant, key, session, state, changed_at_ns"
        " FROM main.effects"
    ),
    "CREATE INDEX temp.trial_effects ON effects (session)",
    "CREATE UNIQUE INDEX temp.trial_keys ON effects (tenant, key)",
)


def purge(connection: apsw.Connection, cuts: Cuts, now_ns: int, limit: int) -> Purged:
    """One step, for the writer. Errors: apsw.Error, then nothing of it is deleted."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        purged = _step(connection, cuts, limit)
        calls = _delete(connection, "calls", ("session",), [(name,) for name in purged.sessions])
        _mark(connection, purged.sessions, now_ns)
        gone = connection.execute(
            f"SELECT tenant, user, name {_CONVERSATIONS} LIMIT ?3",
            (cuts.expired_ns, cuts.saved_ns, limit),
        ).fetchall()
        conversations = _delete(connection, "conversations", ("tenant", "user", "name"), gone)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return msgspec.structs.replace(purged, calls=calls, conversations=conversations)


def _step(connection: apsw.Connection, cuts: Cuts, limit: int) -> Purged:
    """Delete runs and effects, and name the sessions whose calls may go."""
    runs: list[Any] = []
    sessions: list[Any] = []
    effects: list[Any] = []
    if cuts.sessions_ns > 0:
        runs = connection.execute(_RUNS, (cuts.sessions_ns, limit)).fetchall()
        _delete(connection, "runs", ("run_id",), runs)
        sessions = connection.execute(_SESSIONS, (cuts.sessions_ns, limit)).fetchall()
    if cuts.effects_ns > 0:
        effects = connection.execute(_EFFECTS, (cuts.effects_ns, limit)).fetchall()
        _delete(connection, "effects", ("tenant", "key"), effects)
    return Purged(
        runs=tuple(name for (name,) in runs),
        sessions=tuple(name for (name,) in sessions),
        effects=tuple((tenant, key) for tenant, key in effects),
    )


def _delete(
    connection: apsw.Connection,
    table: str,
    columns: tuple[str, ...],
    names: Sequence[tuple[Any, ...]],
) -> int:
    """Delete rows by key; how many there were."""
    if not names:
        return 0
    one = "(" + ", ".join("?" * len(columns)) + ")"
    connection.execute(
        f"DELETE FROM {table} WHERE ({', '.join(columns)}) IN"  # noqa: S608 -- constants only
        f" (VALUES {', '.join([one] * len(names))})",
        tuple(part for name in names for part in name),
    )
    return connection.changes()


def _mark(connection: apsw.Connection, sessions: Sequence[str], now_ns: int) -> None:
    """Say in the sessions that their calls are gone."""
    for name in sessions:
        read = connection.execute("SELECT session FROM sessions WHERE session_id = ?", (name,))
        session = msgspec.structs.replace(store_rows.session_of(read.get), purged_at_ns=now_ns)
        connection.execute(
            "UPDATE sessions SET session = ?, purged_at_ns = ? WHERE session_id = ?",
            (msgspec.json.encode(session), now_ns, name),
        )


def purgeable(path: Path, cuts: Cuts) -> PurgeCounts:
    """What steps would delete until nothing is left, tried on copies in memory.

    Over a connection of its own, since the readers' own cannot write even beside the database.
    """
    connection = connections.open_for_trial(path)
    try:
        # One transaction: copies, calls and conversations are of the same instant.
        connection.execute("BEGIN")
        found = _conversations_and_copies(connection, cuts)
        while True:
            step = _step(connection, cuts, MAX_PURGED_ROWS)
            if step.nothing:
                return found
            marked = [(name,) for name in step.sessions]
            calls = _count(connection, "calls", marked)
            for name in marked:
                connection.execute(
                    "UPDATE sessions SET purged_at_ns = 1 WHERE session_id = ?", name
                )
            found = PurgeCounts(
                sessions=found.sessions + len(marked),
                calls=found.calls + calls,
                runs=found.runs + len(step.runs),
                effects=found.effects + len(step.effects),
                conversations=found.conversations,
            )
    finally:
        connection.close(True)


def _conversations_and_copies(connection: apsw.Connection, cuts: Cuts) -> PurgeCounts:
    counted = connection.execute(
        f"SELECT count(*) {_CONVERSATIONS}",
        (cuts.expired_ns, cuts.saved_ns),
    ).get
    for statement in _TRIAL:
        connection.execute(statement)
    return PurgeCounts(conversations=int(counted))


def _count(connection: apsw.Connection, table: str, sessions: Sequence[tuple[str]]) -> int:
    if not sessions:
        return 0
    found = connection.execute(
        f"SELECT count(*) FROM main.{table} WHERE session IN"  # noqa: S608 -- constants only
        f" ({', '.join('?' * len(sessions))})",
        tuple(name for (name,) in sessions),
    )
    return int(found.get)


def compact(connection: apsw.Connection, at_most_bytes: int) -> Compacted:
    """Give free pages at the file's end back. A file made without that keeps them for new rows."""
    page_bytes = int(connection.pragma("page_size"))
    before = int(connection.pragma("freelist_count"))
    pages = min(before, at_most_bytes // page_bytes)
    if pages > 0 and int(connection.pragma("auto_vacuum")) == connections.INCREMENTAL:
        connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
    after = int(connection.pragma("freelist_count"))
    return Compacted(freed_bytes=(before - after) * page_bytes, free_bytes=after * page_bytes)
