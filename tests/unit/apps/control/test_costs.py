"""Costs over the control API: what is shown, of whom, and to whom."""

import dataclasses

from holdfast.apps.control.operator_file import Operator, Operators
from holdfast.model.events import Kind
from holdfast.model.operators import Role
from holdfast.testing.conformance.store_costs import a_charge
from tests.control_house import NOON, TWO_TENANTS, House, served

DAY_NS = 86_400 * 10**9


async def spent(house: House) -> None:
    await house.journal.commit(
        [
            a_charge(5, NOON - 8 * DAY_NS, user="ann", project="shop"),
            a_charge(3, NOON - DAY_NS, user="ann", project="shop", agent="desk"),
            a_charge(4, NOON, user="bob", project="web"),
            a_charge(9, NOON, tenant="umbra", user="bob"),
        ]
    )


def test_the_last_week_is_shown_by_what_was_asked_with_the_sum_of_all():
    async def main(house: House):
        await spent(house)
        found = await house.get("/v1/costs", by="user", limit=1)
        assert (found["cost_nusd"], found["charges"], found["parts"]) == (16, 3, 2)
        assert found["costs"] == [{"name": "bob", "cost_nusd": 13, "charges": 2}]
        acme = await house.get("/v1/costs", by="project", tenant="acme", last_s=30 * 86_400)
        assert [(one["name"], one["cost_nusd"]) for one in acme["costs"]] == [
            ("shop", 8),
            ("web", 4),
        ]
        none = await house.get("/v1/costs", by="day", user="eve")
        assert (none["costs"], none["cost_nusd"]) == ([], 0)

    served(main, TWO_TENANTS)


def test_whoever_acts_in_one_place_sees_what_was_spent_there_and_nothing_else(tmp_path):
    async def main(house: House):
        await spent(house)
        operators = Operators(tmp_path)
        token = operators.add(Operator("vic", "", 1, Role.VIEWER, ("acme/shop",)))
        house.deps = dataclasses.replace(house.deps, operators=operators)
        answer = await house.call("GET", "/v1/costs", params={"by": "user"}, token=token)
        assert [(one["name"], one["cost_nusd"]) for one in answer.json()["costs"]] == [("ann", 3)]
        other = {"by": "user", "tenant": "umbra"}
        refused = await house.call("GET", "/v1/costs", params=other, token=token)
        assert refused.status_code == 403
        assert Kind.AUTH_REFUSED in [record.kind for record in house.store.journal]

    served(main, TWO_TENANTS)


def test_what_nothing_tells_apart_is_refused():
    async def main(house: House):
        for query in ({"by": "mood"}, {"by": "user", "last_s": 0}, {"by": "user", "limit": 0}):
            answer = await house.call("GET", "/v1/costs", params=query)
            assert answer.status_code == 400, query

    served(main)
