"""Operators by role and by place: every verb of the API, as every role, and from elsewhere."""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.apps.control.acts import ACTS, MAY, Act
from holdfast.apps.control.app import ALL
from holdfast.apps.control.openapi import Token
from holdfast.apps.control.operator_file import FILE, Operator, Operators
from holdfast.apps.control.reach import PLACES
from holdfast.apps.control.sign_in_file import SignIns
from holdfast.compose.config import parse_config
from holdfast.core.proofs import key_of
from holdfast.model.operators import Role, reaches
from tests.control_house import ADMIN, TWO_TENANTS, House, served
from tests.unit.apps.control.test_who_may import Named

USD = 10**9
TEXT = TWO_TENANTS.replace("tasks:", "  clerk: {model: claude-sonnet-5-5}\ntasks:") + (
    "defaults: {limits: {project: {usd: {day: 50}}, tenant: {usd: {day: 50}}}}\n"
)
ACME = {"tenant": "acme", "project": "shop", "user": "ann"}
WEB = {**ACME, "project": "web"}
UMBRA = {"tenant": "umbra", "project": "default", "user": "bob"}
VERBS = [one for one in ALL if one.token is Token.OPERATOR]
SAID = "another role has to"


class One(Named):
    """One operator, `eve`, as she was named."""

    def __init__(self, role: Role, *within: str) -> None:
        super().__init__()
        self.role, self.within = role, within

    def all(self):
        return [Operator("eve", key_of("hfo_eve").hex(), 1, self.role, self.within)]


def told(main, operators: Operators, text: str = TEXT) -> None:
    async def run(house: House) -> None:
        with tempfile.TemporaryDirectory() as folder:
            sign_ins = SignIns(Path(folder), lambda name: f"the digest of {name}")
            house.deps = dataclasses.replace(house.deps, operators=operators, sign_ins=sign_ins)
            await main(house)

    served(run, text)


async def made(house: House, place: dict[str, str], number: str) -> dict[str, str]:
    """A session, a run and a key at a place."""
    opened = await house.call("POST", "/v1/sessions", {"agent": "desk", **place})
    assert opened.status_code == 200, opened.text
    run = await house.call("POST", "/v1/runs", {"agent": "clerk", "prompt": "go", **place})
    assert run.status_code == 200, run.text
    asked = {"name": f"key{number}", "agent": "desk", "budget": ["usd=1"]}
    where = {"tenant": place["tenant"], "project": place["project"], "users": [place["user"]]}
    added = await house.call("POST", "/v1/keys", asked | where)
    assert added.status_code == 200, added.text
    session_id = opened.json()["session"]["session_id"]
    waits = await house.asked(session_id, approval_id=f"apr_{number}")
    now_ns = house.clock.now_ns()
    browser = house.deps.sign_ins.open(house.deps.sign_ins.link("eve", now_ns)[0], now_ns)
    return {
        "approval_id": waits.approval_id,
        "sign_in_id": browser.sign_in.sign_in_id,
        "session_id": session_id,
        "name": f"key{number}",
        "run_id": run.json()["run_id"],
        **place,
    }


def asked(name: str, at: dict[str, str]) -> tuple[Any, dict[str, str]]:
    """Body and query of a verb that concerns what is at a place."""
    where = {"tenant": at["tenant"], "project": at["project"]}
    opens = {"agent": "desk", "user": at["user"], **where}
    bodies: dict[str, Any] = {
        "open_session": opens,
        "plan_run": opens,
        "submit_run": {**opens, "agent": "clerk", "prompt": "go"},
        "add_key": {"name": "new", "agent": "desk", "budget": ["usd=1"], "users": ["x"], **where},
        "fork_run": {"turn": 1},
        "resolve_effect": {"tenant": at["tenant"], "key": "k", "outcome": "done", "by": "me"},
        "policy_replay": {"decision": "dec_1", "tenant": at["tenant"]},
        "set_budget": {
            "scope": "project",
            "owner": f"{at['tenant']}/{at['project']}",
            "reason": "r",
            "dimension": "usd",
            "window": "day",
            "limit": 1,
        },
        **{key: {"digest": "sha256:d"} for key in ("approve_call", "deny_call")},
        "delegate_call": {"to": "admin"},
        "extend_session": {"for_s": 60},
        **dict.fromkeys(("pause_part", "kill_part"), where),
        # All of a project would hold whoever lifts it, too.
        "resume_part": {**where, "user": at["user"]},
        "add_operator": {"name": "new"},
        "move_clock": {"advance_s": 1},
        "trust_files": {"ref": "HEAD"},
        "forget_files": {"ref": "HEAD"},
    }
    queries: dict[str, dict[str, str]] = {
        **dict.fromkeys(
            ("list_sessions", "list_runs", "list_keys", "list_approvals", "show_reach"), where
        ),
        **dict.fromkeys(("show_fleet", "show_costs"), where),
        **{key: {"tenant": at["tenant"]} for key in ("list_dead_letters", "list_unknown_effects")},
        "show_approval_load": where,
        **{
            key: {"tenant": at["tenant"]}
            for key in ("list_records", "propose_budgets", "list_accounts")
        },
        "ask_audit": {"tenant": at["tenant"], "user": at["user"], "at": "2026-11-16 12:00"},
        "list_effects": {"session": at["session_id"]},
        "show_budgets": {"session": at["session_id"]},
    }
    return bodies.get(name), queries.get(name, {})


