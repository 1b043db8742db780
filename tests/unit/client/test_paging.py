"""A client goes from page to page until it has what was asked for, and not a page further."""

import asyncio
from typing import Any

import msgspec
import pytest

from holdfast.client.paging import each, listed


class Numbers(msgspec.Struct, frozen=True):
    """A page of numbers."""

    numbers: tuple[int, ...]
    next: str = ""


class Server:
    """A list of so many numbers, in pages of at most so many."""

    def __init__(self, count: int, most: int, *, pages: bool = True) -> None:
        self.count, self.most, self.pages = count, most, pages
        self.asked: list[dict[str, Any]] = []

    async def get(self, path: str, kind: type[Numbers], query: dict[str, Any]) -> Numbers:
        given = {k: v for k, v in query.items() if v not in (None, "")}
        self.asked.append(given)
        start = int(given.get("cursor", 0))
        end = min(start + min(given.get("limit", 4), self.most), self.count)
        more = self.pages and end < self.count
        return Numbers(tuple(range(start, end)), str(end) if more else "")


def numbers(server: Any, limit: int | None) -> tuple[int, ...]:
    return asyncio.run(
        listed(server, "/v1/n", Numbers, lambda page: page.numbers, {"tenant": "acme"}, limit)
    )


@pytest.mark.parametrize(
    ("limit", "shown", "asked"),
    [(None, 4, 1), (1, 1, 1), (4, 4, 1), (5, 5, 2), (9, 9, 3), (10, 10, 3), (99, 10, 3)],
)
def test_as_many_as_were_asked_for_in_as_few_pages_as_that_takes(limit, shown, asked):
    server = Server(10, 4)
    assert numbers(server, limit) == tuple(range(shown))
    assert len(server.asked) == asked
    assert all(one["tenant"] == "acme" for one in server.asked)
    assert "cursor" not in server.asked[0]


def test_no_page_is_asked_for_beyond_what_the_server_gives():
    server = Server(2_500, 1_000)
    assert len(numbers(server, 10_000)) == 2_500
    assert [one["limit"] for one in server.asked] == [1_000] * 3


def test_server_without_pages_is_asked_once():
    server = Server(10, 4, pages=False)
    assert numbers(server, 99) == (0, 1, 2, 3)
    assert len(server.asked) == 1


def test_who_stops_on_the_way_asks_for_no_further_page():
    server: Any = Server(100, 4)

    async def main() -> list[int]:
        found = []
        async for one in each(server, "/v1/n", Numbers, lambda page: page.numbers, {}):
            found.append(one)
            if one == 5:
                break
        return found

    assert asyncio.run(main()) == [0, 1, 2, 3, 4, 5]
    assert len(server.asked) == 2
