"""No operator lifts what binds them: every verb of the API, by its line in the table, by trying."""

import dataclasses
from typing import Any

import msgspec
import pytest

from holdfast.apps.control import acts, binding
from holdfast.apps.control.acts import ACTS, Act
from holdfast.apps.control.app import ALL
from holdfast.apps.control.binding import stands_for
from holdfast.apps.control.operator_file import Operator
from holdfast.compose.config import load_config
from holdfast.core.proofs import key_of
from holdfast.errors import ConfigInvalid
from holdfast.model.effects import EffectEntry, EffectState
from holdfast.model.runs import RunState
from holdfast.model.tools import Idempotency
from tests.control_house import ADMIN, ONE_TENANT, House, served
from tests.unit.apps.control.test_who_may import Files, Named, cap, status

ANN, BOB, EVE = "hfo_ann", "hfo_bob", "hfo_eve"
SHE = "auth0|5f7c"
WHO = f"""
operators:
  ann: {{users: ["{SHE}"]}}
  bob: {{users: []}}
  eve: {{users: ["*"]}}
"""
OPEN = (
    ONE_TENANT.replace("tasks:", "  clerk: {model: claude-sonnet-5-5}\ntasks:")
    + WHO
    + "tenants: {default: {users: {'*': {}}, approvers: [ann, bob, eve]}, other: {users: {zoe: {}}}}\n"
)
CLOSED = OPEN.replace("users: {'*': {}}", "users: {carol: {}}")


class Three(Named):
    by_name = (("ann", ANN), ("bob", BOB), ("eve", EVE))

    def all(self):
        return [Operator(name, key_of(token).hex(), 1) for name, token in self.by_name]


def tried(main, text=OPEN):
    async def run(house: House):
        files: Any = Files()
        house.restart(text, files=files)
        house.deps = dataclasses.replace(house.deps, operators=Three())
        await main(house)

    served(run, text)


async def own(house, **more):
    """A session of ann's own user, opened by the admin."""
    session, _ = await house.opened(user=SHE, tenant="default", **more)
    return session


async def own_run(house, state=RunState.PARKED):
    asked = {"agent": "clerk", "user": SHE, "tenant": "default", "prompt": "go"}
    answer = await house.call("POST", "/v1/runs", asked)
    assert answer.status_code == 200, answer.text
    run = await house.runs.get(answer.json()["run_id"])
    live = await house.sessions.get(run.session)
    claimed = await house.dispatch.claim("w")
    assert claimed is not None
    assert claimed.run.run_id == run.run_id
    await house.dispatch.leave(live, claimed.run, state, "it waits")
    return run


async def unknown_effect(house):
    session = await own(house)
    entry = EffectEntry(
        tenant="default",
        key="k1",
        session=session,
        call_id="c1",
        tool="pay",
        idempotency=Idempotency.ONCE,
        state=EffectState.UNKNOWN,
        intended_at_ns=1,
        changed_at_ns=1,
    )
    await house.journal.commit([], [entry])
    return entry


async def _open_as_another(house):
    return "POST", "/v1/sessions", {"agent": "desk", "user": "carol", "tenant": "default"}


async def _submit_as_another(house):
    asked = {"agent": "clerk", "user": "carol", "tenant": "default", "prompt": "go"}
    return "POST", "/v1/runs", asked


async def _of_run(house, verb, body=None, state=RunState.PARKED):
    run = await own_run(house, state)
    return "POST", f"/v1/{verb.format(run.run_id)}", body or {}


async def _resume_session(house):
    session = await own(house)
    assert await status(house, "POST", f"/v1/sessions/{session}/pause", {}, BOB) == 200
    return "POST", f"/v1/sessions/{session}/resume", {}


async def _resume_part(house):
    await own(house)
    part = {"tenant": "default", "user": SHE}
    assert await status(house, "POST", "/v1/stops/pause", part, BOB) == 200
    return "POST", "/v1/stops/resume", part


async def _resolve(house):
    await unknown_effect(house)
    told = {"tenant": "default", "key": "k1", "outcome": "failed", "by": "me"}
    return "POST", "/v1/effects/resolve", told


