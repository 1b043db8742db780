"""Who gets in, how a refusal looks, what the public paths say."""

import random

import pytest

from holdfast.apps.control.acts import classified
from holdfast.apps.control.app import ALL
from holdfast.errors import Denied
from holdfast.model.events import Kind
from holdfast.model.tokens import hook_token, model_token
from holdfast.model.views.policies import PolicyFinding
from holdfast.runtime.refusals import TOLD_MOST
from tests.control_house import ADMIN, TWO_TENANTS, House, served

WAY = "/v1/sign-ins/identity"
PUBLIC = {"/healthz", "/openapi.json", "/docs", WAY}
STRANGERS = {
    f"{WAY}/begin", f"{WAY}/open", "/v1/sign-ins/device/begin", "/v1/sign-ins/device/open"
}  # fmt: skip
LEAVE = "/v1/sign-ins/leave"
BY_LINK = "/v1/sign-ins/open"
_SWAPPED = ("hfm_", "hfh_")


async def operations(house: House) -> list[tuple[str, str]]:
    """Every verb and path of operators, by the API's own document."""
    paths = (await house.call("GET", "/openapi.json", token="")).json()["paths"]
    mine = {one.path for one in ALL}
    return [(verb.upper(), path) for path, verbs in paths.items() for verb in verbs if path in mine]


def test_every_path_but_the_public_ones_needs_a_token():
    async def main(house: House):
        found = await operations(house)
        assert len(found) >= 14
        for verb, path in found:
            answer = await house.call(verb, path, token="")
            assert (answer.status_code == 401) == (path not in PUBLIC | STRANGERS), (verb, path)

    served(main)


def test_a_stranger_leaves_not_a_byte_here_and_is_answered_whatever_parameters_a_probe_adds():
    async def spaces():
        yield b" "

    async def main(house: House):
        for sent in ({"content": b" "}, {"content": spaces()}):
            answer = await house.call("GET", "/healthz", token="", **sent)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        assert (await house.call("GET", "/healthz?now=1", token="")).status_code == 200

    served(main)


def test_who_is_known_to_nobody_does_nothing():
    async def main(house: House):
        with pytest.raises(Denied):
            await classified("list_sessions", house.deps, "")

    served(main)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer hfa_wrong"},
        {"authorization": f"Basic {ADMIN}"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer " + "x" * 5000},
        {"authorization": ADMIN},
        {"x-api-key": "hfa_wrong"},
        {"x-api-key": ""},
        {},
    ],
)
def test_any_other_token_is_unauthenticated(headers):
    async def main(house: House):
        answer = await house.call("GET", "/v1/sessions", token="", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")

    served(main)


def test_the_admin_token_may_come_as_an_api_key():
    async def main(house: House):
        answer = await house.call("GET", "/v1/sessions", token="", headers={"x-api-key": ADMIN})
        assert answer.status_code == 200

    served(main)


def test_a_sessions_token_opens_no_operators_path_and_the_attempt_is_journalled():
    async def main(house: House):
        session_id, token = await house.opened()
        found = [
            (v, p)
            for v, p in await operations(house)
            if p not in {*PUBLIC, *STRANGERS, BY_LINK, LEAVE}
        ]
        before = len(house.store.journal)
        for verb, path in found:
            answer = await house.call(verb, path.replace("{session_id}", session_id), token=token)
            assert (answer.status_code, answer.json()["error"]["code"]) == (
                403,
                "permission_denied",
            ), (verb, path)
        await house.store.commit()  # waits for all before it
        told = house.store.journal[before:]
        assert {r.kind for r in told} == {Kind.AUTH_REFUSED}
        # The first of a minute have records of their own, the others their number.
        assert (len(told), told[0].session) == (TOLD_MOST, session_id)
        house.journal.tell_refusals(all_of_them=True)
        await house.store.commit()
        last = house.store.journal[-1]
        assert (last.kind, last.body["times"]) == (Kind.AUTH_REFUSED, len(found) - TOLD_MOST)
        assert (await house.get(f"/v1/sessions/{session_id}"))["state"] == "active"

    served(main)


@pytest.mark.parametrize("derived", [model_token, hook_token])
def test_a_token_derived_from_a_sessions_opens_no_operators_path_either(derived):
    async def main(house: House):
        session_id, token = await house.opened()
        house.restart()
        right = derived(session_id, token)
        wrong = {right[:-1] + "!", right[:4] + "nobody_x", right[:4], right.replace(*_SWAPPED)}
        for tried, status in [(right, 403), *((each, 401) for each in wrong - {right})]:
            answer = await house.call("GET", "/v1/sessions", token=tried)
            assert answer.status_code == status, answer.text
        assert house.sessions.loaded(session_id) is None

    served(main)


def test_the_admin_token_opens_no_sessions_path():
    async def main(house: House):
        _, token = await house.opened()
        refused = await house.call("POST", "/v1/guard/anything", {})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
        # The guard's routes are mounted beside this app: past the gate there is nothing here.
        assert (await house.call("POST", "/v1/guard/anything", {}, token=token)).status_code == 404
        never = await house.call("POST", "/v1/guard/anything", {}, token="hfs_" + "a" * 52)
        assert never.status_code == 401

    served(main)


def test_a_path_that_is_not_there_tells_nothing_without_a_token():
    async def main(house: House):
        assert (await house.call("GET", "/v1/nothing", token="")).status_code == 401
        answer = await house.call("GET", "/v1/nothing")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
        wrong = await house.call("DELETE", "/v1/sessions")
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "invalid_request")
        assert wrong.headers["allow"] == "GET, POST"
        paused = await house.call("GET", "/v1/sessions/ses_none/pause")
        assert (paused.status_code, paused.headers["allow"]) == (405, "POST")
        for path in ("/docs/", "/redoc"):
            assert (await house.call("GET", path)).status_code == 404

    served(main)


