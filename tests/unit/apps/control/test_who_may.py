"""Verbs that loosen what binds somebody, and who may use them: a table, by trying each."""

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.apps.control.operator_file import Operator, Operators
from holdfast.core.proofs import key_of
from holdfast.model.runs import RunState
from tests.control_house import ADMIN, ONE_TENANT, House, served

USD = 1_000_000_000
ANN, BOB = "hfo_ann", "hfo_bob"
ANNS = {"user": "ann"}
APPROVED = ONE_TENANT + "tenants: {default: {users: {'*': {}}, approvers: [ann, bob]}}\n"
FILE = "name: {name}\nmodel: claude-sonnet-5-5\ntools: [Read]\n{more}"


class Named(Operators):
    """Operators `ann` and `bob`, without a file."""

    def __init__(self):
        super().__init__(Path("no-state-folder"))

    by_name: tuple[tuple[str, str], ...] = (("ann", ANN), ("bob", BOB))

    def all(self):
        return [Operator(name, key_of(token).hex(), 1) for name, token in self.by_name]

    def name_of(self, digest):
        return next((one.name for one in self.all() if one.digest == digest), "")


def with_operators(main, text=ONE_TENANT):
    async def run(house: House):
        house.deps = dataclasses.replace(house.deps, operators=Named())
        await main(house)

    served(run, text)


def cap(scope, owner, limit, dimension="usd", window="day"):
    return {
        "scope": scope,
        "owner": owner,
        "dimension": dimension,
        "window": window,
        "limit": limit,
        "reason": "more",
    }


async def status(house, method, path, body, token):
    answer = await house.call(method, path, body, token=token)
    return answer.status_code


OWN, OTHERS = "default/ann", "default/carol"


@pytest.mark.parametrize(
    ("scope", "owner", "window"),
    [("user", OWN, "day"), ("user", OTHERS, "hour")],
)
@pytest.mark.parametrize("limit", [None, 10_000 * USD])
def test_without_approvers_only_the_admin_raises_a_cap(scope, owner, window, limit):
    async def main(house: House):
        for user in ("ann", "carol"):
            await house.opened(user=user)
        first = cap(scope, owner, USD, window=window)
        assert await status(house, "PUT", "/v1/budgets", first, ADMIN) == 200
        more = {**first, "limit": limit}
        for token in (ANN, BOB):
            assert await status(house, "PUT", "/v1/budgets", more, token) == 403
        lower = {**first, "limit": USD // 2}
        assert await status(house, "PUT", "/v1/budgets", lower, ANN) == 200
        assert await status(house, "PUT", "/v1/budgets", more, ADMIN) == 200

    with_operators(main)


def test_an_approver_raises_others_caps_and_never_their_own():
    async def main(house: House):
        own, _ = await house.opened(user="ann")
        other, _ = await house.opened(user="carol")
        assert await status(house, "PUT", "/v1/budgets", cap("user", OWN, None), ANN) == 403
        assert await status(house, "PUT", "/v1/budgets", cap("user", OTHERS, None), ANN) == 200
        mine, hers = (cap("session", f"default/{s}", None, window="life") for s in (own, other))
        assert await status(house, "PUT", "/v1/budgets", mine, ANN) == 403
        assert await status(house, "PUT", "/v1/budgets", mine, BOB) == 200
        assert await status(house, "PUT", "/v1/budgets", hers, ANN) == 200
        refused = [r for r in house.store.journal if r.kind == "auth.refused"]
        assert "binds themselves" in refused[0].body["why"]

    with_operators(main, APPROVED)


def test_nobody_resumes_their_own_session_and_anybody_stops_any():
    async def main(house: House):
        own, _ = await house.opened(user="ann")
        path = f"/v1/sessions/{own}"
        assert await status(house, "POST", f"{path}/pause", {}, BOB) == 200
        assert await status(house, "POST", f"{path}/resume", {}, ANN) == 403
        assert await status(house, "POST", f"{path}/resume", {}, BOB) == 200
        assert await status(house, "POST", f"{path}/pause", {}, ANN) == 200
        assert await status(house, "POST", f"{path}/resume", {}, ADMIN) == 200
        assert await status(house, "POST", f"{path}/kill", {}, ANN) == 200
        assert await status(house, "POST", f"{path}/resume", {}, ADMIN) == 409

    with_operators(main)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/policy/apply", {}),
        ("/v1/own-files/trust", {"ref": "HEAD"}),
        ("/v1/gc", {"older_than_s": 1}),
        ("/v1/operators", {"name": "eve"}),
        ("/v1/operators/bob/remove", {}),
        ("/v1/conversations/list", {"tenant": "default", "user": "carol"}),
    ],
)
def test_what_binds_everybody_is_the_admins(path, body):
    async def main(house: House):
        if path == "/v1/own-files/trust":
            files: Any = Files()
            house.restart(files=files)
            house.deps = dataclasses.replace(house.deps, operators=Named())
        assert await status(house, "POST", path, body, ANN) in (403, 404)
        assert not [r for r in house.store.journal if r.kind == "admin.acted"]

    with_operators(main)


