"""What every Store must do with stops; a backend's tests inherit it as they do the rest.

Not here: whom a stop holds (`core/stops`).
"""

from functools import partial
from typing import Any

import msgspec

from holdfast.errors import InvalidRequest
from holdfast.model.stops import Reach, Stop, StopKind
from holdfast.ports.store import Store
from holdfast.testing.conformance.store import StoreConformance, a_record, a_session


def a_stop(**fields: Any) -> Stop:
    """A pause of a project that stands, changed by `fields`."""
    standing: dict[str, Any] = {
        "stop_id": "stp_1",
        "reach": Reach(tenant="acme", project="desk"),
        "kind": StopKind.PAUSE,
        "by": "ann",
        "reason": "looking into it",
        "at_ns": 5,
    }
    return Stop(**standing | fields)


class StoreStopsConformance(StoreConformance):
    """Stops that stand, those of before, and names that look alike."""

    def test_what_stands_is_found_oldest_first_and_after_a_restart(self) -> None:
        """Whatever came between, and with what it was committed."""

        async def body(store: Store) -> None:
            assert await store.stops() == []
            everything = a_stop(stop_id="stp_2", reach=Reach(), kind=StopKind.KILL, at_ns=3)
            await store.commit([a_record(1)], [a_stop(), a_session("s")])
            await store.commit(changes=[everything])
            assert await store.stops() == [everything, a_stop()]
            again = await self.reopened(store)
            assert await again.stops() == [everything, a_stop()]
            await again.close()

        self.run(body)

    def test_a_reach_has_one_stop_and_one_that_is_lifted_stands_no_more(self) -> None:
        """The last one counts, in one commit and in many at once."""

        async def body(store: Store) -> None:
            lifted = a_stop(lifted_at_ns=9)
            waiting = [store.commit(changes=[one]) for one in (a_stop(), lifted)]
            for one in waiting:
                await one
            assert await store.stops() == []
            anew = a_stop(stop_id="stp_2", at_ns=10)
            await store.commit(changes=[lifted, anew])
            assert await store.stops() == [anew]

        self.run(body)

    def test_reaches_that_read_alike_are_not_the_same(self) -> None:
        """However their names are cut, joined, quoted, or begin with one another."""

        async def body(store: Store) -> None:
            odd = "<'&\">", 'a","b', "acme/desk", "\0", "é", "desk", "desk-2"
            reaches = [
                Reach(tenant="acme"),
                Reach(project="acme"),
                Reach(user="acme"),
                Reach(agent="acme"),
                *(Reach(tenant="acme", project=name) for name in odd),
                *(Reach(tenant="acme", user=name) for name in odd),
            ]
            stops = [a_stop(stop_id=f"stp_{n}", reach=r, at_ns=n) for n, r in enumerate(reaches)]
            await store.commit(changes=stops)
            assert await store.stops() == stops
            one = msgspec.structs.replace(stops[5], lifted_at_ns=99)
            await store.commit(changes=[one])
            assert await store.stops() == [*stops[:5], *stops[6:]]

        self.run(body)

    def test_what_cannot_be_kept_is_refused(self) -> None:
        """And nothing of the commit is."""

        async def body(store: Store) -> None:
            for bad in (a_stop(at_ns=2**63), a_stop(reach=Reach(user="\ud800"))):
                await self._refuses(InvalidRequest, partial(store.commit, changes=[bad]))
            assert await store.stops() == []

        self.run(body)
