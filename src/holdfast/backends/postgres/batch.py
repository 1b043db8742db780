"""Writing many commits with one statement.

A round trip costs more than the rows that it carries: all tables of a batch are written by one
statement of several parts, which Postgres commits by itself. Commits are told apart, one by one,
only where what is stored can refuse one: a session whose token is another's, a conversation that
was changed meanwhile. Not here: queues, waiting.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import msgspec

from holdfast.backends.postgres.connections import Connection
from holdfast.errors import Conflict
from holdfast.model.budgets import AccountKey, AccountState
from holdfast.model.conversations import Conversation, ConversationClosed
from holdfast.ports.store_rows import CommitRows, Row, account_row, conversation_row
from holdfast.ports.store_tables import KEYS, TABLES, TEXT

_MERGED = [table for table in TABLES if table != "conversations"]
_FIXED = {"calls": ("position",)}
_TOKEN = [name for name, _ in TABLES["sessions"]].index("token_digest")


class Counters(msgspec.Struct):
    """The last numbers given away: of the journal, and of calls."""

    seq: int
    position: int


def columns_sql(table: str) -> str:
    """The columns of a table, quoted (one of them is a word of SQL)."""
    return ", ".join(f'"{name}"' for name, _ in TABLES[table])


def _again_sql(table: str) -> str:
    if table == "journal":
        return ""
    kept = (*KEYS[table], *_FIXED.get(table, ()))
    sets = ", ".join(f'"{n}" = excluded."{n}"' for n, _ in TABLES[table] if n not in kept)
    return f" ON CONFLICT ({', '.join(KEYS[table])}) DO UPDATE SET {sets}"


def _whole_sql() -> str:
    """All tables in one statement; a parameter is the array of one column."""
    parts, first = [], 1
    for table in _MERGED:
        arrays = ", ".join(
            f"${n}::{kind.value}[]" for n, (_, kind) in enumerate(TABLES[table], first)
        )
        parts.append(
            f"{table}_in AS (INSERT INTO {table} ({columns_sql(table)})"  # noqa: S608 -- constants
            f" SELECT * FROM unnest({arrays}){_again_sql(table)})"
        )
        first += len(TABLES[table])
    closed = f"DELETE FROM holds WHERE hold_id = ANY(${first}::text[])"  # noqa: S608 -- constants
    return f"WITH {', '.join(parts)} {closed}"


_WHOLE = _whole_sql()
_SESSION = (
    f"INSERT INTO sessions ({columns_sql('sessions')})"  # noqa: S608 -- constants
    f" VALUES ({', '.join(f'${n}' for n in range(1, len(TABLES['sessions']) + 1))})"
    + _again_sql("sessions")
)
_SETS = (
    "version = {0}version, replaces = {0}replaces, digest = {0}digest,"
    " saved_at_ns = {0}saved_at_ns, expires_at_ns = {0}expires_at_ns,"
    " size_bytes = {0}size_bytes, messages = {0}messages, metadata = {0}metadata"
)
_VALUES = (
    "($1::text, $2::text, $3::text, $4::bigint, $5::bigint, $6::text, $7::bigint, $8::bigint,"
    " $9::bigint, $10::bytea, $11::bytea)"
)
_NAMES = columns_sql("conversations")
# Each of these changes one row, or none where the conversation is another version by now.
_CONVERSATION = (
    f"INSERT INTO conversations ({_NAMES}) VALUES {_VALUES}"  # noqa: S608 -- constants only
    f' ON CONFLICT (tenant, "user", name) DO UPDATE SET {_SETS.format("excluded.")}'
    " WHERE conversations.expires_at_ns <= excluded.saved_at_ns"
)
_CONVERSATION_AGAIN = (
    f"UPDATE conversations AS c SET {_SETS.format('n.')}"  # noqa: S608 -- constants only
    f" FROM (VALUES {_VALUES}) AS n ({_NAMES})"
    ' WHERE c.tenant = n.tenant AND c."user" = n."user" AND c.name = n.name'
    " AND c.version = $12 AND c.expires_at_ns > $13"
)
_CONVERSATION_CLOSED = (
    'DELETE FROM conversations WHERE tenant = $1 AND "user" = $2 AND name = $3 AND version = $4'
)


async def write(
    connection: Connection, commits: Sequence[CommitRows], counters: Counters
) -> list[Conflict | None]:
    """Make all commits durable in their order, or none.

    Shape: one answer a commit; a Conflict means that this commit alone left nothing behind.
    Errors: asyncpg's, then nothing was written as far as this side can tell.
    """
    if all(commit.empty for commit in commits):
        return [None] * len(commits)
    sessions = {row[0]: row for commit in commits for row in commit.sessions}
    if any(commit.conversations for commit in commits) or _token_changes_twice(commits):
        return await _write_apart(connection, commits, counters)
    before = msgspec.structs.replace(counters)
    try:
        await _write_merged(connection, commits, counters, list(sessions.values()))
    except asyncpg.UniqueViolationError:
        counters.seq, counters.position = before.seq, before.position
        return await _write_apart(connection, commits, counters)
    return [None] * len(commits)


def _token_changes_twice(commits: Sequence[CommitRows]) -> bool:
    """Whether a token is free between two commits of the batch, which merged rows cannot show."""
    tokens: dict[str, str] = {}
    rows = (row for commit in commits for row in commit.sessions)
    return any(tokens.setdefault(row[0], row[_TOKEN]) != row[_TOKEN] for row in rows)


async def _write_apart(
    connection: Connection, commits: Sequence[CommitRows], counters: Counters
) -> list[Conflict | None]:
    async with connection.transaction():
        answers = [await _write_conditional(connection, commit) for commit in commits]
        kept = [c for c, refused in zip(commits, answers, strict=True) if refused is None]
        await _write_merged(connection, kept, counters, ())
    return answers


async def _write_conditional(connection: Connection, commit: CommitRows) -> Conflict | None:
    """What can be refused by what is stored; then nothing of the commit is kept."""
    if not commit.sessions and not commit.conversations:
        return None
    try:
        async with connection.transaction():
            for row in commit.sessions:
                await connection.execute(_SESSION, *map(_plain, row))
            for change in commit.conversations:
                statement, values = _conversation(change)
                done = await connection.execute(statement, *map(_plain, values))
                if not done.endswith(" 1"):
                    raise Conflict("the conversation was changed meanwhile")
    except asyncpg.UniqueViolationError:
        return Conflict("the token of the session is another session's")
    except Conflict as refused:
        return refused
    return None


def _conversation(change: Conversation | ConversationClosed) -> tuple[str, Row]:
    """The statement that stores or deletes a conversation if it is the version expected."""
    key = (change.tenant, change.user, change.name)
    if isinstance(change, ConversationClosed):
        return _CONVERSATION_CLOSED, (*key, change.replaces)
    row = conversation_row(change)
    if change.replaces == 0:
        return _CONVERSATION, row
    return _CONVERSATION_AGAIN, (*row, change.replaces, change.saved_at_ns)


async def _write_merged(
    connection: Connection,
    commits: Sequence[CommitRows],
    counters: Counters,
    sessions: Sequence[Row],
) -> None:
    accounts: dict[AccountKey, AccountState] = {}
    calls: dict[tuple[str, str], bytes] = {}
    holds: dict[str, Row | None] = {}
    runs: dict[str, Row] = {}
    effects: dict[tuple[str, str], Row] = {}
    journal: list[Row] = []
    for commit in commits:
        journal += commit.journal
        accounts |= commit.accounts
        calls |= commit.calls
        holds |= commit.holds
        runs |= commit.runs
        effects |= commit.effects
    rows: dict[str, Iterable[Row]] = {
        "journal": [(n, *row) for n, row in enumerate(journal, counters.seq + 1)],
        "accounts": map(account_row, accounts.values()),
        "calls": [
            (n, *key, raw) for n, (key, raw) in enumerate(calls.items(), counters.position + 1)
        ],
        "holds": [row for row in holds.values() if row],
        "sessions": sessions,
        "runs": runs.values(),
        "effects": effects.values(),
    }
    bindings: list[Any] = []
    for table in _MERGED:
        bindings += columns_of(table, rows[table])
    bindings.append([_plain(hold_id) for hold_id, row in holds.items() if row is None])
    await connection.execute(_WHOLE, *bindings)
    counters.seq += len(journal)
    counters.position += len(calls)


def columns_of(table: str, rows: Iterable[Row]) -> list[Sequence[Any]]:
    """Rows turned into one array a column."""
    columns = list(zip(*rows, strict=True))
    if not columns:
        return [()] * len(TABLES[table])
    return [
        _texts(column) if kind is TEXT else column
        for column, (_, kind) in zip(columns, TABLES[table], strict=True)
    ]


def _texts(column: Sequence[str]) -> Sequence[str]:
    joined = "".join(column)
    if "\0" in joined or "\1" in joined:
        return [_plain(text) for text in column]
    return column


def _plain(value: Any) -> Any:
    """Text that Postgres can keep: it knows no NUL, so that one is spelled with two others.

    The order of texts stays as it was.
    """
    if isinstance(value, str) and ("\0" in value or "\1" in value):
        return value.replace("\1", "\1\2").replace("\0", "\1\1")
    return value


def escaped(text: str) -> str:
    """Text as it stands in a column."""
    found: str = _plain(text)
    return found


def unescaped(text: str) -> str:
    """What `escaped` was given."""
    if "\1" not in text:
        return text
    return text.replace("\1\1", "\0").replace("\1\2", "\1")