async def _approve(house):
    one = await house.asked(await own(house))
    return "POST", f"/v1/approvals/{one.approval_id}/approve", {"digest": one.digest}


async def _delegate(house):
    one = await house.asked(await own(house))
    return "POST", f"/v1/approvals/{one.approval_id}/delegate", {"to": "bob"}


async def _raise(house):
    session = await own(house)
    return "PUT", "/v1/budgets", cap("session", f"default/{session}", None, "turns", "life")


async def _extend(house):
    return "POST", f"/v1/sessions/{await own(house)}/extend", {"for_s": 60}


def _plain(path, body):
    async def asked(house):
        return "POST", path, body

    return asked


async def _rotate(house):
    asked = {"name": "carol", "agent": "desk", "tenant": "default", "budget": ["usd=1"]}
    assert await status(house, "POST", "/v1/keys", asked, ADMIN) == 200
    return "POST", "/v1/keys/carol/rotate", {}


TRIES = {
    "open_session": _open_as_another,
    "submit_run": _submit_as_another,
    "add_key": _plain(
        "/v1/keys",
        {"name": "carol", "agent": "desk", "tenant": "default", "budget": ["usd=1"]},
    ),
    "rotate_key": _rotate,
    "retry_run": lambda house: _of_run(house, "runs/{}/retry", state=RunState.DEAD),
    "fork_run": lambda house: _of_run(house, "runs/{}/fork", {"turn": 1}),
    "resume_run": lambda house: _of_run(house, "runs/{}/resume"),
    "redrive_dead_letter": lambda house: _of_run(house, "dlq/{}/redrive"),
    "resume_session": _resume_session,
    "resume_part": _resume_part,
    "resolve_effect": _resolve,
    "approve_call": _approve,
    "delegate_call": _delegate,
    "set_budget": _raise,
    "extend_session": _extend,
    "policy_apply": _plain("/v1/policy/apply", {}),
    "move_clock": _plain("/v1/clock", {"advance_s": 60}),
    "trust_files": _plain("/v1/own-files/trust", {"ref": "HEAD"}),
    "forget_files": _plain("/v1/own-files/forget", {"ref": "HEAD"}),
    "add_operator": _plain("/v1/operators", {"name": "mallory"}),
    "remove_operator": _plain("/v1/operators/bob/remove", {}),
}
BOUND = [name for name, act in ACTS.items() if act not in (Act.LOOKS, Act.HOLDS_BACK)]


def test_every_route_of_the_api_has_a_line_and_every_line_a_route():
    assert {one.name for one in ALL} == set(ACTS)
    reading = {one.name for one in ALL if one.method == "GET"}
    assert reading == {n for n, act in ACTS.items() if act is Act.LOOKS} - {
        "begin_device",
        "begin_identity",
        "end_sign_in",
        "leave_sign_in",
        "open_device",
        "open_identity",
        "link_sign_in",
        "plan_run",
        "policy_check",
        "policy_replay",
        "sign_in",
    }


def test_a_verb_that_nobody_classified_is_the_admins(monkeypatch):
    monkeypatch.delitem(acts.ACTS, "pause_session")

    async def main(house):
        session, _ = await house.opened(user="carol", tenant="default")
        path = f"/v1/sessions/{session}/pause"
        assert await status(house, "POST", path, {}, BOB) == 403
        assert house.live(session).session.state == "active"
        assert await status(house, "POST", path, {}, ADMIN) == 200

    tried(main)


def test_every_verb_that_can_lift_is_tried():
    assert set(TRIES) == set(BOUND)


# Eve opens for everyone, so that opening is hers, and all of it binds her.
TRIED = [(name, ANN) for name in BOUND]
TRIED += [(name, EVE) for name in BOUND if ACTS[name] is not Act.OPENS]