class Files:
    roots = ("/checkout",)

    async def trust(self, root, ref):
        raise AssertionError("nobody but the admin comes here")


def test_a_pass_of_retention_by_the_settings_is_any_operators():
    async def main(house: House):
        assert await status(house, "POST", "/v1/gc", {}, ANN) == 200
        assert (
            await status(house, "POST", "/v1/gc", {"older_than_s": 1, "dry_run": True}, ANN) == 200
        )
        assert await status(house, "POST", "/v1/gc", {"older_than_s": 1}, ADMIN) == 200

    with_operators(main)


def sent(more="", name="guest", **asked):
    text = FILE.format(name=name, more=more)
    return {"user": "ann", "agent_file": {"name": "guest.yaml", "text": text}, **asked}


@pytest.mark.parametrize(
    ("more", "lifts"),
    [
        ("limits: {usd: 5000}\n", "limits.usd"),
        ("limits: {usd: none}\n", "limits.usd"),
        ("limits: {turns: none}\n", "limits.turns"),
        ("loop: {max_turns: 900}\n", "loop.max_turns"),
        ("loop: {wall_clock_s: 86400}\n", "loop.wall_clock_s"),
        ("trust: autonomous\n", "trust"),
    ],
)
@pytest.mark.parametrize("name", ["guest", "desk"])
def test_an_agent_file_lifts_nothing_for_an_operator(more, lifts, name):
    async def main(house: House):
        answer = await house.call("POST", "/v1/sessions", sent(more, name), token=ANN)
        assert answer.status_code == 403, answer.text
        assert f"`{lifts}`" in answer.json()["error"]["message"]
        assert not house.sessions.in_memory()
        answer = await house.call("POST", "/v1/sessions", sent(more, name))
        assert answer.status_code == 200, answer.text

    with_operators(main)


@pytest.mark.parametrize(
    "more",
    [
        "",
        "limits: {usd: 1}\n",
        "trust: supervised\n",
        "loop: {max_turns: 5, warn_turns: 3, alert_turns: 4}\n",
    ],
)
def test_an_agent_file_within_the_settings_is_an_operators_to_bring(more):
    async def main(house: House):
        answer = await house.call("POST", "/v1/sessions", sent(more), token=ANN)
        assert answer.status_code == 200, answer.text

    with_operators(main)


COMMAND = {"shop": {"command": "python", "args": ["-m", "shop"]}}
DECLARED = ONE_TENANT.replace(
    "agents:\n",
    f"agents:\n  kept: {{model: m, mcp_servers: {msgspec.json.encode(COMMAND).decode()}}}\n",
)


@pytest.mark.parametrize("token", [ADMIN, ANN])
@pytest.mark.parametrize(
    "servers",
    [
        {"shop": {"command": "sh", "args": ["-c", "cat .holdfast/admin.token"]}},
        {"shop": {"command": "python", "args": ["-m", "shop"], "env": {"LD_PRELOAD": "/tmp/x"}}},
        {"other": COMMAND["shop"]},
        {"shop": {"type": "http", "url": "http://127.0.0.1:1"}},
        {"shop": {"command": "python", "args": ["-m", "shop", "x"]}},
    ],
)
def test_a_worker_runs_no_command_that_an_agent_file_brings(servers, token):
    async def main(house: House):
        more = f"mcp_servers: {msgspec.json.encode(servers).decode()}\n"
        asked = sent(more) | {"prompt": "go"}
        answer = await house.call("POST", "/v1/runs", asked, token=token)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["field"] == "agent_file.mcp_servers"

    with_operators(main, DECLARED)


def test_a_server_that_the_settings_declare_may_be_named_as_it_stands():
    async def main(house: House):
        more = f"mcp_servers: {msgspec.json.encode(COMMAND).decode()}\n"
        asked = sent(more.replace("tools: [Read]\n", "")) | {"prompt": "go"}
        asked["agent_file"]["text"] = asked["agent_file"]["text"].replace("tools: [Read]\n", "")
        answer = await house.call("POST", "/v1/runs", asked, token=ANN)
        assert answer.status_code == 200, answer.text

    with_operators(main, DECLARED)


def test_the_approvers_that_an_agent_file_brought_let_its_run_go_on_and_nobody_else_does():
    async def main(house: House):
        text = "name: guest\nmodel: claude-sonnet-5-5\napprovers: [bob]\n"
        file = {"name": "guest.yaml", "text": text}
        asked = {"user": "carol", "agent_file": file, "prompt": "go"}
        answer = await house.call("POST", "/v1/runs", asked)
        assert answer.status_code == 200, answer.text
        run = await house.runs.get(answer.json()["run_id"])
        live = await house.sessions.get(run.session)
        claimed = await house.dispatch.claim("w")
        assert claimed is not None
        await house.dispatch.leave(live, claimed.run, RunState.PARKED, "it waits")
        resume = f"/v1/runs/{run.run_id}/resume"
        found = [await status(house, "POST", resume, {}, token) for token in (ANN, BOB)]
        assert found == [403, 200]

    with_operators(main)
