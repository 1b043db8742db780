"""A spent cap asks its approver: one question an account, a yes lets all go on, a no leaves it."""

import asyncio
import dataclasses
from typing import Any

import msgspec
import pytest

from holdfast.apps.control.approvals.answering import answered
from holdfast.apps.control.operator_file import Operator, Operators
from holdfast.core.sessions import Command
from holdfast.errors import InvalidRequest
from holdfast.model.approvals import RAISE
from holdfast.model.budgets import AccountKey, Dimension, Refused, Scope, Window
from holdfast.runtime.approvals import Said
from tests.control_house import ONE_TENANT, House, served

USD = 10**9
CAPPED = ONE_TENANT.replace(
    "agents:\n",
    "tenants: {default: {users: {ann: {}}, limits: {usd: {calendar_month: 9}}}}\nagents:\n",
)
TENANT = AccountKey(Scope.TENANT, "default", Dimension.USD, Window.CALENDAR_MONTH)


async def parked(house: House, key: AccountKey = TENANT, limit: int = 9 * USD) -> str:
    """A session that a spent cap paused, as a model call does it."""
    session_id, _ = await house.opened()
    live = house.live(session_id)
    refused = Refused(key, limit, limit, 0, 2 * USD, fits_when_settled=False)
    await house.raises.ask(live, refused)
    await house.sessions.change(live, Command.PAUSE, "spent", account=str(key))
    return session_id


async def waiting(house: House):
    return (await house.get("/v1/approvals", state="pending"))["approvals"]


async def answer(house: House, asked, verb: str, **more):
    body = {"digest": asked["digest"]} | more
    return await house.call("POST", f"/v1/approvals/{asked['approval_id']}/{verb}", body)


async def states(house: House, *session_ids: str):
    return [(await house.get(f"/v1/sessions/{one}"))["state"] for one in session_ids]


def test_many_that_stopped_at_one_cap_are_one_question_with_what_it_needs():
    async def main(house: House):
        ids = [await parked(house) for _ in range(3)]
        (asked,) = await waiting(house)
        assert (asked["tool"], asked["resource"]) == (RAISE, str(TENANT))
        assert asked["arguments"]["needed"] == 11 * USD
        assert "is capped at $9.00" in asked["reasons"][0]["text"]
        told = await answer(house, asked, "approve", raise_to=20 * USD, note="month end")
        assert (told.status_code, told.json()["state"]) == (200, "used")
        assert await states(house, *ids) == ["active"] * 3
        found = (await house.get("/v1/budgets", scope="tenant", owner="default"))["accounts"]
        assert [one["limit"] for one in found if one["window"] == "calendar_month"] == [20 * USD]
        assert await waiting(house) == []

    served(main, CAPPED)


def test_what_a_stop_holds_as_well_waits_for_that_though_the_cap_is_raised():
    async def main(house: House):
        one = await parked(house)
        (asked,) = await waiting(house)
        part = {"everything": True, "reason": "an incident"}
        assert (await house.call("POST", "/v1/stops/pause", part)).status_code == 200
        resumed: list[str] = []
        house.raises._runs.session_resumed = told(resumed)
        assert (await answer(house, asked, "approve", raise_to=20 * USD)).status_code == 200
        assert await states(house, one) == ["paused"]
        assert resumed == []
        assert (await house.call("POST", "/v1/stops/resume", part)).status_code == 200
        assert await states(house, one) == ["active"]

    served(main, CAPPED)


def told(names: list[str]) -> Any:
    async def resumed(live: Any) -> None:
        names.append(live.session.session_id)

    return resumed


def test_no_door_answers_it_as_a_call():
    async def main(house: House):
        await parked(house)
        (asked,) = await waiting(house)
        for approved in (True, False):
            said = Said(approved=approved, by="admin", digest=asked["digest"])
            with pytest.raises(InvalidRequest, match="about a cap"):
                await answered(house.deps, asked["approval_id"], said)
        assert len(await waiting(house)) == 1

    served(main, CAPPED)


