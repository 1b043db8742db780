"""Stops over the API: which part names say, who may lift one, and what everybody is told of it."""

import dataclasses
from typing import Any

from holdfast.apps.control.operator_file import Operator
from holdfast.model.events import Kind
from tests.control_house import TWO_TENANTS, House, served
from tests.unit.apps.control.test_binding import ANN, BOB, EVE, Three
from tests.unit.apps.control.test_who_may import status

SHOP = {"tenant": "acme", "project": "shop"}


NOBODY = "operators: {ann: {users: []}, bob: {users: []}, eve: {users: []}}\n"


async def refused(house: House, act: str, part: dict[str, Any], code: int) -> str:
    answer = await house.call("POST", f"/v1/stops/{act}", part)
    assert answer.status_code == code, answer.text
    text: str = answer.json()["error"]["message"]
    return text


async def done(house: House, act: str, part: dict[str, Any]) -> dict[str, Any]:
    answer = await house.call("POST", f"/v1/stops/{act}", part)
    assert answer.status_code == 200, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


def test_a_part_is_said_by_names_that_there_are():
    async def main(house: House):
        for part, code, says in (
            ({}, 400, "say which part"),
            ({"everything": True, "tenant": "acme"}, 400, "everything stands alone"),
            ({"user": "ann"}, 400, "a project or a user is of a tenant, expected one of `acme`"),
            ({"project": "shop"}, 400, "a project or a user is of a tenant"),
            ({"tenant": "acm"}, 404, "there is no tenant `acm`, did you mean `acme`?"),
            ({"tenant": "acme", "project": "shp"}, 404, "did you mean `shop`?"),
            ({"agent": "desc"}, 404, "there is no agent `desc`, did you mean `desk`?"),
            ({"tenant": "umbra", "user": "anne"}, 404, "there is no user `anne`"),
        ):
            for act in ("pause", "kill"):
                assert says in await refused(house, act, part, code)
        assert (await house.get("/v1/stops"))["stops"] == []
        # Where everybody is let in, whoever has no session yet is known all the same.
        await done(house, "pause", {"tenant": "acme", "user": "anne"})

    served(main, TWO_TENANTS)


def test_one_part_stops_and_its_neighbours_go_on():
    async def main(house: House):
        async def opened(**more: str) -> str:
            asked = {"user": "ann", "tenant": "acme", "project": "shop"} | more
            return (await house.opened(**asked))[0]

        mine, beside = await opened(), await opened(project="web")
        theirs, _ = await house.opened(user="ann", tenant="umbra")
        receipt = await done(house, "pause", SHOP | {"reason": "why"})
        assert [one["session_id"] for one in receipt["sessions"]] == [mine]
        states = [
            (await house.get(f"/v1/sessions/{one}"))["state"] for one in (mine, beside, theirs)
        ]
        assert states == ["paused", "active", "active"]
        view = await house.get(f"/v1/sessions/{mine}")
        lifts = "holdfast sessions resume --tenant acme --project-name shop"
        assert view["state_reason"] == "project acme/shop is paused by admin: why"
        who = "admin or an operator whom it does not bind"
        told = f"project acme/shop is paused by admin: why (`{lifts}` lifts it, by {who})"
        assert view["stops"] == [told]
        (stop,) = (await house.get("/v1/stops"))["stops"]
        assert (stop["what"], stop["sessions"], stop["lifts"]) == ("project acme/shop", 1, lifts)
        asked = {"agent": "desk", "user": "bob", "tenant": "acme", "project": "shop"}
        answer = await house.call("POST", "/v1/sessions", asked)
        assert answer.status_code == 403
        assert lifts in answer.json()["error"]["message"]
        answer = await house.call("POST", f"/v1/sessions/{mine}/resume", {})
        assert answer.status_code == 409
        assert lifts in answer.json()["error"]["message"]
        (reach,) = [await house.get("/v1/stops/reach", tenant="acme")]
        assert (reach["sessions"], reach["users"]) == (2, 1)
        await done(house, "resume", SHOP)
        assert (await house.get(f"/v1/sessions/{mine}"))["stops"] == []

    served(main, TWO_TENANTS)