def test_an_unknown_fault_says_nothing_of_itself():
    async def main(house: House):
        async def broken(*_: object) -> None:
            raise RuntimeError("the secret is swordfish")

        house.store.sessions = broken
        answer = await house.call("GET", "/v1/sessions")
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
        assert "swordfish" not in answer.text
        assert "Traceback" not in answer.text

    served(main)


def test_a_fault_of_a_value_names_the_field_and_does_not_repeat_the_value():
    async def main(house: House):
        body = {"agent": "desk", "user": "ann", "ttl_s": "swordfish"}
        answer = await house.call("POST", "/v1/sessions", body)
        error = answer.json()["error"]
        assert answer.status_code == 400
        assert (error["code"], error["field"], error["retryable"]) == (
            "invalid_request",
            "ttl_s",
            False,
        )
        assert "swordfish" not in answer.text
        assert error["message"][0] == "`"
        assert not error["message"].endswith(".")

    served(main)


@pytest.mark.parametrize(
    "content",
    [
        b'{"agent": "desk", "user": "ann", "user": "eve"}',
        b'{"agent": "desk", "user": "\\ud800"}',
        b'{"agent": "desk", "user": NaN}',
        b"[" * 100_000,
        b"1" * 10_000,
        b"{",
        b"\xff\xfe",
    ],
)
def test_json_without_exactly_one_reading_is_refused(content):
    async def main(house: House):
        headers = {"content-type": "application/json"}
        answer = await house.call("POST", "/v1/sessions", headers=headers, content=content)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
        assert house.store.journal == ()

    served(main)


def test_a_body_that_is_too_large_is_refused():
    async def main(house: House):
        headers = {"content-type": "application/json"}
        for content in (b"x" * (1024 * 1024 + 1), _chunks()):
            answer = await house.call("POST", "/v1/sessions", headers=headers, content=content)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")

    served(main)


async def _chunks():
    for _ in range(20):
        yield b"x" * 65_536


