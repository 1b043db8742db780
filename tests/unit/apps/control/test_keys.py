"""A spending key opens capped sessions and does nothing else: tried, verb by verb, as a table."""

import asyncio
import base64
from typing import Any

import msgspec
import pytest

from holdfast.apps.control.app import ALL, DOORS
from holdfast.apps.control.openapi import Token
from holdfast.apps.control.spending import SPENDS
from holdfast.core.proofs import key_of
from holdfast.model.tokens import model_token
from tests.control_house import ADMIN, TWO_TENANTS, House, served
from tests.corpora.keys import ALLOWED, APART, REFUSED, Try

TEXT = TWO_TENANTS.replace("tasks:", "  clerk: {model: claude-sonnet-5-5}\ntasks:")
SPEND = {
    "name": "spend",
    "agent": "desk",
    "tenant": "acme",
    "project": "shop",
    "users": ["ann"],
    "budget": ["usd=5.00/day", "tokens=100000"],
    "ttl_s": 300,
}
PLACES = {"session_id": "own", "run_id": "run", "name": "spend", "approval_id": "asked"}
PLACES |= {"sign_in_id": "sig_1"}


async def ok(house: House, method: str, path: str, body: Any = None, token: str = ADMIN) -> Any:
    answer = await house.call(method, path, body, token=token)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def key(house: House, **changes: Any) -> str:
    """The token of a new key."""
    token: str = (await ok(house, "POST", "/v1/keys", {**SPEND, **changes}))["token"]
    return token


async def opened_by(house: House, token: str, **asked: Any) -> tuple[str, str]:
    found = await ok(house, "POST", "/v1/sessions", asked, token)
    return found["session"]["session_id"], found["token"]


async def known(house: House) -> dict[str, str]:
    """Whatever a try may name, and the tokens that it may carry."""
    expired = await key(house, name="expired", ttl_s=1)
    revoked, rotated = await key(house, name="revoked"), await key(house, name="rotated")
    await ok(house, "POST", "/v1/keys/revoked/revoke", {})
    await ok(house, "POST", "/v1/keys/rotated/rotate", {})
    house.clock.at_ns += 2 * 10**9
    token = await key(house)
    own, session = await opened_by(house, token)
    held, _ = await opened_by(house, token)
    await ok(house, "POST", f"/v1/sessions/{held}/pause", {})
    sibling, _ = await opened_by(house, await key(house, name="other"))
    other = {"agent": "desk", "user": "carol", "tenant": "acme", "project": "shop"}
    asked = other | {"agent": "clerk", "prompt": "go"}
    run = (await ok(house, "POST", "/v1/runs", asked))["run_id"]
    asked_id = (await house.asked(own)).approval_id
    others = (await ok(house, "POST", "/v1/sessions", other))["session"]["session_id"]
    return {
        "asked": asked_id,
        "token": token,
        "own": own,
        "other": others,
        "sibling": sibling,
        "held": held,
        "expired": expired,
        "revoked": revoked,
        "rotated": rotated,
        "session": session,
        "model": model_token(own, session),
        "run": run,
    }


def header(kind: str, has: dict[str, str]) -> str:
    """The `authorization` header of a try; empty for none."""
    token = has["token"]
    password = base64.b64encode(f"key:{token}".encode()).decode()
    values = {
        "key": token,
        "none": "",
        "basic": f"Basic {password}",
        "truncated": token[:-1],
        "longer": token + "a",
        "upper": token.upper(),
        "renamed": "hfo_" + token[4:],
        "prefix": "hfk_",
        "digest": key_of(token).hex(),
        "crlf": token + "\r\nx",
        "crlf header": token + "\r\nx-api-key: " + ADMIN,
        "zero": token + "\0",
        "two": f"{token}, {ADMIN}",
        "worker": "hfw_" + token[4:],
        "swapped": token.swapcase(),
        "backwards": token[::-1],
        "key name": f"hfk_{'a' * 52}",
        "signed as admin": f"Holdfast key={key_of(token).hex()}",
    }
    value = values.get(kind) or (has.get(kind, ""))
    return value if value.startswith(("Basic", "Holdfast")) or not value else f"Bearer {value}"


