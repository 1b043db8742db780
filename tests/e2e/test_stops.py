"""Parts of the fleet stopped on a real server: while they stream, over `kill -9`, at relays, typed.

Not here: which session is within which part (`tests/unit/core/test_stops`), orders of stops
(`tests/properties/test_stops_model`).
"""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.testing.project import SETTINGS, Opened, RunningProject
from tests.e2e.test_kill import is_dead, streaming
from tests.e2e.test_relays import settings as relayed
from tests.served import Reader, ask, body, ends_as_if_max_tokens, refused, unharmed, until

# Servers are killed under clients, who leave what they had to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
TENANTS = """
  acme: {projects: {shop: {}, "shop-2": {}}, users: {"*": {roles: [support]}}}
  acme2: {projects: {shop: {}}, users: {"*": {roles: [support]}}}
"""
ODD = "<'&\">"
SHOP = {"tenant": "acme", "project": "shop"}


def _settings() -> str:
    head, _, rest = SETTINGS.partition("tenants:")
    below = rest.split("\n", 1)[1]
    kept = [line for line in below.splitlines() if line and not line.startswith(" ")]
    after = below[below.index(kept[0]) :] if kept else ""
    return f"{head}tenants:{TENANTS}{after}"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[RunningProject]:
    with RunningProject(tmp_path_factory.mktemp("p"), settings=_settings()) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_stands(project):
    """Whatever a test stopped goes on for the next one."""
    yield
    for stop in project.call("GET", "/v1/stops").json["stops"]:
        part = {name: stop.get(name, "") for name in ("tenant", "project", "user", "agent")}
        act(project, "resume", part if any(part.values()) else {"everything": True})


def act(project: RunningProject, verb: str, part: dict[str, Any]) -> dict[str, Any]:
    reply = project.call("POST", f"/v1/stops/{verb}", part, timeout_s=60)
    assert reply.status == 200, reply.body
    receipt: dict[str, Any] = reply.json
    assert all(one["ok"] for one in receipt["sessions"]), receipt
    return receipt


def held(project: RunningProject, session: Opened, says: str) -> None:
    """Neither the model nor a tool, and the refusal says what holds it."""
    refused(ask(project, session, body({"text": "x"})), 403, "permission_error", says=says)
    reply = project.decide(session, "toolu_x", "lookup", {"order": "7"})
    assert (reply.status, says in reply.body.decode()) == (403, True), reply.body


def shop(house: RunningProject, user: str = "ann", **more: str) -> Opened:
    return house.open(user=user, **{"tenant": "acme", "project": "shop"} | more)


def test_a_paused_project_is_quiet_and_its_neighbours_are_not_touched(project):
    mine = [shop(project), shop(project, ODD)]
    others = [
        shop(project, project="shop-2"),
        shop(project, tenant="acme2"),
    ]
    began_s = time.monotonic()
    receipt = act(project, "pause", SHOP | {"reason": "an incident"})
    assert time.monotonic() - began_s < 1
    assert {one["session_id"] for one in receipt["sessions"]} >= {s.session_id for s in mine}
    says = "project acme/shop is paused by admin: an incident"
    for session in mine:
        held(project, session, says)
    for session in others:
        unharmed(project, session)
    asked = {"agent": "desk", "user": "bob", **SHOP}
    opened = project.call("POST", "/v1/sessions", asked)
    assert (opened.status, says in opened.body.decode()) == (403, True)
    act(project, "resume", SHOP)
    for session in mine:
        unharmed(project, session)


@pytest.mark.parametrize("verb", ["pause", "kill"])
def test_a_stop_outlives_kill_dash_nine_and_the_next_server_lifts_it(project, verb):
    user = f"{ODD}{verb}"
    part = {"tenant": "acme", "user": user}
    mine, other = shop(project, user), shop(project)
    act(project, verb, part)
    project.stop(signal.SIGKILL)
    project.start()
    (stop,) = project.call("GET", "/v1/stops").json["stops"]
    assert (stop["kind"], stop["user"], stop["sessions"]) == (verb, user, int(verb == "pause"))
    if verb == "pause":
        held(project, mine, "pause in acme is paused by admin")
    else:
        is_dead(project, mine)
    opened = project.call("POST", "/v1/sessions", {"agent": "desk", "user": user, **SHOP})
    assert opened.status == 403
    unharmed(project, other)
    act(project, "resume", part)
    unharmed(project, shop(project, user))
    if verb == "pause":
        unharmed(project, mine)


def test_a_server_killed_in_the_middle_of_a_kill_of_many_finishes_it(project):
    sessions = [shop(project, f"u{n}") for n in range(60)]
    other = shop(project, project="shop-2")
    with contextlib.closing(project.connection()) as line:
        told = {
            "authorization": f"Bearer {project.admin_token}",
            "content-type": "application/json",
        }
        line.request("POST", "/v1/stops/kill", json.dumps(SHOP), told)
        time.sleep(0.01)
        project.stop(signal.SIGKILL)
    project.start()
    stops = project.call("GET", "/v1/stops").json["stops"]
    states = {project.view(one.session_id)["state"] for one in sessions}
    # Either nothing of it was durable, or all of it holds.
    assert states == ({"killed"} if stops else {"active"})
    unharmed(project, other)


