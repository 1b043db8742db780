"""A hard stop waits for a person: only a named approver lets what was stopped go on."""

import json
import signal
import stat

import pytest

from holdfast.testing.project import SETTINGS as DESK
from holdfast.testing.project import RunningProject
from tests.native_project import SETTINGS, NativeProject, calls, script

PARKING = SETTINGS.replace(
    "retries: {base_s: 0.02, most_s: 0.1}",
    "retries: {on_budget: park}\n    approvers: [ann]",
)


def add(project: RunningProject, name: str) -> str:
    reply = project.call("POST", "/v1/operators", {"name": name})
    assert reply.status == 200, reply.body
    token: str = reply.json["token"]
    return token


def raised(project, run, token, limit=2_000_000_000):
    body = {
        "scope": "session",
        "owner": f"acme/{run['session']}",
        "dimension": "usd",
        "window": "life",
        "limit": limit,
        "reason": "it is worth it",
    }
    return project.call("PUT", "/v1/budgets", body, token=token)


@pytest.fixture(scope="module")
def parked(tmp_path_factory):
    """A run that a spent cap parked, with operators ann and bob."""
    folder = tmp_path_factory.mktemp("parked")
    with NativeProject(folder, script(pay=calls(("pay", "o1"))), settings=PARKING) as house:
        house.worker()
        run = house.submit("pay", user="carol", limits={"usd": "0.001"})
        stopped = house.until(run, "parked", "done", "failed", "dead")
        assert stopped["state"] == "parked"
        assert stopped["reason"].startswith("budget_exceeded: ")
        yield house, run, {name: add(house.project, name) for name in ("ann", "bob")}


@pytest.mark.parametrize(
    "path", ["runs/{}/resume", "dlq/{}/redrive", "runs/{}/fork", "budgets", "sessions"]
)
@pytest.mark.parametrize("who", ["bob", "admin"])
def test_who_is_no_approver_lets_nothing_go_on_and_the_try_is_journalled(parked, path, who):
    house, run, tokens = parked
    token = tokens.get(who, house.project.admin_token)
    before = len(house.project.records(session=run["session"], kind="auth.refused"))
    if path == "budgets":
        reply = raised(house.project, run, token)
    elif path == "sessions":
        house.project.call("POST", f"/v1/sessions/{run['session']}/pause", {})
        reply = house.project.call("POST", f"/v1/sessions/{run['session']}/resume", {}, token=token)
    else:
        body = {"turn": 1} if "fork" in path else {}
        reply = house.project.call("POST", f"/v1/{path.format(run['run_id'])}", body, token=token)
    assert (reply.status, reply.json["error"]["code"]) == (403, "approver_required")
    assert house.show(run)["state"] == "parked"
    refused = house.project.records(session=run["session"], kind="auth.refused")[before:]
    assert [r["body"]["by"] for r in refused] == [who]


def test_only_the_admin_names_operators(parked):
    house, _, tokens = parked
    for path, body in (("", {"name": "eve"}), ("/ann/remove", {})):
        reply = house.project.call("POST", f"/v1/operators{path}", body, token=tokens["bob"])
        assert (reply.status, reply.json["error"]["code"]) == (403, "permission_denied")
    names = [o["name"] for o in house.project.call("GET", "/v1/operators").json["operators"]]
    assert names == ["ann", "bob"]


@pytest.mark.parametrize("name", ["admin", "ann"])
def test_a_name_belongs_to_one(parked, name):
    house, _, _ = parked
    assert house.project.call("POST", "/v1/operators", {"name": name}).status == 409


def test_tokens_are_kept_as_digests_for_the_owner_alone(parked):
    house, _, tokens = parked
    path = house.project.state / "operators.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not any(token in path.read_text() for token in tokens.values())
    assert [o["name"] for o in json.loads(path.read_text())["operators"]] == ["ann", "bob"]


def test_an_operators_token_acts_for_no_session(parked):
    house, _, tokens = parked
    reply = house.project.call("GET", "/v1/guard/history", token=tokens["ann"])
    assert (reply.status, reply.json["error"]["code"]) == (401, "unauthenticated")


def test_the_named_approver_lets_it_go_on_under_their_own_name(parked):
    house, run, tokens = parked
    house.project.call("POST", f"/v1/sessions/{run['session']}/pause", {})
    resumed = house.project.call(
        "POST", f"/v1/sessions/{run['session']}/resume", {}, token=tokens["ann"]
    )
    assert resumed.status == 200, resumed.body
    house.until(run, "parked")
    # Lowering a cap lets nothing go on, so anybody may.
    assert raised(house.project, run, tokens["bob"], 500_000).status == 200
    assert raised(house.project, run, tokens["ann"]).status == 200
    reply = house.project.call(
        "POST", f"/v1/runs/{run['run_id']}/resume", {"reason": "go"}, token=tokens["ann"]
    )
    assert reply.status == 200, reply.body
    assert house.until(run, "done", "failed", "dead")["state"] == "done"
    acted = house.project.records(session=run["session"], kind="admin.acted")
    by_ann = [r["body"]["action"] for r in acted if r["body"]["by"] == "ann"]
    assert by_ann == ["session.resume", "budget.set", "run.resume"]
    assert len(house.acts("pay")) == 1


def test_a_parked_run_asks_its_approver_and_goes_on_by_itself_over_a_kill_of_the_server(tmp_path):
    with NativeProject(tmp_path, script(pay=calls(("pay", "o1"))), settings=PARKING) as house:
        house.worker()
        run = house.submit("pay", user="carol", limits={"usd": "0.001"})
        house.until(run, "parked")
        tokens = {name: add(house.project, name) for name in ("ann", "bob")}
        house.project.stop(signal.SIGKILL)
        house.project.start()
        reply = house.project.call("GET", "/v1/approvals?state=pending", token=tokens["ann"])
        (asked,) = reply.json["approvals"]
        assert (asked["tool"], asked["session"]) == ("budget.raise", run["session"])
        path = f"/v1/approvals/{asked['approval_id']}/approve"
        body = {"digest": asked["digest"], "raise_to": 2_000_000_000}
        assert house.project.call("POST", path, body, token=tokens["bob"]).status == 403
        yes = house.project.call("POST", path, body, token=tokens["ann"])
        assert yes.status == 200, yes.body
        assert house.until(run, "done", "failed", "dead")["state"] == "done"
        assert len(house.acts("pay")) == 1


def test_operators_outlive_the_server_and_a_removed_ones_token_opens_nothing(tmp_path):
    with RunningProject(tmp_path, settings=DESK) as project:
        token = add(project, "ann")
        project.stop()
        project.start()
        assert project.call("GET", "/v1/runs", token=token).status == 200
        assert project.call("POST", "/v1/operators/ann/remove", {}).status == 200
        assert project.call("GET", "/v1/runs", token=token).status == 401
        assert project.call("POST", "/v1/operators/ann/remove", {}).status == 404