def filled(value: Any, has: dict[str, str]) -> Any:
    spelled = msgspec.json.encode(value).decode()
    for name, text in has.items():
        spelled = spelled.replace(f"{{{name}}}", text)
    return msgspec.json.decode(spelled)


async def tried(house: House, one: Try, has: dict[str, str]) -> Any:
    headers = [(name.encode(), filled(v, has).encode()) for name, v in one.headers.items()]
    if value := header(one.token, has):
        headers.append((b"authorization", value.encode()))
    if one.body is not None:
        headers.append((b"content-type", b"application/json"))
    path = one.path.replace("{token}", has["token"])
    return await house.call_raw(
        one.method, path, filled(one.body, has) if one.body is not None else {}, headers
    )


def effects(house: House) -> list[Any]:
    """What the journal holds of acts."""
    return [r for r in house.store.journal if r.kind != "auth.refused"]


@pytest.mark.parametrize("one", [*REFUSED, *(t for t in APART if t.code)], ids=lambda one: one.what)
def test_a_key_does_no_more_than_it_says_and_nothing_comes_of_the_try(one):
    async def main(house: House):
        has = await known(house)
        before, keys = len(effects(house)), await house.store.spending_keys()
        answer = await tried(house, one, has)
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.json()["error"]["code"] == one.code, answer.text
        assert "hfs_" not in answer.text
        assert len(effects(house)) == before
        assert await house.store.spending_keys() == keys
        assert has["token"] not in answer.text

    served(main, TEXT)


@pytest.mark.parametrize("one", [t for t in APART if not t.code], ids=lambda one: one.what)
def test_what_would_loosen_leaves_the_key_what_it_has(one):
    async def main(house: House):
        has = await known(house)
        answer = await tried(house, one, has)
        assert answer.status_code == 200, answer.text
        shown = answer.json()["session"]
        (mine,) = [k for k in await house.store.spending_keys() if k.name == "spend"]
        # A nanosecond passes with every look at this clock; a session asks its key besides.
        assert shown["expires_at_ns"] <= mine.expires_at_ns + 1_000
        accounts = await ok(house, "GET", f"/v1/budgets?session={shown['session_id']}")
        caps = {a["scope"]: a["limit"] for a in accounts["accounts"] if a["dimension"] == "usd"}
        assert caps["key"] == caps["session"] == 5 * 10**9

    served(main, TEXT)


OTHERS = [one for one in ALL if one.token is Token.OPERATOR and one.name not in SPENDS]


def test_a_key_is_taken_by_one_verb_of_all():
    assert {"open_session"} == SPENDS
    assert len(OTHERS) > 40


@pytest.mark.parametrize("one", OTHERS, ids=lambda one: one.name)
def test_every_other_verb_of_operators_is_refused_a_key_whatever_it_names(one):
    async def main(house: House):
        has = await known(house)
        names = {p.name: has.get(PLACES[p.name], PLACES[p.name]) for p in one.in_path}
        path = one.path.format(**names)
        before = len(effects(house))
        for body in (None, {}, {"reason": "x"}):
            answer = await house.call(one.method, path, body, token=has["token"])
            assert answer.status_code == 403, answer.text
            assert answer.json()["error"]["code"] == "key_refused"
        assert len(effects(house)) == before
        (told, *_) = [r for r in house.store.journal if r.kind == "auth.refused"]
        assert (told.body["by"], told.body["action"]) == ("key:spend", one.name)
        assert told.tenant == "acme"

    served(main, TEXT)


SESSION_DOORS = [
    one for one in DOORS if one.token is Token.SESSION and one.path.startswith("/v1/guard")
]