def test_a_killed_user_loses_streams_and_cannot_release_itself(project):
    ann, bob = shop(project), shop(project, "bob")
    mine, other = streaming(project, ann), streaming(project, bob)
    receipt = act(project, "kill", {"tenant": "acme", "user": "ann"})
    levers = {lever["lever"] for lever in receipt["kills"][-1]["levers"]}
    assert levers >= {"refuse", "streams", "journal", "processes"}
    ends_as_if_max_tokens(mine.whole())
    is_dead(project, ann)
    had = len(other.seen)
    until(lambda: len(other.seen) > had)
    for path, given in (
        ("/v1/stops/resume", {"tenant": "acme", "user": "ann"}),
        ("/v1/stops/pause", {"everything": True}),
        (f"/v1/sessions/{ann.session_id}/resume", {}),
        ("/v1/sessions", {"agent": "desk", "user": "ann", **SHOP}),
    ):
        assert project.call("POST", path, given, token=ann.token).status == 403
    act(project, "kill", {"everything": True})
    other.whole()


def test_relays_refuse_what_is_paused_and_lose_what_is_killed(tmp_path):
    with RunningProject(tmp_path, settings=relayed(2)) as project:
        mine, other = project.open(user="ann"), project.open(user="bob")
        request = body({"words": 5000, "pacing": {"event_interval_ms": 10}}, stream=True)
        reader = Reader(project, mine, request | {"max_tokens": 8000}, project.model_url)
        until(lambda: len(reader.seen) > 800)
        act(project, "pause", {"user": "ann"})
        says = "is paused by admin"
        later = ask(project, mine, body({"text": "x"}), url=project.model_url)
        refused(later, 403, "permission_error", says=says)
        had = len(reader.seen)
        until(lambda: len(reader.seen) > had)
        receipt = act(project, "kill", {"user": "ann"})
        (killed,) = receipt["kills"]
        assert "1 streams cut" in {lever["detail"] for lever in killed["levers"]}
        reader.whole()
        answer = ask(project, other, body({"text": "x"}), url=project.model_url)
        assert answer.status == 200


def cli(project: RunningProject, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "holdfast.apps.cli.main", *words, "-C", str(project.folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def typed(project: RunningProject, answer: str, *words: str) -> tuple[int, str]:
    """The command on a terminal, where somebody types; its exit code, and all that was shown."""
    command = [sys.executable, "-m", "holdfast.apps.cli.main", *words, "-C", str(project.folder)]
    near, far = pty.openpty()
    child = subprocess.Popen(command, stdin=far, stdout=far, stderr=far, close_fds=True)
    os.close(far)
    shown, sent = b"", False
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        ready, _, _ = select.select([near], [], [], 0.2)
        if ready:
            try:
                shown += os.read(near, 4096)
            except OSError:
                break
        if b"to go on" in shown and not sent:
            sent = True
            os.write(near, f"{answer}\n".encode())
        if not ready and child.poll() is not None:
            break
    os.close(near)
    return child.wait(60), shown.decode()


def test_more_than_one_at_a_time_is_typed_on_a_terminal_and_said_in_a_script(project):
    sessions = [shop(project), shop(project)]
    words = ("sessions", "pause", "--tenant", "acme", "--project-name", "shop")
    silent = cli(project, *words)
    assert (silent.returncode, "say --yes" in silent.stderr) == (2, True)
    code, shown = typed(project, "y", *words)
    assert (code, "nothing was done" in shown) == (2, True), shown
    assert project.view(sessions[0].session_id)["state"] == "active"
    code, shown = typed(project, "shop", *words)
    assert (code, "project acme/shop is paused" in shown) == (0, True), shown
    assert {project.view(one.session_id)["state"] for one in sessions} == {"paused"}
    listed = cli(project, "stops", "list", "--json")
    assert json.loads(listed.stdout)["what"] == "project acme/shop"
    assert "project acme/shop" in cli(project, "stops", "list").stdout
    shown = cli(project, "sessions", "show", sessions[0].session_id).stdout
    assert "held     project acme/shop is paused by admin" in shown
    done = cli(project, *("sessions", "resume", *words[2:]), "--yes")
    assert (done.returncode, "go on" in done.stdout) == (0, True), done.stderr
    assert cli(project, "stops", "list").stdout.strip() == "nothing is held"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "name one session, or a part"),
        (("ses_x", "--all"), "name one session, or a part"),
        (("--all", "--user", "ann"), "name one session, or a part"),
        (("--user", "ann"), "a project or a user is of a tenant"),
        (("--tenant", "acm", "--yes"), "did you mean `acme`"),
    ],
)
def test_what_names_nothing_or_too_much_stops_nobody(project, words, says):
    for verb in ("pause", "kill"):
        done = cli(project, "sessions", verb, *words)
        assert (done.returncode != 0, says in done.stderr) == (True, True), done.stderr
    assert project.call("GET", "/v1/stops").json["stops"] == []
