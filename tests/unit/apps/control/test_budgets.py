"""Budgets over the control API: what is shown, what may be set, what is journalled."""

from typing import Any

import msgspec
import pytest

from holdfast.model.events import Kind
from tests.control_house import TWO_TENANTS, House, served

USD = 1_000_000_000


def change(**other):
    return {
        "scope": "user",
        "owner": "default/ann",
        "dimension": "usd",
        "window": "day",
        "limit": 7 * USD,
        "reason": "a long day",
    } | other


def test_a_session_shows_its_whole_chain_innermost_first():
    async def main(house: House):
        session_id, _ = await house.opened(task="refunds")
        accounts = (await house.get("/v1/budgets", session=session_id))["accounts"]
        scopes = [a["scope"] for a in accounts]
        assert scopes == sorted(scopes, key=["task", "session", "user", "project", "tenant"].index)
        assert set(scopes) == {"task", "session", "user", "project", "tenant"}
        mine = next(a for a in accounts if a["scope"] == "session" and a["dimension"] == "usd")
        assert mine == {
            "scope": "session",
            "owner": f"default/{session_id}",
            "dimension": "usd",
            "window": "life",
            "limit": 5 * USD,
            "settled": 0,
            "held": 0,
            "alerted": [],
        }

    served(main)


def test_an_owner_shows_only_its_own_accounts():
    async def main(house: House):
        await house.opened(tenant="acme", project="shop")
        await house.opened(tenant="umbra")
        found = (await house.get("/v1/budgets", scope="user", owner="acme/ann"))["accounts"]
        assert {(a["owner"], a["window"]) for a in found} == {
            ("acme/ann", "hour"),
            ("acme/ann", "day"),
        }
        assert (await house.get("/v1/budgets", scope="user", owner="acme/eve"))["accounts"] == []

    served(main, TWO_TENANTS)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"scope": "user"}, 400),
        ({"owner": "acme/ann"}, 400),
        ({"session": "ses_none"}, 404),
        ({"session": "ses_none", "scope": "user", "owner": "acme/ann"}, 400),
        ({"scope": "galaxy", "owner": "milky"}, 400),
        ({"scope": "user", "owner": "ann"}, 400),
        ({"scope": "tenant", "owner": "acme/ann"}, 400),
        ({"scope": "user", "owner": "acme/"}, 400),
    ],
)
def test_a_budget_that_cannot_be_meant_is_refused(query, status):
    async def main(house: House):
        answer = await house.call("GET", "/v1/budgets", params=query)
        assert answer.status_code == status, answer.text

    served(main, TWO_TENANTS)


def test_a_changed_limit_holds_at_once_and_is_journalled_with_the_old_one():
    async def main(house: House):
        await house.opened()
        before = len(house.store.journal)
        answer = await house.call("PUT", "/v1/budgets", change())
        assert answer.status_code == 200, answer.text
        assert answer.json()["limit"] == 7 * USD
        found = (await house.get("/v1/budgets", scope="user", owner="default/ann"))["accounts"]
        assert next(a for a in found if a["window"] == "day") == answer.json()
        acted, changed = house.store.journal[before:]
        assert (acted.kind, changed.kind) == (Kind.ADMIN_ACTED, Kind.BUDGET_CHANGED)
        assert (changed.tenant, changed.user) == ("default", "ann")
        assert changed.body == {
            "account": "user:default/ann:usd:day",
            "reason": "a long day",
            "by": "admin",
            "old": 30 * USD,
            "new": 7 * USD,
        }
        assert 7 * USD in [s.limit for s in await house.store.accounts()]

    served(main)


def test_a_limit_may_be_lifted():
    async def main(house: House):
        await house.opened()
        answer = await house.call("PUT", "/v1/budgets", change(limit=None))
        assert answer.json()["limit"] is None

    served(main)