async def tried(house: House, one: Any, at: dict[str, str]) -> Any:
    body, query = asked(one.name, at)
    path = one.path.format(**{part.name: at[part.name] for part in one.in_path})
    if one.method != "GET" and body is None:
        body = {}
    return await house.call(one.method, path, body, token="hfo_eve", params=query)


def test_a_role_may_what_those_below_it_may_and_more():
    for lower, higher in zip(Role, list(Role)[1:], strict=False):
        assert MAY[lower] < MAY[higher]
    assert MAY[Role.VIEWER] == {Act.LOOKS}
    assert MAY[Role.ADMIN] == set(Act)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("one", VERBS, ids=lambda one: one.name)
def test_each_verb_is_held_to_the_role_of_whoever_asks(one, role):
    async def main(house: House):
        at = await made(house, ACME, "1")
        before = len(house.store.journal)
        answer = await tried(house, one, at)
        refused = [r for r in house.store.journal[before:] if r.kind == "auth.refused"]
        acted = [r for r in house.store.journal[before:] if r.kind == "admin.acted"]
        if ACTS[one.name] in MAY[role]:
            assert SAID not in answer.text
            assert "only the admin may" not in answer.text
            return
        assert answer.status_code == 403, answer.text
        assert SAID in answer.text or "only the admin may" in answer.text
        assert [r.body["by"] for r in refused] == ["eve"]
        assert not acted

    told(main, One(role))


def test_an_admin_by_name_governs_and_raises_what_does_not_bind_them():
    async def main(house: House):
        at = await made(house, ACME, "1")
        assert (await tried(house, _verb("policy_apply"), at)).status_code == 200
        cap = {
            "scope": "user",
            "owner": "umbra/bob",
            "dimension": "usd",
            "window": "day",
            "limit": 10**12,
            "reason": "more",
        }
        await made(house, UMBRA, "2")
        eve = {"token": "hfo_eve"}
        assert (await house.call("PUT", "/v1/budgets", cap, **eve)).status_code == 200
        shared = {**cap, "scope": "tenant", "owner": "acme"}
        assert (await house.call("PUT", "/v1/budgets", {**shared, "limit": 1}, **eve)).json()
        answer = await house.call("PUT", "/v1/budgets", shared, **eve)
        assert answer.status_code == 403
        assert "binds themselves" in answer.text

    told(main, One(Role.ADMIN), TEXT.replace('"*": {}', "eve: {}"))


def _verb(name: str) -> Any:
    return next(one for one in ALL if one.name == name)


HARMLESS = {"policy_status", "list_upstreams", "show_clock", "await_changes"}
HARMLESS |= {"list_sign_ins", "current_sign_in", "link_sign_in", "end_sign_in"}
ELSEWHERE = [("acme/shop", WEB), ("acme/shop", UMBRA), ("acme", UMBRA)]


@pytest.mark.parametrize(("within", "theirs"), ELSEWHERE, ids=str)
@pytest.mark.parametrize("one", VERBS, ids=lambda one: one.name)
def test_no_verb_reaches_out_of_the_place_that_an_operator_was_named_for(one, within, theirs):
    async def main(house: House):
        at = await made(house, theirs, "2")
        before = len(house.store.journal)
        answer = await tried(house, one, at)
        if one.name in HARMLESS:
            assert answer.status_code == 200
            return
        assert answer.status_code in (403, 404), answer.text
        assert theirs["user"] not in answer.text
        assert len([r for r in house.store.journal[before:] if r.kind != "auth.refused"]) == 0
        if one.name != "resolve_effect":
            assert [r.body["by"] for r in house.store.journal[before:]] == ["eve"]

    told(main, One(Role.ADMIN, within))


# What needs more than a place: a decision, an effect, a turn, a run or session that waits.
WAITS = {"policy_replay", "resolve_effect", "fork_run", "retry_run", "resume_run"}
WAITS |= {"resume_session", "resume_part", "redrive_dead_letter", "approve_call", "revoke_grant"}
# Of all projects of a tenant, so that a project alone is not enough.
OF_TENANT = {
    "policy_replay",
    "list_dead_letters",
    "list_unknown_effects",
    "list_records",
    "list_accounts",
    "ask_audit",
    "propose_budgets",
}


