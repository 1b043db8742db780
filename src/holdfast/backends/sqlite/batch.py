"""Writing many commits in one transaction with few statements.

SQLite gives Python's lock away at every statement and gets it back only after up to 5 ms when the
event loop is busy, so rows go in many at a time: the number of statements of a batch grows with
the logarithm of its commits. Not here: threads, queues, waiting.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain

import apsw

from holdfast.backends.sqlite.chunks import chunked
from holdfast.errors import Conflict
from holdfast.model.budgets import AccountKey, AccountState
from holdfast.model.conversations import Conversation, ConversationClosed
from holdfast.ports.store_rows import (
    RECORD_COLUMNS,
    CommitRows,
    Row,
    account_row,
    conversation_row,
)

_ROWS = (256, 64, 16, 4, 1)

# A row that cannot be written ends the whole batch anyway. Saying so spares SQLite the copy of each
# page that it keeps to undo one statement alone, which is dearer than the rows.
_JOURNAL = f"INSERT OR ROLLBACK INTO journal ({RECORD_COLUMNS}) VALUES "  # noqa: S608
_CALLS = "INSERT INTO calls (session, call_id, call) VALUES "
_CALLS_AGAIN = " ON CONFLICT (session, call_id) DO UPDATE SET call = excluded.call"
_ACCOUNTS = "INSERT INTO accounts (key, account) VALUES "
_ACCOUNTS_AGAIN = " ON CONFLICT (key) DO UPDATE SET account = excluded.account"
_HOLDS = "INSERT INTO holds (hold_id, opened_at_ns, hold) VALUES "
_HOLDS_AGAIN = (
    " ON CONFLICT (hold_id) DO UPDATE SET"
    " opened_at_ns = excluded.opened_at_ns, hold = excluded.hold"
)
_HOLDS_CLOSED = "DELETE FROM holds WHERE (hold_id) IN (VALUES "
_RUNS = (
    "INSERT INTO runs (run_id, tenant, project, user, session, batch, state, submitted_at_ns,"
    " changed_at_ns, retry_of, run) VALUES "
)
_RUNS_AGAIN = (
    " ON CONFLICT (run_id) DO UPDATE SET tenant = excluded.tenant, project = excluded.project,"
    " user = excluded.user, session = excluded.session, batch = excluded.batch,"
    " state = excluded.state, submitted_at_ns = excluded.submitted_at_ns,"
    " changed_at_ns = excluded.changed_at_ns, retry_of = excluded.retry_of, run = excluded.run"
)
_EFFECTS = (
    "INSERT INTO effects (tenant, key, session, intended_at_ns, state, changed_at_ns, effect)"
    " VALUES "
)
_EFFECTS_AGAIN = (
    " ON CONFLICT (tenant, key) DO UPDATE SET session = excluded.session,"
    " intended_at_ns = excluded.intended_at_ns, state = excluded.state,"
    " changed_at_ns = excluded.changed_at_ns, effect = excluded.effect"
)
_SESSION = (
    "INSERT INTO sessions (session_id, tenant, project, user, state, opened_at_ns, token_digest,"
    " task, parent, changed_at_ns, purged_at_ns, session)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session_id) DO UPDATE SET"
    " tenant = excluded.tenant, project = excluded.project, user = excluded.user,"
    " state = excluded.state, opened_at_ns = excluded.opened_at_ns,"
    " token_digest = excluded.token_digest, task = excluded.task, parent = excluded.parent,"
    " changed_at_ns = excluded.changed_at_ns, purged_at_ns = excluded.purged_at_ns,"
    " session = excluded.session"
)
# Each of these changes one row, or none where the conversation is another version by now.
_CONVERSATION = (
    "INSERT INTO conversations (tenant, user, name, version, replaces, digest, saved_at_ns,"
    " expires_at_ns, size_bytes, messages, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (tenant, user, name) DO UPDATE SET version = excluded.version,"
    " replaces = excluded.replaces, digest = excluded.digest,"
    " saved_at_ns = excluded.saved_at_ns, expires_at_ns = excluded.expires_at_ns,"
    " size_bytes = excluded.size_bytes, messages = excluded.messages,"
    " metadata = excluded.metadata"
    " WHERE conversations.expires_at_ns <= excluded.saved_at_ns"
)
_CONVERSATION_AGAIN = (
    "UPDATE conversations SET version = ?, replaces = ?, digest = ?, saved_at_ns = ?,"
    " expires_at_ns = ?, size_bytes = ?, messages = ?, metadata = ?"
    " WHERE tenant = ? AND user = ? AND name = ? AND version = ? AND expires_at_ns > ?"
)
_CONVERSATION_CLOSED = (
    "DELETE FROM conversations WHERE tenant = ? AND user = ? AND name = ? AND version = ?"
)


def write(connection: apsw.Connection, commits: Sequence[CommitRows]) -> list[Conflict | None]:
    """Make all commits durable in their order, or none.

    Shape: one answer a commit; a Conflict means that this commit alone left nothing behind.
    Errors: apsw.Error, then the transaction is rolled back.
    """
    if all(commit.empty for commit in commits):
        return [None] * len(commits)
    connection.execute("BEGIN IMMEDIATE")
    try:
        answers = [_write_conditional(connection, commit) for commit in commits]
        kept = [c for c, refused in zip(commits, answers, strict=True) if refused is None]
        _write_merged(connection, kept)
        connection.execute("COMMIT")
    except BaseException:
        # After some errors SQLite has rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return answers


def _write_conditional(connection: apsw.Connection, commit: CommitRows) -> Conflict | None:
    """What can be refused by what is stored; then nothing of the commit is kept."""
    if not commit.sessions and not commit.conversations:
        return None
    connection.execute("SAVEPOINT one_commit")
    refused = None
    try:
        for row in commit.sessions:
            connection.execute(_SESSION, row)
    except apsw.ConstraintError:
        refused = Conflict("the token of the session is another session's")
    for change in commit.conversations if refused is None else ():
        connection.execute(*_conversation(change))
        if connection.changes() != 1:
            refused = Conflict("the conversation was changed meanwhile")
            break
    if refused is not None:
        connection.execute("ROLLBACK TO one_commit")
    connection.execute("RELEASE one_commit")
    return refused


def _conversation(change: Conversation | ConversationClosed) -> tuple[str, Row]:
    """The statement that stores or deletes a conversation if it is the version expected."""
    key = (change.tenant, change.user, change.name)
    if isinstance(change, ConversationClosed):
        return _CONVERSATION_CLOSED, (*key, change.replaces)
    row = conversation_row(change)
    if change.replaces == 0:
        return _CONVERSATION, row
    return _CONVERSATION_AGAIN, (*row[3:], *key, change.replaces, change.saved_at_ns)


def _write_merged(connection: apsw.Connection, commits: Sequence[CommitRows]) -> None:
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
    _insert(connection, _JOURNAL, journal)
    _insert(connection, _ACCOUNTS, map(account_row, accounts.values()), _ACCOUNTS_AGAIN)
    _insert(connection, _CALLS, ((*key, raw) for key, raw in calls.items()), _CALLS_AGAIN)
    _insert(connection, _HOLDS, (row for row in holds.values() if row), _HOLDS_AGAIN)
    _insert(connection, _RUNS, runs.values(), _RUNS_AGAIN)
    _insert(connection, _EFFECTS, effects.values(), _EFFECTS_AGAIN)
    closed = [(hold_id,) for hold_id, row in holds.items() if row is None]
    _insert(connection, _HOLDS_CLOSED, closed, ")")


def _insert(connection: apsw.Connection, head: str, rows: Iterable[Row], tail: str = "") -> None:
    for part in chunked(list(rows), _ROWS):
        statement = _statement(head, len(part[0]), len(part), tail)
        connection.execute(statement, tuple(chain.from_iterable(part)))


@cache
def _statement(head: str, columns: int, rows: int, tail: str) -> str:
    row = "(" + ", ".join("?" * columns) + ")"
    return head + ", ".join([row] * rows) + tail