@pytest.mark.parametrize(("name", "token"), TRIED)
def test_no_verb_lifts_what_binds_the_operator_and_the_try_is_journalled(name, token):
    async def main(house):
        method, path, body = await TRIES[name](house)
        before = len(house.store.journal)
        answer = await house.call(method, path, body, token=token)
        assert answer.status_code == 403, answer.text
        assert "admin" in answer.text or "bob" in answer.text
        fresh = [r for r in house.store.journal[before:] if r.kind == "auth.refused"]
        assert [r.body["by"] for r in fresh] == ["ann" if token == ANN else "eve"]

    tried(main)


@pytest.mark.parametrize(
    "name",
    [
        *("resume_session", "resume_part", "resolve_effect", "approve_call", "delegate_call"),
        *("set_budget", "retry_run", "resume_run"),
    ],
)
def test_an_approver_whom_it_does_not_bind_lets_go(name):
    async def main(house):
        method, path, body = await TRIES[name](house)
        assert await status(house, method, path, body, BOB) == 200

    tried(main)


@pytest.mark.parametrize("token", [ANN, EVE, ADMIN])
def test_sessions_and_runs_for_ones_own_users_are_opened(token):
    async def main(house):
        asked = {"agent": "clerk", "user": SHE, "tenant": "default"}
        assert await status(house, "POST", "/v1/sessions", asked, token) == 200
        assert await status(house, "POST", "/v1/runs", asked | {"prompt": "go"}, token) == 200

    tried(main)


def test_an_operator_without_an_entry_is_the_user_of_their_name():
    async def main(house):
        asked = {"agent": "desk", "user": "ann"}
        assert await status(house, "POST", "/v1/sessions", asked, ANN) == 200
        assert await status(house, "POST", "/v1/sessions", asked | {"user": "Ann"}, ANN) == 403
        assert await status(house, "POST", "/v1/sessions", asked, BOB) == 403

    tried(main, ONE_TENANT)


SHARED = [
    ("task", "default/refunds/4711", "turns", "life"),
    ("project", "default/default", "usd", "day"),
    ("tenant", "default", "usd", "day"),
]


@pytest.mark.parametrize(("scope", "owner", "dimension", "window"), SHARED)
@pytest.mark.parametrize("text", [OPEN, CLOSED.replace("carol: {}", f"carol: {{}}, '{SHE}': {{}}")])
def test_a_cap_of_what_ones_own_sessions_could_live_in_is_anothers_to_raise(
    scope, owner, dimension, window, text
):
    async def main(house):
        await house.opened(user="carol", tenant="default", task="refunds/4711")
        lowered = cap(scope, owner, 5, dimension, window)
        more = lowered | {"limit": None}
        assert await status(house, "PUT", "/v1/budgets", lowered, ANN) == 200
        assert await status(house, "PUT", "/v1/budgets", more, ANN) == 403
        assert await status(house, "PUT", "/v1/budgets", more, BOB) == 200

    limits = "limits: {task: {turns: 50}, project: {usd: {day: 50}}, tenant: {usd: {day: 50}}}"
    tried(main, text + f"defaults: {{{limits}}}\n")


@pytest.mark.parametrize(("scope", "owner", "dimension", "window"), SHARED)
def test_a_session_that_lives_there_binds_whatever_the_settings_say_since(
    scope, owner, dimension, window
):
    limits = "limits: {task: {turns: 50}, project: {usd: {day: 50}}, tenant: {usd: {day: 50}}}"
    defaults = f"defaults: {{{limits}}}\n"

    async def main(house):
        session = await own(house, task="refunds/4711")
        house.restart(CLOSED + defaults)
        house.deps = dataclasses.replace(house.deps, operators=Three())
        more = cap(scope, owner, None, dimension, window)
        assert await status(house, "PUT", "/v1/budgets", more, ANN) == 403
        assert await status(house, "POST", f"/v1/sessions/{session}/kill", {}, ANN) == 200
        assert await status(house, "PUT", "/v1/budgets", more, ANN) == 200

    tried(main, OPEN + defaults)


