"""Few statements serve any number of rows and names, and none is left out."""

from contextlib import suppress

import apsw
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.sqlite.dialect import SqliteDialect, numbered
from holdfast.backends.sqlite.threads import ran
from holdfast.backends.sqlite.writing import _ROWS, SqliteConnection, _parts

NAMES = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 99).map(str)), max_size=150)


@given(NAMES, st.integers(1, 3))
def test_a_list_finds_what_has_one_of_its_names_and_nothing_else(names, first):
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE effects (tenant TEXT, key TEXT)")
    every = [(tenant, str(n)) for tenant in "abc" for n in range(100)]
    connection.executemany("INSERT INTO effects VALUES (?, ?)", every)
    before = [f"${n} = ${n}" for n in range(1, first)]
    for columns, wanted in (
        (("tenant", "key"), names),
        (("key",), [(key,) for _, key in names]),
    ):
        among, values = SqliteDialect().among(columns, wanted, first)
        sql = f"SELECT {', '.join(columns)} FROM effects WHERE {' AND '.join([*before, among])}"
        found = connection.execute(numbered(sql), [*[1] * len(before), *values])
        assert set(found) == set(wanted)


def test_lists_of_any_length_are_few_statements():
    names = [(str(n),) for n in range(1000)]
    statements = {SqliteDialect().among(("key",), names[:n], 1)[0] for n in range(1, 1001)}
    assert len(statements) == 19


@given(st.lists(st.integers(), max_size=700))
def test_rows_stay_in_their_order_in_parts_of_few_lengths(items):
    parts = list(_parts(items))
    assert [item for part in parts for item in part] == items
    assert {len(part) for part in parts} <= set(_ROWS)
    assert len(parts) <= len(items) // _ROWS[0] + 3 * len(_ROWS)


def test_a_part_is_undone_alone_and_the_whole_with_everything_in_it():
    connection = SqliteConnection(apsw.Connection(":memory:"))
    connection.raw.execute("CREATE TABLE t (x UNIQUE)")

    async def body(*, whole: bool) -> None:
        async with connection.transaction():
            await connection.execute("INSERT INTO t VALUES ($1)", (1,))
            try:
                async with connection.transaction():
                    await connection.execute("INSERT INTO t VALUES ($1)", (2,))
                    await connection.execute("INSERT INTO t VALUES ($1)", (1,))
            except connection.taken:
                if whole:
                    raise

    for whole, kept in ((True, []), (False, [(1,)])):
        with suppress(apsw.ConstraintError):
            ran(body(whole=whole))
        assert not connection.raw.in_transaction
        assert connection.raw.execute("SELECT x FROM t").fetchall() == kept