def test_a_session_is_given_a_cap_that_it_has_not_and_so_are_those_below_it():
    async def main(house: House):
        session_id, _ = await house.opened()
        other, _ = await house.opened()
        live = house.live(session_id)
        kept = live.chain
        lower = msgspec.structs.replace(
            live.session, delegated_by=session_id, expires_at_ns=10**12, depth=1, limits=()
        )
        child, _ = await house.sessions.open_child(live, lower, "")
        cap: dict[str, Any] = {"scope": "session", "owner": f"default/{session_id}"}
        cap |= {"dimension": "tokens", "window": "life", "limit": 9, "reason": "enough"}
        answer = await house.call("PUT", "/v1/budgets", cap)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["limit"], answer.json()["settled"]) == (9, 0)
        [key] = set(live.chain) - set(kept)
        assert key in child.chain
        assert key not in house.live(other).chain
        assert await house.store.session(session_id) == live.session
        assert await house.store.session(child.session.session_id) == child.session
        for one in (child, live):
            house.sessions.forget(one)
        assert key in (await house.sessions.get(child.session.session_id)).chain
        live = await house.sessions.get(session_id)
        assert key in live.chain
        changed = await house.call("PUT", "/v1/budgets", {**cap, "limit": 8})
        assert changed.json()["limit"] == 8
        assert len(live.chain) == len(kept) + 1
        # Not of one that is over, nor of a window that no session has, nor of somebody's else.
        for odd in (
            {"window": "hour"},
            {"dimension": "usd_out", "limit": None, "owner": f"default/{other}"},
            {"owner": "default/ses_none"},
        ):
            refused = await house.call("PUT", "/v1/budgets", {**cap, "dimension": "usd_in", **odd})
            assert refused.status_code == 404, refused.text
        await house.call("POST", f"/v1/sessions/{other}/end")
        late = {**cap, "owner": f"default/{other}"}
        assert (await house.call("PUT", "/v1/budgets", late)).status_code == 404

    served(main)


def test_a_limit_set_before_the_first_session_holds_for_it():
    async def main(house: House):
        answer = await house.call("PUT", "/v1/budgets", change(limit=5))
        assert answer.status_code == 200, answer.text
        session_id, _ = await house.opened()
        accounts = (await house.get("/v1/budgets", session=session_id))["accounts"]
        mine = next(a for a in accounts if a["scope"] == "user" and a["window"] == "day")
        assert mine["limit"] == 5

    served(main)


@pytest.mark.parametrize(
    "other",
    [
        {"dimension": "tokens"},
        {"window": "calendar_month"},
        {"owner": "elsewhere/ann"},
        {"scope": "session", "owner": "default/ses_none", "window": "life"},
        {"scope": "project", "owner": "default/none", "dimension": "tokens"},
    ],
)
def test_a_limit_that_would_limit_nothing_is_not_found(other):
    async def main(house: House):
        answer = await house.call("PUT", "/v1/budgets", change(**other))
        assert answer.status_code == 404, answer.text
        assert house.store.journal == ()
        assert house.budgets.ledger.all_states(1) == []

    served(main)


@pytest.mark.parametrize(
    "other",
    [
        {"limit": -1},
        {"limit": 2**63},
        {"limit": "5"},
        {"limit": 1.5},
        {"limit": True},
        {"reason": ""},
        {"window": "decade"},
        {"dimension": "tea"},
        {"owner": "ann"},
        {"owner": ""},
        {"extra": 1},
    ],
)
def test_a_change_that_does_not_hold_is_refused_and_names_the_field(other):
    async def main(house: House):
        answer = await house.call("PUT", "/v1/budgets", change(**other))
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["field"] == next(iter(other))
        assert house.store.journal == ()

    served(main)


def test_a_change_that_leaves_out_the_limit_is_refused_and_does_not_lift_it():
    async def main(house: House):
        body = change()
        del body["limit"]
        assert (await house.call("PUT", "/v1/budgets", body)).status_code == 400

    served(main)


def test_accounts_of_a_scope_are_listed_in_pages_and_of_one_tenant_alone():
    async def main(house: House):
        for user in ("ann", "bob"):
            await house.opened(tenant="acme", project="shop", user=user)
        await house.opened(tenant="umbra")
        seen: list[str] = []
        cursor = ""
        while True:
            page = await house.get("/v1/budgets/accounts", scope="user", limit="3", cursor=cursor)
            seen += [f"{one['owner']} {one['window']}" for one in page["accounts"]]
            cursor = page["next"]
            if not cursor:
                break
        assert seen == sorted(seen)
        assert {one.split()[0] for one in seen} == {"acme/ann", "acme/bob", "umbra/ann"}
        mine = (await house.get("/v1/budgets/accounts", scope="user", tenant="umbra"))["accounts"]
        assert {one["owner"] for one in mine} == {"umbra/ann"}

    served(main, TWO_TENANTS)
