"""Cutting a sequence into parts of few sizes, so that few statements serve any number of rows."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def chunked(items: Sequence[T], sizes: Sequence[int]) -> Iterator[Sequence[T]]:
    """Parts of `items` in their order, each of one of `sizes`, which fall and end with 1."""
    start = 0
    for size in sizes:
        while len(items) - start >= size:
            yield items[start : start + size]
            start += size
