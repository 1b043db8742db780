"""`/v1/fleet` over HTTP: what is asked, what is refused, and word of changes."""

import asyncio

from holdfast.apps.control.fleet.routes import operations
from tests.control_house import House, served


def test_the_fleet_is_listed_with_its_counts():
    async def main(house: House) -> None:
        names = [(await house.opened())[0] for _ in range(3)]
        await house.call("POST", f"/v1/sessions/{names[0]}/pause")
        await house.call("POST", f"/v1/sessions/{names[1]}/kill")
        live = await house.get("/v1/fleet")
        assert {row["session"]["session_id"] for row in live["rows"]} == {names[0], names[2]}
        assert live["by_state"]["paused"] == 1
        over = await house.get("/v1/fleet", states="over")
        assert [row["session"]["session_id"] for row in over["rows"]] == [names[1]]
        both = await house.get("/v1/fleet", states="live,killed", limit=1, skip=1)
        assert both["matches"] == 3
        assert len(both["rows"]) == 1
        assert (await house.get("/v1/fleet", words="user:ann desk"))["matches"] == 2

    served(main)


def test_what_means_nothing_is_refused():
    async def main(house: House) -> None:
        for query in ({"states": "alive"}, {"sort": "luck"}, {"limit": 0}, {"skip": -1}):
            answer = await house.call("GET", "/v1/fleet", params=query)
            assert answer.status_code == 400, query
        assert {one.name for one in operations.all} == {"show_fleet", "await_changes"}

    served(main)


def test_a_change_is_told_to_whoever_waits_for_it():
    async def main(house: House) -> None:
        now = (await house.get("/v1/fleet/changes", wait_s=0))["version"]
        waiting = asyncio.ensure_future(house.get("/v1/fleet/changes", after=now, wait_s=20))
        await asyncio.sleep(0)
        await house.opened()
        assert (await waiting)["version"] > now
        later = (await house.get("/v1/fleet/changes", after=0, wait_s=0))["version"]
        assert (await house.get("/v1/fleet/changes", after=later, wait_s=0))["version"] == later

    served(main)
