"""SQLite's own words, where SQL differs. Not here: connections."""

from collections.abc import Sequence
from itertools import chain

from holdfast.ports.store import RecordFilter

_SIZES = (1, 4, 16, 64)
_ALL_TIMES = (0, 2**63 - 1)


def numbered(sql: str) -> str:
    """Numbered places as SQLite writes them."""
    return sql.replace("$", "?")


class SqliteDialect:
    """A journal read names its index itself, and a list is as many places as it is long."""

    schema = "main"
    analyze = ""
    settled = "journal INDEXED BY journal_by_cost"
    # As the index has it.
    model = "CAST(body AS TEXT) ->> 'model'"

    def journal(self, where: RecordFilter) -> str:
        """Which way in is short follows from the filter, not from statistics that a file lacks."""
        return f"journal INDEXED BY {_way_in(where)}"

    def among(
        self, columns: Sequence[str], names: Sequence[Sequence[str]], first: int
    ) -> tuple[str, list[str]]:
        """Lists are of few lengths, so that few statements serve any: the last name is repeated."""
        if not names:
            return "FALSE", []
        most = _SIZES[-1]
        whole = -(-len(names) // most) * most
        size = next((size for size in _SIZES if size >= len(names)), whole)
        values = list(chain.from_iterable([*names, *[names[-1]] * (size - len(names))]))
        places = [f"${n}" for n in range(first, first + len(values))]
        if len(columns) == 1:
            return f"{columns[0]} IN ({', '.join(places)})", values
        rows = (places[n : n + len(columns)] for n in range(0, len(places), len(columns)))
        wanted = ", ".join(f"({', '.join(row)})" for row in rows)
        return f"({', '.join(columns)}) IN (VALUES {wanted})", values


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