@pytest.mark.parametrize("within", [("acme",), ("acme/shop",), ("umbra", "acme")], ids=str)
@pytest.mark.parametrize("one", [v for v in VERBS if v.name in PLACES], ids=lambda one: one.name)
def test_within_their_place_an_operator_does_what_their_role_may(one, within):
    async def main(house: House):
        at = await made(house, ACME, "1")
        answer = await tried(house, one, at)
        if one.name in OF_TENANT and within == ("acme/shop",):
            assert answer.status_code == 403
        elif one.name in WAITS:
            assert answer.status_code in (200, 400, 403, 404, 409)
            assert "acts within" not in answer.text
        else:
            assert answer.status_code == 200, answer.text

    told(main, One(Role.ADMIN, *within))


@pytest.mark.parametrize(("within", "status"), [(("acme",), 200), (("acme", "umbra"), 403)])
def test_a_list_without_a_tenant_is_of_ones_own_where_there_is_one(within, status):
    async def main(house: House):
        mine, theirs = await made(house, ACME, "1"), await made(house, UMBRA, "2")
        answer = await house.call("GET", "/v1/sessions", token="hfo_eve")
        assert answer.status_code == status, answer.text
        assert theirs["session_id"] not in answer.text
        assert (mine["session_id"] in answer.text) == (status == 200)

    told(main, One(Role.VIEWER, *within))


def test_a_conversation_of_another_project_does_not_go_on_in_ones_own():
    async def main(house: House):
        at = await made(house, WEB, "2")
        asked = {"agent": "desk", "parent": at["session_id"], **ACME}
        answer = await house.call("POST", "/v1/sessions", asked, token="hfo_eve")
        assert (answer.status_code, at["session_id"] in answer.text) == (404, True)

    told(main, One(Role.ADMIN, "acme/shop"))


@pytest.mark.parametrize(
    ("within", "tenant", "project", "there"),
    [
        ((), "acme", "", True),
        (("acme",), "acme", "", True),
        (("acme",), "acme", "web", True),
        (("acme",), "acmes", "web", False),
        (("acme/web",), "acme", "web", True),
        (("acme/web",), "acme", "", False),
        (("acme/web",), "acme", "webs", False),
        (("acme/",), "acme", "", False),
        (("acme",), "", "", False),
    ],
)
def test_a_place_is_reached_by_its_own_name_or_its_tenants(within, tenant, project, there):
    assert reaches(within, tenant, project) is there


def test_a_file_of_before_names_operators_and_a_new_one_says_no_more_than_it_has_to(tmp_path: Path):
    digest = key_of("hfo_ann").hex()
    before = {"operators": [{"name": "ann", "digest": digest, "added_at_ns": 7}]}
    (tmp_path / FILE).write_bytes(msgspec.json.encode(before))
    operators = Operators(tmp_path)
    assert operators.all() == [Operator("ann", digest, 7, Role.OPERATOR, ())]
    operators.add(Operator("bob", "", 8))
    operators.add(Operator("eve", "", 9, Role.VIEWER, ("acme/shop",)))
    kept = msgspec.json.decode((tmp_path / FILE).read_bytes())["operators"]
    assert [sorted(one) for one in kept[:2]] == [["added_at_ns", "digest", "name"]] * 2
    assert (kept[2]["role"], kept[2]["within"]) == ("viewer", ["acme/shop"])
    assert Operators(tmp_path).all()[2].within == ("acme/shop",)


@pytest.mark.parametrize("place", ["nobody", "acme/nowhere", "acme/", "/shop", ""])
def test_an_operator_is_named_for_places_that_there_are(place, tmp_path):
    async def main(house: House):
        asked = {"name": "zoe", "role": "viewer", "within": [place]}
        answer = await house.call("POST", "/v1/operators", asked)
        assert answer.status_code == 404, answer.text
        assert house.deps.operators.all() == []
        good = {**asked, "within": ["acme/shop", "umbra"]}
        assert (await house.call("POST", "/v1/operators", good)).status_code == 200
        (shown,) = (await house.get("/v1/operators"))["operators"]
        assert (shown["role"], shown["within"]) == ("viewer", ["acme/shop", "umbra"])

    told(main, Operators(tmp_path))


def test_whoever_only_looks_frees_no_approver_from_the_admin():
    async def main(house: House):
        at = await made(house, ACME, "1")
        await house.call("POST", f"/v1/sessions/{at['session_id']}/pause", {})
        answer = await house.call("POST", f"/v1/sessions/{at['session_id']}/resume", {})
        assert answer.status_code == 200, answer.text

    text = TEXT.replace("acme: {", "acme: {approvers: [eve], ")
    told(main, One(Role.VIEWER), text)
    told(main, One(Role.APPROVER, "umbra"), text)


def test_everybody_who_asks_is_in_the_table():
    config = parse_config(TEXT.encode(), Path("holdfast.yaml"))
    assert set(config.tenants) == {"acme", "umbra"}
    assert set(PLACES) <= {one.name for one in VERBS}
    assert {name for name, find in PLACES.items() if find.__name__ == "_nowhere"} == HARMLESS
    assert ADMIN
