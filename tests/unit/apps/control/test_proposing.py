"""Caps that history suggests: of what they are made, what hides them, on whose accounts they go."""

from holdfast.testing.conformance.store_costs import a_charge
from tests.control_house import NOON, TWO_TENANTS, House, served

DAY_NS = 86_400 * 10**9
USD = 10**9


async def spent(house: House, days: int, agent: str = "desk") -> None:
    """A session a day of ann and bob, dearer each day; today's counts for nothing."""
    charges = [
        a_charge(USD * (n + 1), NOON - n * DAY_NS, user=user, agent=agent, session=f"{user}{n}")
        for n in range(days + 1)
        for user in ("ann", "bob")
    ]
    await house.journal.commit(charges)


def by_sort(found):
    return {one["of"]: one for one in found["proposals"]}


def test_the_usual_of_whole_days_and_a_margin_is_proposed_for_accounts_that_stand():
    async def main(house: House):
        mine, _ = await house.opened(tenant="acme", project="shop")
        await house.opened(tenant="umbra")
        await spent(house, 20)
        found = by_sort(await house.get("/v1/budgets/proposals", tenant="acme"))
        session, days = found["session"], found["user day"]
        assert (session["n"], session["usual_nusd"]) == (40, 20 * USD)
        assert session["limit_nusd"] == 25 * USD
        assert session["owners"] == [f"acme/{mine}"]
        assert (days["n"], days["limit_nusd"], days["window"]) == (40, 25 * USD, "day")
        assert days["owners"] == ["acme/ann"], "bob has no account: nothing is open for him"
        assert (found["run"]["n"], found["run"]["limit_nusd"]) == (0, None)

    served(main, TWO_TENANTS)


def test_few_are_counted_and_nothing_is_proposed():
    async def main(house: House):
        await house.opened(tenant="acme", project="shop")
        await spent(house, 9)
        found = by_sort(await house.get("/v1/budgets/proposals", tenant="acme"))
        assert (found["session"]["n"], found["session"]["least"]) == (18, 20)
        for one in found.values():
            assert (one["usual_nusd"], one["limit_nusd"], one["owners"]) == (None, None, [])

    served(main, TWO_TENANTS)


def test_of_one_agent_no_day_of_a_user_is_proposed_since_others_spend_on_it_too():
    async def main(house: House):
        await spent(house, 20)
        await spent(house, 10, agent="other")
        where = {"tenant": "acme", "agent": "desk", "margin_percent": 200}
        found = by_sort(await house.get("/v1/budgets/proposals", **where))
        assert sorted(found) == ["run", "session"]
        assert (found["session"]["n"], found["session"]["limit_nusd"]) == (40, 40 * USD)

    served(main, TWO_TENANTS)


def test_what_was_proposed_is_set_as_any_cap_with_its_reason():
    async def main(house: House):
        await house.opened(tenant="acme", project="shop")
        await spent(house, 20)
        one = by_sort(await house.get("/v1/budgets/proposals", tenant="acme"))["user day"]
        change = {name: one[name] for name in ("scope", "dimension", "window")}
        change |= {"owner": one["owners"][0], "limit": one["limit_nusd"], "reason": "proposed"}
        answer = await house.call("PUT", "/v1/budgets", change)
        assert answer.status_code == 200, answer.text
        assert answer.json()["limit"] == 25 * USD

    served(main, TWO_TENANTS)