@pytest.mark.parametrize("one", SESSION_DOORS, ids=lambda one: f"{one.method} {one.path}")
def test_no_path_of_a_session_takes_a_key(one):
    async def main(house: House):
        has = await known(house)
        answer = await house.call(one.method, one.path, {}, token=has["token"])
        assert answer.status_code == 403, answer.text

    served(main, TEXT)


@pytest.mark.parametrize("asked", ALLOWED, ids=str)
def test_what_a_key_says_it_opens_also_when_some_of_it_is_left_out(asked):
    async def main(house: House):
        has = await known(house)
        shown = (await ok(house, "POST", "/v1/sessions", filled(asked, has), has["token"]))[
            "session"
        ]
        place = (shown["tenant"], shown["project"], shown["user"], shown["agent"], shown["key"])
        assert place == ("acme", "shop", "ann", "desk", "spend")
        mine = await house.get("/v1/keys/spend")
        assert (mine["opened"], mine["used_at_ns"] > 0) == (3, True)
        kinds = [r.kind for r in house.store.journal if r.session == shown["session_id"]]
        assert kinds == ["session.opened", "admin.acted", "key.used"]

    served(main, TEXT)


def test_a_session_of_a_key_is_told_of_its_end_by_its_own_token():
    async def main(house: House):
        has = await known(house)
        live = house.live(has["own"])
        answer = await ok(house, "POST", "/v1/keys/spend/revoke", {"reason": "lost"})
        assert answer["stopped"] == sorted([has["own"], has["held"]])
        assert live.session.state_reason == "the key `spend` was revoked"
        assert answer["key"]["revoked_by"] == "admin"
        assert "token" not in answer["key"]
        assert "digest" not in answer["key"]
        again = await ok(house, "POST", "/v1/keys/spend/revoke", {})
        assert again["stopped"] == []
        assert house.live(has["sibling"]).session.state == "active"

    served(main, TEXT)


def test_sessions_that_no_memory_holds_are_shown_stopped_at_once():
    async def main(house: House):
        has = await known(house)
        house.restart(TEXT)
        await house.keys.load()
        answer = await ok(house, "POST", "/v1/keys/spend/revoke", {})
        assert answer["stopped"] == sorted([has["own"], has["held"]])
        stored = [await house.store.session(has[name]) for name in ("own", "held", "sibling")]
        assert [s and s.state for s in stored] == ["stopped", "stopped", "active"]

    served(main, TEXT)


def test_a_key_that_ends_while_a_session_opens_hands_out_no_token():
    async def main(house: House):
        token = await key(house)
        await opened_by(house, token)  # So that its accounts are at hand, and nothing is read.
        house.store.hold_commits()
        opening = asyncio.create_task(house.call("POST", "/v1/sessions", {}, token=token))
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert (house.keys.get("spend").opened, opening.done()) == (2, False)
        revoked = house.keys.revoke("spend", "admin", "")
        house.store.release_commits()
        await revoked
        answer = await opening
        assert answer.status_code == 403, answer.text
        assert "the key `spend` was revoked" in answer.text
        assert "hfs_" not in answer.text

    served(main, TEXT)


def test_a_rotated_key_opens_with_its_new_token_and_its_sessions_go_on():
    async def main(house: House):
        has = await known(house)
        fresh = (await ok(house, "POST", "/v1/keys/spend/rotate", {}))["token"]
        assert fresh != has["token"]
        assert house.live(has["own"]).session.state == "active"
        await opened_by(house, fresh)
        answer = await house.call("POST", "/v1/sessions", {}, token=has["token"])
        assert answer.status_code == 401

    served(main, TEXT)


