"""What every Store must do with costs; a backend's tests inherit it as they do the rest.

Not here: who may ask (`apps/control`).
"""

from functools import partial
from typing import Any

from holdfast.errors import InvalidRequest
from holdfast.model.costs import DAY_NS, Cost, CostBy, Costs
from holdfast.model.events import Kind, Record
from holdfast.ports.store import CostFilter, Store
from holdfast.testing.conformance.store import StoreConformance, a_record

_NUSD = 10**15


def a_charge(cost_nusd: int, at_ns: int = 1, model: str = "m", **fields: Any) -> Record:
    """A model call of tenant acme that was settled."""
    body = {"model": model} if model else {}
    settled: dict[str, Any] = {"kind": Kind.MODEL_CALL_SETTLED, "body": body}
    return a_record(at_ns, **settled | {"cost_nusd": cost_nusd} | fields)


class StoreCostsConformance(StoreConformance):
    """Sums to the nano-dollar, and names that look alike."""

    def test_costs_are_the_sums_of_what_was_settled_dearest_first(self) -> None:
        """By one thing and by two; what settled nothing counts nowhere."""

        async def body(store: Store) -> None:
            await store.commit(
                [
                    a_charge(3, user="ann", agent="bot"),
                    a_charge(_NUSD + 1, user="bob", agent="bot"),
                    a_charge(4, user="ann", agent="<'&\">\0"),
                    a_charge(_NUSD, DAY_NS, model="é\"'", user="", session="s"),
                    a_charge(0, user="ann"),
                    a_record(1, user="ann"),
                ]
            )
            by_user = await store.costs(CostFilter(by=(CostBy.USER,)))
            assert by_user == Costs(
                cost_nusd=2 * _NUSD + 8,
                charges=4,
                parts=3,
                dearest=(
                    Cost(names=("bob",), cost_nusd=_NUSD + 1, charges=1),
                    Cost(names=("",), cost_nusd=_NUSD, charges=1),
                    Cost(names=("ann",), cost_nusd=7, charges=2),
                ),
            )
            both = await store.costs(CostFilter(by=(CostBy.AGENT, CostBy.DAY)))
            assert [(one.names, one.cost_nusd) for one in both.dearest] == [
                (("bot", "1970-01-01"), _NUSD + 4),
                (("", "1970-01-02"), _NUSD),
                (("<'&\">\0", "1970-01-01"), 4),
            ]
            models = await store.costs(CostFilter(by=(CostBy.MODEL,)))
            assert [one.names for one in models.dearest] == [("m",), ("é\"'",)]

        self.run(body)

    def test_what_has_no_model_is_a_part_without_a_name(self) -> None:
        """A call that a crash took, and what is no model call whatever its body says."""

        async def body(store: Store) -> None:
            other: dict[str, Any] = {"kind": Kind.TOOL_CALL_FINISHED, "body": {"model": "x"}}
            await store.commit([a_charge(1, model=""), a_charge(2, **other), a_charge(4)])
            found = await store.costs(CostFilter(by=(CostBy.MODEL,)))
            told = [(one.names, one.cost_nusd, one.charges) for one in found.dearest]
            assert told == [(("m",), 4, 1), (("",), 3, 2)]

        self.run(body)

    def test_a_filter_takes_its_part_and_a_limit_leaves_the_sum_whole(self) -> None:
        """Times from the first to before the last; parts of one price by their names."""

        async def body(store: Store) -> None:
            users = [a_charge(5, at_ns=n, user=name) for n, name in enumerate("dcba")]
            other = [a_charge(9, tenant="b", user="a", project="p", session="s", agent="x")]
            await store.commit([*users, *other])

            async def found(**where: Any) -> tuple[int, list[str]]:
                costs = await store.costs(CostFilter(by=(CostBy.USER,), **where))
                return costs.cost_nusd, [one.names[0] for one in costs.dearest]

            assert await found(tenant="acme") == (20, ["a", "b", "c", "d"])
            assert await found(tenant="acme", limit=2) == (20, ["a", "b"])
            assert await found(tenant="acme", limit=0) == (20, [])
            assert await found(tenant="acme", from_ns=1, until_ns=3) == (10, ["b", "c"])
            for name, value in (
                ("project", "p"),
                ("session", "s"),
                ("agent", "x"),
                ("tenant", "b"),
            ):
                assert await found(**{name: value}) == (9, ["a"]), name
            assert await found(user="a") == (14, ["a"])
            assert await found(project="q") == (0, [])

        self.run(body)

    def test_what_cannot_be_asked_is_refused(self) -> None:
        """By nothing, with bad text, past the rows of one read."""

        async def body(store: Store) -> None:
            by = (CostBy.USER,)
            asked = (
                CostFilter(by=()),
                CostFilter(by=by, user="\ud800"),
                CostFilter(by=by, limit=-1),
                CostFilter(by=by, from_ns=2**63),
            )
            for where in asked:
                await self._refuses(InvalidRequest, partial(store.costs, where))

        self.run(body)
