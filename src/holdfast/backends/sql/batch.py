"""Writing many commits at once: what is left of them when later states replace earlier ones.

Commits are told apart, one by one, only where what is stored can refuse one: a session whose token
is another's, a conversation that was changed meanwhile. Not here: queues, waiting, how rows go in.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from holdfast.backends.sql.database import Connection, Job, columns_sql
from holdfast.errors import Conflict
from holdfast.model.budgets import AccountKey, AccountState
from holdfast.model.conversations import Conversation, ConversationClosed
from holdfast.ports.store_rows import CommitRows, Row, account_row, conversation_row
from holdfast.ports.store_tables import KEYS, TABLES

_FIXED = {"calls": ("position",)}
_TOKEN = [name for name, _ in TABLES["sessions"]].index("token_digest")
_FREE = [name for name, _ in TABLES["conversations"] if name not in KEYS["conversations"]]
_MINE = 'tenant = $1 AND "user" = $2 AND name = $3'
# Each of these changes one row, or none where the conversation is another version by now.
_CONVERSATION = (
    f"INSERT INTO conversations ({columns_sql('conversations')})"  # noqa: S608 -- constants only
    f" VALUES ({', '.join(f'${n}' for n in range(1, len(_FREE) + 4))})"
    f' ON CONFLICT (tenant, "user", name) DO UPDATE'
    f" SET {', '.join(f'{name} = excluded.{name}' for name in _FREE)}"
    " WHERE conversations.expires_at_ns <= excluded.saved_at_ns"
)
_CONVERSATION_AGAIN = (
    f"UPDATE conversations SET {', '.join(f'{name} = ${n}' for n, name in enumerate(_FREE, 4))}"  # noqa: S608
    f" WHERE {_MINE} AND version = $12 AND expires_at_ns > $13"
)
_CONVERSATION_CLOSED = f"DELETE FROM conversations WHERE {_MINE} AND version = $4"  # noqa: S608


class Tables:
    """Where a writer puts its commits: the tables, at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.unavailable = connection.unavailable

    async def write(self, commits: Sequence[CommitRows]) -> Sequence[Conflict | None]:
        """As below."""
        return await write(self._connection, commits)

    async def act(self, job: Job) -> Any:
        """The job on the connection."""
        return await job(self._connection)


class Merged(NamedTuple):
    """Rows of each table that a batch writes, and the ids of holds that it deletes."""

    rows: dict[str, list[Row]]
    closed: list[str]


def again_sql(table: str) -> str:
    """What becomes of a row whose key there is already; the journal replaces nothing."""
    if table == "journal":
        return ""
    keys = ", ".join(f'"{name}"' for name in KEYS[table])
    kept = (*KEYS[table], *_FIXED.get(table, ()))
    sets = ", ".join(f'"{n}" = excluded."{n}"' for n, _ in TABLES[table] if n not in kept)
    return f" ON CONFLICT ({keys}) DO UPDATE SET {sets}"


async def write(connection: Connection, commits: Sequence[CommitRows]) -> list[Conflict | None]:
    """Make all commits durable in their order, or none.

    Shape: one answer a commit; a Conflict means that this commit alone left nothing behind.
    Errors: the driver's, then nothing was written as far as this side can tell.
    """
    if all(commit.empty for commit in commits):
        return [None] * len(commits)
    if not any(commit.conversations for commit in commits) and not _token_changes_twice(commits):
        with suppress(connection.taken):
            await connection.write(*merged(commits))
            return [None] * len(commits)
    return await _write_apart(connection, commits)


def _token_changes_twice(commits: Sequence[CommitRows]) -> bool:
    """Whether a token is free between two commits of the batch, which merged rows cannot show."""
    tokens: dict[str, str] = {}
    rows = (row for commit in commits for row in commit.sessions)
    return any(tokens.setdefault(row[0], row[_TOKEN]) != row[_TOKEN] for row in rows)


def merged(commits: Sequence[CommitRows]) -> Merged:
    """What is left to write of commits that nothing stored can refuse, or that were tried."""
    sessions: dict[str, Row] = {}
    accounts: dict[AccountKey, AccountState] = {}
    calls: dict[tuple[str, str], bytes] = {}
    holds: dict[str, Row | None] = {}
    runs: dict[str, Row] = {}
    effects: dict[tuple[str, str], Row] = {}
    approvals: dict[str, Row] = {}
    keys: dict[str, Row] = {}
    stops: dict[str, Row] = {}
    journal: list[Row] = []
    for commit in commits:
        journal += commit.journal
        for row in commit.sessions:
            sessions[row[0]] = row
        accounts |= commit.accounts
        calls |= commit.calls
        holds |= commit.holds
        runs |= commit.runs
        effects |= commit.effects
        approvals |= commit.approvals
        keys |= commit.keys
        stops |= commit.stops
    rows = {
        "sessions": list(sessions.values()),
        "journal": journal,
        "accounts": [account_row(state) for state in accounts.values()],
        "calls": [(*key, raw) for key, raw in calls.items()],
        "holds": [row for row in holds.values() if row],
        "runs": list(runs.values()),
        "effects": list(effects.values()),
        "approvals": list(approvals.values()),
        "spending_keys": list(keys.values()),
        "stops": list(stops.values()),
    }
    return Merged(rows, [hold_id for hold_id, row in holds.items() if row is None])


async def _write_apart(
    connection: Connection, commits: Sequence[CommitRows]
) -> list[Conflict | None]:
    async with connection.transaction():
        answers = [await _write_conditional(connection, commit) for commit in commits]
        kept = [c for c, refused in zip(commits, answers, strict=True) if refused is None]
        await connection.write(*merged(kept))
    return answers


async def _write_conditional(connection: Connection, commit: CommitRows) -> Conflict | None:
    """What can be refused by what is stored; then nothing of the commit is kept."""
    if not commit.sessions and not commit.conversations:
        return None
    try:
        async with connection.transaction():
            for row in commit.sessions:
                await connection.write({"sessions": [row]})
            for change in commit.conversations:
                if await connection.execute(*_conversation(change)) != 1:
                    raise Conflict("the conversation was changed meanwhile")
    except connection.taken:
        return Conflict("the token of the session is another session's")
    except Conflict as refused:
        return refused
    return None


def _conversation(change: Conversation | ConversationClosed) -> tuple[str, Row]:
    """The statement that stores or deletes a conversation if it is the version expected."""
    if isinstance(change, ConversationClosed):
        name = (change.tenant, change.user, change.name)
        return _CONVERSATION_CLOSED, (*name, change.replaces)
    row = conversation_row(change)
    if change.replaces == 0:
        return _CONVERSATION, row
    return _CONVERSATION_AGAIN, (*row, change.replaces, change.saved_at_ns)
