"""What is left of many commits, and which of them a stored state refuses."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.sql import batch
from holdfast.errors import Conflict
from holdfast.model.budgets import AccountKey, AccountState, Dimension, Scope, Window
from holdfast.model.conversations import Conversation
from holdfast.ports.store import Change, HoldClosed
from holdfast.ports.store_tables import KEYS, TABLES
from holdfast.testing.conformance.store import a_call, a_hold, a_session
from holdfast.testing.conformance.store_retention import a_conversation
from tests.unit.backends.sql.fake_database import FakeDatabase, rows_of

SPENT = AccountKey(Scope.USER, "acme/ann", Dimension.USD, Window.DAY)


def written(database: FakeDatabase, *commits) -> list[Conflict | None]:
    return asyncio.run(batch.write(database, commits))


def of(*changes: Change):
    return rows_of(changes=changes)


def test_commits_that_only_wait_write_nothing():
    database = FakeDatabase()
    assert written(database, of(), of()) == [None, None]
    assert database.writes == 0


def test_of_many_states_of_one_thing_the_last_is_written_in_one_write():
    database = FakeDatabase()
    states = [AccountState(key=SPENT, limit=None, settled=n, held=5) for n in range(9)]
    written(database, *(of(state, a_call("c"), a_hold("h")) for state in states))
    assert database.writes == 1
    assert {table: len(rows) for table, rows in database.tables.items() if rows} == {
        "accounts": 1,
        "calls": 1,
        "holds": 1,
    }
    ((_, raw),) = database.tables["accounts"].values()
    assert b'"settled":8' in raw
    assert b'"held":5' not in raw


def test_a_hold_that_was_opened_and_closed_in_one_batch_leaves_nothing():
    database = FakeDatabase()
    written(database, of(a_hold("h"), a_hold("other")), of(HoldClosed("h")))
    assert list(database.tables["holds"]) == [("other",)]
    written(database, of(HoldClosed("other")), of(a_hold("other")))
    assert list(database.tables["holds"]) == [("other",)]


SESSIONS = st.tuples(
    st.sampled_from(["s1", "s2", "s3"]), st.sampled_from(["", "t1", "t2"]), st.integers(1, 9)
)


@given(st.lists(st.lists(SESSIONS, max_size=2), max_size=8), st.integers(1, 8))
def test_batches_of_any_size_leave_and_answer_what_commits_one_by_one_do(commits, size):
    rows = [
        rows_of(n, changes=[a_session(s, token_digest=t, opened_at_ns=at) for s, t, at in some])
        for n, some in enumerate(commits)
    ]
    alone, together = FakeDatabase(), FakeDatabase()
    wanted = [type(answer) for one in rows for answer in written(alone, one)]
    answers = []
    for first in range(0, len(rows), size):
        answers += [type(answer) for answer in written(together, *rows[first : first + size])]
    assert answers == wanted
    assert together.tables["sessions"] == alone.tables["sessions"]
    assert together.journal() == alone.journal()


def test_a_commit_that_is_refused_leaves_nothing_behind():
    database = FakeDatabase()
    written(database, of(a_session("s1", token_digest="t1")))
    torn = [a_session("s2", token_digest="t2"), a_session("s3", token_digest="t1")]
    answers = written(database, rows_of(1, changes=torn), rows_of(2))
    assert [type(answer) for answer in answers] == [Conflict, type(None)]
    assert list(database.tables["sessions"]) == [("s1",)]
    assert database.journal() == [2]


@pytest.mark.parametrize(
    ("change", "statement", "last"),
    [
        (a_conversation(), "INSERT", b"{}"),
        (a_conversation(version=3), "UPDATE", 1),
    ],
)
def test_a_conversation_is_stored_only_over_the_version_that_it_replaces(change, statement, last):
    database = FakeDatabase()
    assert isinstance(change, Conversation)
    assert written(database, rows_of(1, changes=[change])) == [None]
    ((sql, values),) = database.executed
    assert sql.startswith(statement)
    assert values[-1] == last
    database.changes = 0
    (refused,) = written(database, rows_of(2, changes=[change]))
    assert isinstance(refused, Conflict)
    assert database.journal() == [1]


def test_every_table_but_the_journal_replaces_what_has_the_same_key():
    for table, columns in TABLES.items():
        again = batch.again_sql(table)
        assert (again == "") is (table == "journal")
        for name, _ in columns if again else ():
            kept = name in KEYS[table] or (table, name) == ("calls", "position")
            assert (f'"{name}" = excluded."{name}"' in again) is not kept