def test_a_session_held_by_a_stop_may_be_paused_by_itself_and_lists_as_paused():
    async def main(house: House):
        session, _ = await house.opened(user="ann", tenant="acme", project="shop")
        await done(house, "pause", SHOP)
        answer = await house.call("POST", f"/v1/sessions/{session}/pause", {"reason": "mine"})
        assert answer.status_code == 200
        view = answer.json()
        assert (view["state_reason"], len(view["stops"])) == ("mine", 1)
        listed = (await house.get("/v1/sessions", state="paused"))["sessions"]
        assert [one["session_id"] for one in listed] == [session]
        await done(house, "resume", SHOP)
        assert (await house.get(f"/v1/sessions/{session}"))["state"] == "paused"

    served(main, TWO_TENANTS)


def test_what_an_operator_may_stop_they_may_not_always_let_go():
    text = (NOBODY + TWO_TENANTS).replace("  acme: {", "  acme: {approvers: [bob, eve], ")
    text = text.replace("projects: {shop: {}", "projects: {shop: {approvers: [eve]}")

    async def main(house: House):
        house.restart(text)
        house.deps = dataclasses.replace(house.deps, operators=Three())
        everybody = {"everything": True}
        for part in (everybody, {"tenant": "acme"}, SHOP, {"tenant": "umbra"}):
            assert await status(house, "POST", "/v1/stops/kill", part, ANN) == 200
        for part, codes in (
            # What holds several tenants is the admin's.
            (everybody, (403, 403, 403)),
            # Its project has approvers of its own, and all of it would go on.
            ({"tenant": "acme"}, (403, 403, 200)),
            (SHOP, (403, 403, 200)),
            ({"tenant": "umbra"}, (200, 409, 409)),
        ):
            for token, code in zip((ANN, BOB, EVE), codes, strict=True):
                found = await status(house, "POST", "/v1/stops/resume", part, token)
                assert found == code, (part, token)
        tried = [r for r in house.store.journal if r.kind is Kind.AUTH_REFUSED]
        assert len(tried) == 7
        assert {r.body["action"] for r in tried} == {"stop.resume"}
        assert [one["lifted_by"] for one in (await house.get("/v1/stops"))["stops"]] == ["admin"]
        await done(house, "resume", everybody)

    served(main, text)


def test_who_may_lift_is_said_as_it_is():
    class Two(Three):
        def all(self) -> list[Operator]:
            return super().all()[1:]

    text = TWO_TENANTS.replace("  acme: {", "  acme: {approvers: [bob, zoe], ")

    async def main(house: House):
        house.restart(text)
        house.deps = dataclasses.replace(house.deps, operators=Two())
        for part in ({"tenant": "acme"}, {"tenant": "umbra"}, {"agent": "desk"}):
            await done(house, "pause", part)
        said = [one["lifted_by"] for one in (await house.get("/v1/stops"))["stops"]]
        assert said == ["bob", "admin or an operator whom it does not bind", "admin"]

    served(main, text)


def test_every_act_leaves_who_asked():
    async def main(house: House):
        for act in ("pause", "kill", "resume"):
            await done(house, act, SHOP | {"reason": "r"})
        acted = [r for r in house.store.journal if r.kind is Kind.ADMIN_ACTED]
        assert [(r.body["action"], r.body["by"], r.body["reason"]) for r in acted] == [
            ("stop.pause", "admin", "project acme/shop: r"),
            ("stop.kill", "admin", "project acme/shop: r"),
            ("stop.resume", "admin", "project acme/shop: r"),
        ]
        assert {(r.tenant, r.project) for r in acted} == {("acme", "shop")}

    served(main, TWO_TENANTS)