def test_a_no_leaves_it_and_is_not_asked_about_again_under_the_same_cap():
    async def main(house: House):
        one = await parked(house)
        (asked,) = await waiting(house)
        assert (await answer(house, asked, "deny", note="enough")).status_code == 200
        assert await states(house, one) == ["paused"]
        await parked(house)
        assert await waiting(house) == []
        again = await answer(house, asked, "approve", raise_to=20 * USD)
        assert again.status_code == 409
        await parked(house, limit=10 * USD)
        assert len(await waiting(house)) == 1, "under another cap it is another question"

    served(main, CAPPED)


def test_an_answer_has_to_say_a_higher_cap_and_to_be_about_what_was_shown():
    async def main(house: House):
        one = await parked(house)
        (asked,) = await waiting(house)
        for more, status in (
            ({}, 400),
            ({"raise_to": 9 * USD}, 400),
            ({"raise_to": 20 * USD, "digest": "sha256:other"}, 409),
        ):
            assert (await answer(house, asked, "approve", **more)).status_code == status
        assert await states(house, one) == ["paused"]
        call = await house.asked(one)
        body = {"digest": call.digest, "raise_to": 5}
        told = await house.call("POST", f"/v1/approvals/{call.approval_id}/approve", body)
        assert told.status_code == 400

    served(main, CAPPED)


def test_two_yes_at_once_raise_once():
    async def main(house: House):
        await parked(house)
        (asked,) = await waiting(house)
        both = await asyncio.gather(
            answer(house, asked, "approve", raise_to=20 * USD),
            answer(house, asked, "approve", raise_to=30 * USD),
        )
        assert sorted(one.status_code for one in both) == [200, 409]

    served(main, CAPPED)


def test_what_a_crash_broke_off_is_finished_and_what_stopped_elsewhere_stays():
    async def main(house: House):
        mine = await parked(house)
        other = await parked(house, msgspec.structs.replace(TENANT, window=Window.DAY))
        (asked,) = [one for one in await waiting(house) if one["resource"] == str(TENANT)]
        kept = await house.approvals.get(asked["approval_id"])
        record, after = house.raises.answered(kept, approved=True, by="admin", note="")
        await house.journal.commit([record], [after])
        house.restart(CAPPED)
        await house.raises.finish()
        assert await states(house, mine, other) == ["active", "paused"]
        assert (await house.approvals.get(kept.approval_id)).state == "used"

    served(main, CAPPED)


def test_nobody_raises_what_binds_themselves(tmp_path):
    async def main(house: House):
        one = await parked(house)
        (asked,) = await waiting(house)
        operators = Operators(tmp_path)
        tokens = {name: operators.add(Operator(name, "", 1)) for name in ("ann", "bob")}
        house.deps = dataclasses.replace(house.deps, operators=operators)
        path, body = f"/v1/approvals/{asked['approval_id']}/approve", {"digest": asked["digest"]}
        for name, token in tokens.items():
            told = await house.call("POST", path, body | {"raise_to": 20 * USD}, token=token)
            assert told.status_code == 403, name
        assert await states(house, one) == ["paused"]
        assert len(await waiting(house)) == 1

    served(main, CAPPED)


def test_whoever_approvers_name_raises_it(tmp_path):
    async def main(house: House):
        one = await parked(house)
        (asked,) = await waiting(house)
        operators = Operators(tmp_path)
        token = operators.add(Operator("bob", "", 1))
        house.deps = dataclasses.replace(house.deps, operators=operators)
        path = f"/v1/approvals/{asked['approval_id']}/approve"
        body = {"digest": asked["digest"], "raise_to": 20 * USD}
        told = await house.call("POST", path, body, token=token)
        assert told.status_code == 200, told.text
        assert await states(house, one) == ["active"]

    named = "tenants: {default: {approvers: [bob], "
    served(main, CAPPED.replace("tenants: {default: {", named))
