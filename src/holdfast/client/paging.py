"""Lists that come a page at a time: each answer says in `next` where the following page begins.

A server that knows no pages says nothing there, and its first answer is all.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol, TypeVar

from .wire import Door

ALL = 2**63 - 1
_PAGE = 1000
_T = TypeVar("_T")
Query = Mapping[str, str | int | None]


class Page(Protocol):
    """One answer of a list."""

    @property
    def next(self) -> str:
        """The cursor of the page after it; empty where nothing follows."""
        ...


_P = TypeVar("_P", bound=Page)


async def listed(
    door: Door,
    path: str,
    kind: type[_P],
    shown: Callable[[_P], tuple[_T, ...]],
    query: Query,
    limit: int | None,
) -> tuple[_T, ...]:
    """The first `limit`, however many pages they take; one page of the server's where None."""
    if limit is None:
        return shown(await door.get(path, kind, query))
    return tuple([one async for one in each(door, path, kind, shown, query, limit)])


async def each(
    door: Door,
    path: str,
    kind: type[_P],
    shown: Callable[[_P], tuple[_T, ...]],
    query: Query,
    limit: int = ALL,
) -> AsyncIterator[_T]:
    """One after the other, at most `limit`; a page is asked for when it is come to."""
    cursor = ""
    while True:
        asked = {**query, "limit": min(limit, _PAGE), "cursor": cursor}
        page = await door.get(path, kind, asked)
        for one in shown(page)[:limit]:
            limit -= 1
            yield one
        cursor = page.next
        if not cursor or limit < 1:
            return
