"""A fair line: who waits, by key; keys take turns, and within a key the lowest rank is first.

Ranks of one line are tuples that compare with each other; equals stand in the order in which they
came. Every verb costs what a heap does; the first of a key is there for the asking.
Not here: waiting itself (`runtime/waiting`), what there is room for.
"""

import heapq
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
M = TypeVar("M", bound=Hashable)

Rank = tuple[Any, ...]
# Entries of members that left stay in a heap until they come up, or are the larger part of it.
_SPARE = 32


class Line(Generic[K, M]):
    """Members in line, each at one place of one key."""

    def __init__(self) -> None:
        # Keys with a member, the next in turn first; the first entry of each heap stands.
        self._queues: OrderedDict[K, list[tuple[Rank, int, M]]] = OrderedDict()
        self._counts: Counter[K] = Counter()
        self._places: dict[M, tuple[K, int]] = {}
        self._serial = 0

    def __len__(self) -> int:
        return len(self._places)

    def count(self, key: K) -> int:
        """How many stand in line under a key."""
        return self._counts[key]

    def first(self, key: K) -> M | None:
        """Who is next of a key; None where nobody stands."""
        queue = self._queues.get(key)
        return queue[0][2] if queue else None

    def firsts(self) -> Iterator[tuple[K, M]]:
        """The first of each key, in turn; it ends with the first change of the line."""
        return ((key, queue[0][2]) for key, queue in self._queues.items())

    def enter(self, key: K, member: M, rank: Rank = ()) -> None:
        """Stand in line; who stands in it already gives up the old place."""
        self.leave(member)
        self._serial += 1
        self._places[member] = key, self._serial
        self._counts[key] += 1
        heapq.heappush(self._queues.setdefault(key, []), (rank, self._serial, member))

    def leave(self, member: M) -> None:
        """Give up the place; who has none may say so, too."""
        place = self._places.pop(member, None)
        if place is None:
            return
        key, _ = place
        self._counts[key] -= 1
        standing, queue = self._counts[key], self._queues[key]
        if not standing:
            del self._counts[key], self._queues[key]
            return
        while not self._stands(queue[0]):
            heapq.heappop(queue)
        if len(queue) > 2 * standing + _SPARE:
            queue[:] = filter(self._stands, queue)
            heapq.heapify(queue)

    def take(self, key: K) -> M:
        """The first of a key leaves, and its key is behind all others. Errors: KeyError."""
        member = self._queues[key][0][2]
        self.leave(member)
        if key in self._queues:
            self._queues.move_to_end(key)
        return member

    def _stands(self, entry: tuple[Rank, int, M]) -> bool:
        """Whether its member has not left or moved since."""
        _, serial, member = entry
        place = self._places.get(member)
        return place is not None and place[1] == serial
