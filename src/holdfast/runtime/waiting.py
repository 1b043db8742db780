"""Waiting in a fair line: for room, until a deadline, or until whoever waits goes away.

Whoever has room to give says so (`pump`), or it opens by itself after a time that is known. Then
the next in line for whom it suffices is served, one in each turn of the event loop: whoever goes,
served or not, lets the next one try. So a long line never keeps others from the loop.
Not here: order (`core/line`), what there is room for (each line's own `serve`).
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar

import msgspec

from holdfast.core.line import Line, Rank

K = TypeVar("K", bound=Hashable)
W = TypeVar("W")
T = TypeVar("T")

_NS = 1_000_000_000


class NotYet(msgspec.Struct, frozen=True):
    """Why somebody is not served for now.

    `wait_ns`: until there may be room; None where `pump` will say. `before_all`: it is its turn,
    and nobody else may pass. `at`: the key that it stands under from now on, where that changes.
    """

    wait_ns: int | None = None
    before_all: bool = False
    at: Any = None


class _Place(Generic[K, W, T]):
    __slots__ = ("key", "rank", "served", "want")

    def __init__(self, key: K, want: W, rank: Rank) -> None:
        self.key = key
        self.want = want
        self.rank = rank
        self.served: asyncio.Future[T] = asyncio.get_running_loop().create_future()


class Waiting(Generic[K, W, T]):
    """Who waits, and for what.

    `serve` takes a key and what one of it wants, and gives it or says why not; it never suspends.
    `undo` takes back what was given to one that left in that very moment. Keys take turns at what
    there is, unless they are `apart`: then each has room of its own, and is pumped by name.
    """

    def __init__(
        self,
        serve: Callable[[K, W], T | NotYet],
        undo: Callable[[W, T], object],
        *,
        apart: bool = False,
    ) -> None:
        self._serve = serve
        self._undo = undo
        self._apart = apart
        self._line: Line[K, _Place[K, W, T]] = Line()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._line)

    def count(self, key: K) -> int:
        """How many stand in line under a key."""
        return self._line.count(key)

    def first(self, key: K) -> W | None:
        """What the next of a key wants; None where nobody stands."""
        place = self._line.first(key)
        return place.want if place is not None else None

    def now(self, key: K, want: W) -> T | NotYet:
        """Served at once, where nobody stands in line."""
        return NotYet() if self._line else self._serve(key, want)

    async def stand(self, key: K, want: W, *, timeout_s: float, rank: Rank = ()) -> T:
        """Wait to be served. Errors: TimeoutError; what `serve` raised for this one."""
        place: _Place[K, W, T] = _Place(key, want, rank)
        self._line.enter(key, place, rank)
        if not self._apart and self._line.count(key) == 1:
            # Behind another of its key it changes nothing.
            self.pump()
        try:
            async with asyncio.timeout(timeout_s):
                return await place.served
        except BaseException:
            served = place.served
            if served.done() and not served.cancelled() and served.exception() is None:
                # Served in the very moment that it left.
                self._undo(want, served.result())
            raise
        finally:
            self._line.leave(place)
            self._pump_soon(place.key)

    def pump(self, keys: Iterable[K] = ()) -> None:
        """There may be room: serve the next one, of all keys or, where they are apart, of each."""
        if not self._apart:
            self._serve_one(self._line.firsts())
            return
        for key in keys:
            place = self._line.first(key)
            if place is not None:
                self._serve_one(((key, place),))

    def _pump_soon(self, key: K) -> None:
        if self._line:
            asyncio.get_running_loop().call_soon(self.pump, (key,))

    def _serve_one(self, firsts: Iterable[tuple[K, _Place[K, W, T]]]) -> None:
        """Serve the first of these that can be; else look again when there may be room."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waits_ns: list[int] = []
        for key, place in firsts:
            why = self._try(place)
            if why is None:
                self._line.take(key)
                return
            if why.at not in (None, key):
                place.key = why.at
                self._line.enter(place.key, place, place.rank)
                self._pump_soon(key)
                return
            if why.wait_ns is not None:
                waits_ns.append(why.wait_ns)
            if why.before_all:
                break
        if waits_ns:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(waits_ns) / _NS, self.pump)

    def _try(self, place: _Place[K, W, T]) -> NotYet | None:
        """Serve it, or say why not; for one that is leaving there is nothing to do."""
        if place.served.done():
            return None
        try:
            answer = self._serve(place.key, place.want)
        except Exception as error:  # noqa: BLE001 -- it is that of the one who waits
            place.served.set_exception(error)
            return None
        if isinstance(answer, NotYet):
            return answer
        place.served.set_result(answer)
        return None