def test_many_newer_sessions_hide_none_that_lives_there(monkeypatch):
    monkeypatch.setattr(binding, "_MOST_LOOKED", 2)
    defaults = "defaults: {limits: {task: {turns: 50}}}\n"

    async def main(house):
        there = await own(house, task="refunds/4711")
        newer = [await own(house, task=f"refunds/{n}") for n in range(2)]
        house.restart(CLOSED + defaults)
        house.deps = dataclasses.replace(house.deps, operators=Three())
        more = cap("task", "default/refunds/4711", None, "turns", "life")
        assert await status(house, "PUT", "/v1/budgets", more, ANN) == 403
        assert await status(house, "POST", f"/v1/sessions/{there}/kill", {}, ANN) == 200
        assert await status(house, "PUT", "/v1/budgets", more, ANN) == 403
        assert await status(house, "POST", f"/v1/sessions/{newer[0]}/kill", {}, ANN) == 200
        assert await status(house, "PUT", "/v1/budgets", more, ANN) == 200

    tried(main, OPEN + defaults)


def test_where_every_approver_is_bound_the_admin_is_the_one_and_else_is_not():
    def naming(names):
        return OPEN.replace("approvers: [ann, bob, eve]", f"approvers: [{names}]")

    def main(passes):
        async def run(house):
            session = await own(house)
            raised = cap("session", f"default/{session}", None, "turns", "life")
            assert await status(house, "PUT", "/v1/budgets", raised, ANN) == 403
            found = await house.call("PUT", "/v1/budgets", raised)
            assert found.status_code == (200 if passes else 403), found.text

        return run

    tried(main(passes=True), naming("ann, eve"))
    tried(main(passes=True), naming("ann, gone"))
    tried(main(passes=False), naming("ann, bob"))


@pytest.mark.parametrize("then", ["", "end", "kill"])
def test_what_a_person_paused_does_not_go_on_in_another_session_of_its_user(then):
    async def main(house):
        session = await own(house)
        asked = {"agent": "desk", "user": SHE, "tenant": "default", "parent": session}
        assert await status(house, "POST", "/v1/sessions", asked, ANN) == 200
        assert await status(house, "POST", f"/v1/sessions/{session}/pause", {}, BOB) == 200
        if then:
            assert await status(house, "POST", f"/v1/sessions/{session}/{then}", {}, ANN) == 200
        answer = await house.call("POST", "/v1/sessions", asked, token=ANN)
        assert answer.status_code == 403, answer.text
        assert "binds themselves" in answer.json()["error"]["message"]

    tried(main)


def test_what_was_resumed_goes_on_and_a_resumed_session_that_ended_may_be_continued():
    async def main(house):
        session = await own(house)
        path = f"/v1/sessions/{session}"
        for verb, token in (("pause", ANN), ("resume", BOB), ("end", ANN)):
            assert await status(house, "POST", f"{path}/{verb}", {}, token) == 200
        asked = {"agent": "desk", "user": SHE, "tenant": "default", "parent": session}
        assert await status(house, "POST", "/v1/sessions", asked, ANN) == 200

    tried(main)


def test_another_prompt_in_somebody_elses_run_is_work_opened_for_them():
    async def main(house):
        run = await own_run(house, RunState.FAILED)
        path = f"/v1/runs/{run.run_id}/fork"
        assert await status(house, "POST", path, {"turn": 1, "prompt": "pay me"}, BOB) == 403
        # Without one it is the user's own work, done again; this run has no turn to branch after.
        assert await status(house, "POST", path, {"turn": 1}, BOB) == 400

    tried(main)


def test_a_run_of_other_settings_is_not_its_users_own_to_begin_again():
    async def main(house):
        run = await own_run(house, RunState.FAILED)
        again = f"/v1/runs/{run.run_id}/retry"
        assert await status(house, "POST", again, {}, ANN) == 200
        house.deps = dataclasses.replace(
            house.deps, config=msgspec.structs.replace(house.deps.config, version="sha256:new")
        )
        assert await status(house, "POST", again, {}, ANN) == 403
        assert await status(house, "POST", again, {}, BOB) == 200

    tried(main)


def test_lists_say_which_user_an_operator_is():
    async def main(house):
        found = (await house.get("/v1/operators"))["operators"]
        assert [(o["name"], o["users"]) for o in found] == [
            ("ann", [SHE]),
            ("bob", []),
            ("eve", ["*"]),
        ]

    tried(main)


