"""Postgres' own words, where SQL differs, and text as it can be kept. Not here: connections."""

from collections.abc import Iterable, Sequence
from typing import Any

from holdfast.backends.postgres.connections import SCHEMA
from holdfast.ports.store import RecordFilter
from holdfast.ports.store_rows import Row


class PostgresDialect:
    """A list is an array, however long, and the planner knows the way in."""

    schema = SCHEMA
    analyze = "ANALYZE {tables}"
    settled = "journal"
    model = "convert_from(body, 'UTF8')::json ->> 'model'"

    def journal(self, where: RecordFilter) -> str:
        """As of a dialect."""
        return "journal"

    def among(
        self, columns: Sequence[str], names: Sequence[Sequence[str]], first: int
    ) -> tuple[str, list[Any]]:
        """As of a dialect."""
        lists = [[str(name[n]) for name in names] for n in range(len(columns))]
        arrays = [f"${n}::text[]" for n in range(first, first + len(columns))]
        if len(columns) == 1:
            return f"{columns[0]} = ANY({arrays[0]})", lists
        wanted = f"SELECT * FROM unnest({', '.join(arrays)})"  # noqa: S608 -- places
        return f"({', '.join(columns)}) IN ({wanted})", lists


def keepable(text: str) -> bool:
    """Whether a text can stand in a column as it is."""
    return "\0" not in text and "\1" not in text


def escaped(value: Any) -> Any:
    """A value as it stands in a column; of a list, as its values stand there.

    Postgres knows no NUL in text, so that one is spelled with two others. The order of texts
    stays as it was.
    """
    if isinstance(value, str) and not keepable(value):
        return value.replace("\1", "\1\2").replace("\0", "\1\1")
    if isinstance(value, list):
        return texts(value)
    return value


def texts(column: Sequence[str]) -> Sequence[str]:
    """Many texts as they stand in a column."""
    return column if keepable("".join(column)) else [escaped(text) for text in column]


def unescaped(row: Iterable[Any]) -> Row:
    """A row as it was before its texts were `escaped`."""
    return tuple(
        value.replace("\1\1", "\0").replace("\1\2", "\1")
        if type(value) is str and "\1" in value
        else value
        for value in row
    )