def test_the_same_request_sent_again_finds_its_session_and_counts_once():
    async def main(house: House):
        token = await key(house)
        asked: dict[str, Any] = {"headers": {"idempotency-key": "once"}, "token": token}
        first, second = [await house.call("POST", "/v1/sessions", {}, **asked) for _ in range(2)]
        assert first.json()["token"] == second.json()["token"]
        assert (await house.get("/v1/keys/spend"))["opened"] == 1
        other = await key(house, name="other")
        theirs = await house.call("POST", "/v1/sessions", {}, **{**asked, "token": other})
        assert theirs.json()["token"] != first.json()["token"]

    served(main, TEXT)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"agent": "nobody"}, ""),
        ({"project": "nowhere"}, ""),
        ({"tenant": ""}, ""),
        ({"tenant": "umbra", "project": "", "users": ["zoe"]}, ""),
        ({"task": "refunds/1"}, "task"),
        ({"task": "nothing"}, ""),
        ({"users": ["ann", "*"]}, "users"),
        ({"users": ["ann", "carol\n"]}, "users"),
        ({"budget": []}, ""),
        ({"budget": ["tokens=5"]}, "budget"),
        ({"budget": ["usd=5", "usd=6"]}, "budget"),
        ({"budget": ["usd=-1"]}, ""),
        ({"budget": ["usd=five"]}, ""),
        ({"budget": ["usd=5/fortnight"]}, "budget"),
        ({"budget": ["euro=5"]}, "budget"),
        ({"budget": ["usd=1", "tokens=1.5"]}, ""),
        ({"ttl_s": 0}, ""),
        ({"ttl_s": 367 * 86_400}, ""),
        ({"name": "key:x"}, ""),
        ({"name": "a b"}, ""),
        ({"name": "x\n"}, ""),
    ],
)
def test_a_key_that_says_what_the_settings_do_not_hold_is_not_made(changes, field):
    async def main(house: House):
        answer = await house.call("POST", "/v1/keys", {**SPEND, **changes})
        assert answer.status_code in (400, 404, 422), answer.text
        assert not field or answer.json()["error"]["field"] == field
        assert house.keys.all() == []
        assert not effects(house)

    served(main, TEXT)


def test_without_users_a_key_is_for_the_user_of_its_own_name():
    async def main(house: House):
        token = await key(house, name="ci", users=[])
        shown = (await ok(house, "POST", "/v1/sessions", {}, token))["session"]
        assert shown["user"] == "ci"

    served(main, TEXT)


def test_a_key_for_whomever_its_holder_names_is_for_whom_the_tenant_lets_in():
    async def main(house: House):
        token = await key(house, tenant="umbra", project="", users=["*"])
        for user, status in (("ann", 200), ("bob", 200), ("zoe", 404), ("", 403), ("*", 403)):
            answer = await house.call("POST", "/v1/sessions", {"user": user}, token=token)
            assert answer.status_code == status, answer.text

    served(main, TEXT)


def test_a_task_of_a_key_binds_its_sessions():
    async def main(house: House):
        token = await key(house, task="refunds")
        for task in ("", "refunds", "refunds/7"):
            shown = (await ok(house, "POST", "/v1/sessions", {"task": task}, token))["session"]
            assert shown["task"].startswith("refunds/")

    served(main, TEXT)


def test_the_budget_of_a_key_is_lowered_by_any_operator_and_raised_by_the_admin():
    async def main(house: House):
        token = await key(house)
        lower = {
            "scope": "key",
            "owner": "acme/spend",
            "dimension": "usd",
            "window": "day",
            "limit": 10**9,
            "reason": "less",
        }
        await ok(house, "PUT", "/v1/budgets", lower)
        own, _ = await opened_by(house, token)
        found = await ok(house, "GET", f"/v1/budgets?session={own}")
        assert [a["limit"] for a in found["accounts"] if a["scope"] == "key"] == [100_000, 10**9]
        shown = await house.get("/v1/keys/spend")
        assert shown["budget"][0]["limit"] == 10**9
        nowhere = await house.call("PUT", "/v1/budgets", {**lower, "owner": "acme/nobody"})
        assert nowhere.status_code == 404

    served(main, TEXT)