def test_a_thousand_bodies_of_random_bytes_are_all_refused_and_open_nothing():
    async def main(house: House):
        dice = random.Random(7)
        paths = ["/v1/sessions", "/v1/sessions/ses_none/kill", "/v1/policy/check", "/v1/budgets"]
        kinds = ["application/json", "text/plain", "application/x-www-form-urlencoded", ""]
        for number in range(1000):
            path = paths[number % 4]
            content = dice.randbytes(dice.randrange(1, 200))
            if number % 3 == 0:
                content = b'{"agent":"desk","user":"' + content + b'"}'
            headers = {"content-type": kinds[number // 4 % 4]}
            verb = "PUT" if path == "/v1/budgets" else "POST"
            answer = await house.call(verb, path, headers=headers, content=content)
            if path != "/v1/policy/check":
                assert 400 <= answer.status_code < 500, (number, answer.status_code)
                assert answer.json()["error"]["message"]
            assert answer.status_code < 500
        assert house.store.journal == ()

    served(main)


def test_health_needs_no_token_and_says_which_part_is_away():
    async def main(house: House):
        answer = await house.call("GET", "/healthz", token="")
        whole = {"status": "ok", "version": "0.1.0", "policy": "ok", "store": "ok", "gateway": ""}
        assert answer.json() == whole
        house.policy.down = True
        answer = await house.call("GET", "/healthz", token="")
        assert answer.status_code == 200
        assert answer.json() == whole | {"status": "degraded", "policy": "unavailable"}

    served(main)


def test_health_says_when_the_journal_can_no_longer_be_written():
    async def main(house: House):
        session_id, _ = await house.opened()
        house.store.fail_commits()
        await house.call("POST", f"/v1/sessions/{session_id}/pause")
        answer = await house.call("GET", "/healthz", token="")
        assert (answer.json()["status"], answer.json()["store"]) == ("degraded", "failed")

    served(main)


def test_applying_policies_is_journalled_with_its_difference_and_refused_where_they_fail():
    async def main(house: House):
        house.policy.findings = (PolicyFinding("a.cedar", 3, "r1", "parse", "it does not parse"),)
        refused = await house.call("POST", "/v1/policy/apply")
        assert refused.status_code == 400
        assert "a.cedar:3: it does not parse" in refused.text
        assert not (await house.get("/v1/audit/server?kind=policy.changed"))["records"]
        house.policy.findings = ()
        applied = await house.call("POST", "/v1/policy/apply")
        assert applied.json()["added"] == ["new"]
        told = await house.get("/v1/audit/server?kind=policy.changed")
        assert [record["body"]["version"] for record in told["records"]] == ["sha256:b"]
        assert "1 added" in told["lines"][0]
        anonymous = await house.call("POST", "/v1/policy/apply", token="")
        assert anonymous.status_code == 401

    served(main)


def test_the_policy_paths_show_what_is_in_force_and_what_is_wrong():
    async def main(house: House):
        status = await house.get("/v1/policy/status")
        assert (status["version"], status["fault"]) == ("sha256:memory", "")
        house.policy.findings = (PolicyFinding("a.cedar", 3, "r1", "parse", "it does not parse"),)
        answer = await house.call("POST", "/v1/policy/check")
        assert answer.json() == {
            "findings": [
                {
                    "file": "a.cedar",
                    "line": 3,
                    "rule": "r1",
                    "code": "parse",
                    "text": "it does not parse",
                }
            ],
            "version": "sha256:memory",
        }
        house.policy.down = True
        for verb, path in (("GET", "/v1/policy/status"), ("POST", "/v1/policy/check")):
            down = await house.call(verb, path)
            assert (down.status_code, down.json()["error"]["code"]) == (503, "policy_unavailable")

    served(main)


def test_the_document_describes_every_answer_and_whose_token_is_taken():
    async def main(house: House):
        document = (await house.call("GET", "/openapi.json", token="")).json()
        for path, verbs in document["paths"].items():
            for verb, operation in verbs.items():
                answers = operation["responses"].values()
                assert all(answer["description"] for answer in answers), (verb, path)
                public = path in {"/healthz", "/v1/proof", WAY} | STRANGERS
                assert bool(operation["security"]) != public, (verb, path)

    served(main)


def test_no_read_crosses_a_tenant():
    async def main(house: House):
        dice = random.Random(11)
        tenants, users = ("acme", "umbra"), ("ann", "bob", "eve")
        for number in range(40):
            tenant = tenants[number % 2]
            user = dice.choice(users if tenant == "acme" else users[:2])
            project = {"project": dice.choice(("shop", "web"))} if tenant == "acme" else {}
            session_id, _ = await house.opened(tenant=tenant, user=user, **project)
            await house.call("POST", f"/v1/sessions/{session_id}/{dice.choice(('pause', 'kill'))}")
        house.restart(TWO_TENANTS)
        reads = 0
        for mine, other in (tenants, tenants[::-1]):
            theirs = {
                s["session_id"]
                for s in (await house.get("/v1/sessions", tenant=other, limit="1000"))["sessions"]
            }
            assert len(theirs) == 20
            for _ in range(60):
                text = await _random_read(house, dice, mine, sorted(theirs))
                reads += 1
                assert not [s for s in theirs if s in text]
                assert f'"{other}"' not in text
                assert f'"{other}/' not in text
        assert reads == 120

    served(main, TWO_TENANTS)


async def _random_read(house: House, dice: random.Random, tenant: str, foreign: list[str]) -> str:
    """The text of one read on behalf of a tenant, with whatever filters, foreign ids included."""
    user, session = dice.choice(("ann", "bob", "eve", "")), dice.choice((*foreign, ""))
    match dice.randrange(4):
        case 0:
            path, query = "/v1/sessions", {"user": user}
        case 1:
            path, query = "/v1/records", {"user": user, "session": session, "limit": "1000"}
        case 2:
            path = "/v1/audit/ask"
            query = {"user": user or "ann", "at": dice.choice(("now", "today", "12:00"))}
        case _:
            scope = dice.choice(("user", "project", "tenant", "session", "task"))
            owner = {"tenant": tenant, "session": f"{tenant}/{dice.choice(foreign)}"}
            named = owner.get(scope, f"{tenant}/{dice.choice(('ann', 'shop', 'bob', 'default'))}")
            answer = await house.call("GET", "/v1/budgets", params={"scope": scope, "owner": named})
            assert answer.status_code == 200, answer.text
            if scope == "session":
                assert answer.json()["accounts"] == []
            return answer.text
    answer = await house.call("GET", path, params=query | {"tenant": tenant})
    assert answer.status_code == 200, answer.text
    return answer.text