def loaded(tmp_path, text):
    (tmp_path / "holdfast.yaml").write_text(f"version: 1\n{text}")
    return load_config(tmp_path / "holdfast.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("operators: {admin: {users: [ann]}}", "admin"),
        ('operators: {ann: {users: ["e\\u0301"]}}', "composed"),
        ('operators: {ann: {users: ["a  b"]}}', "blanks"),
        ("operators: {ann: {users: [5]}}", "users"),
        ("operators: {ann: {tenants: [nowhere]}}", "nowhere"),
        ("operators: {ann: {user: ann}}", "user"),
    ],
)
def test_who_an_operator_is_has_to_name_somebody(tmp_path, text, says):
    with pytest.raises(ConfigInvalid) as refused:
        loaded(tmp_path, text)
    assert says in str(refused.value)


@pytest.mark.parametrize("user", [SHE, "CN=Ann Lee,OU=Ops", "ann+ops@corp.example", "Zoë"])
def test_operators_are_named_as_identity_providers_name_users(tmp_path, user):
    config = loaded(tmp_path, f"operators: {{ann: {{users: ['{user}'], tenants: [default]}}}}\n")
    assert stands_for(config, "ann", "default", user)
    assert not stands_for(config, "ann", "other", user)
    assert not stands_for(config, "ann", "default", user.upper() + "x")
    assert not stands_for(config, "ann", "default", "ann")
    assert stands_for(config, "admin", "default", user)


SHOPS = OPEN.replace("approvers:", "projects: {shop: {}, web: {}}, approvers:")


@pytest.mark.parametrize("project", ["shop", "web"])
def test_another_users_session_binds_where_one_of_ones_own_shares_its_task(project):
    async def main(house):
        theirs = {"user": "carol", "tenant": "default", "project": "shop"}
        shared, _ = await house.opened(task="refunds/4711", **theirs)
        apart, _ = await house.opened(task="refunds/4712", **theirs)
        await own(house, task="refunds/4711", project=project)
        for session in (shared, apart):
            assert await status(house, "POST", f"/v1/sessions/{session}/pause", {}, BOB) == 200
        found = [
            await status(house, "POST", f"/v1/sessions/{session}/resume", {}, token)
            for session, token in ((shared, ANN), (shared, BOB), (apart, ANN))
        ]
        assert found == [403, 200, 200]

    tried(main, SHOPS)


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_session_that_is_paused_lives_there_too(verb):
    limits = "defaults: {limits: {tenant: {usd: {day: 50}}}}\n"

    async def main(house):
        session = await own(house)
        assert await status(house, "POST", f"/v1/sessions/{session}/pause", {}, BOB) == 200
        if verb == "resume":
            assert await status(house, "POST", f"/v1/sessions/{session}/resume", {}, BOB) == 200
        house.restart(CLOSED + limits)
        house.deps = dataclasses.replace(house.deps, operators=Three())
        raised = cap("tenant", "default", None, "usd", "day")
        found = [await status(house, "PUT", "/v1/budgets", raised, one) for one in (ANN, BOB)]
        assert found == [403, 200]

    tried(main, OPEN + limits)


def test_whoever_opens_for_everyone_is_bound_where_nobody_of_theirs_lives_yet():
    async def main(house):
        raised = cap("tenant", "default", None, "usd", "day")
        found = [await status(house, "PUT", "/v1/budgets", raised, one) for one in (EVE, BOB)]
        assert found == [403, 200]

    tried(main, CLOSED + "defaults: {limits: {tenant: {usd: {day: 50}}}}\n")


def test_an_entry_that_names_no_users_is_the_user_of_its_name_in_its_tenants(tmp_path):
    more = "tenants: {default: {}, other: {}}\n"
    config = loaded(
        tmp_path, f"operators: {{ann: {{tenants: [other]}}, bob: {{users: []}}}}\n{more}"
    )
    asked = [("ann", "other", "ann"), ("ann", "default", "ann"), ("bob", "other", "bob")]
    assert [stands_for(config, *one) for one in asked] == [True, False, False]
