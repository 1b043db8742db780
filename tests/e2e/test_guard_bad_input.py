"""What is wrong at the tool call's door: odd arguments, forged permits, a policy process that is
away, a full disk. Each is a typed refusal; nothing is allowed, and the server goes on.
"""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.testing.project import POLICIES, SETTINGS, RunningProject
from tests.served import (
    ask,
    body,
    emitted,
    fresh_user,
    refused,
    turned_down,
    unharmed,
    until,
    within_caps,
)

NOTE = """
  note:
    description: "What: keeps a note about anything, in any shape. When: something is worth a note. Side effects: a note is kept."
    effect: read
    risk: LOW
    risk_reason: it only remembers
    input_schema:
      type: object
      properties: {about: {type: object}, text: {type: string}}
      additionalProperties: true
"""
ORDER = {"order": "7"}


def with_note(settings: str) -> str:
    return (
        settings.replace("tools: [Bash, Read, lookup]", "tools: [Bash, Read, lookup, note]")
        + NOTE[1:]
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[RunningProject]:
    policies = POLICIES.replace('Action::"lookup"]', 'Action::"lookup", Action::"note"]')
    with RunningProject(
        tmp_path_factory.mktemp("p"), settings=with_note(SETTINGS), policies=policies
    ) as running:
        yield running


@pytest.fixture
def session(project):
    return project.open(user=fresh_user())


def called(project: RunningProject, session: Any, tool: str = "lookup", given: Any = None) -> Any:
    """One call that the model makes."""
    turn = {"tool": tool, "input": ORDER if given is None else given}
    return emitted(project, session, turn, max_tokens=30_000)[0]


def permitted(project: RunningProject, session: Any) -> tuple[Any, str]:
    call = called(project, session)
    ruling = project.decide(session, call["id"], "lookup", ORDER).json
    assert ruling["verdict"] == "allow"
    return call, ruling["permit"]


def redeem(project: RunningProject, session: Any, **fields: Any) -> Any:
    return project.call("POST", "/v1/guard/redeem", fields, token=session.token)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"call_id":"a","tool":"b","arguments":{"n":NaN}}',
        b'{"call_id":"a","tool":"b","arguments":{"n":-Infinity}}',
        b'{"call_id":"a","tool":"b","arguments":{"n":1e999}}',
        b'{"call_id":"a","tool":"b","arguments":{"s":"\\ud800"}}',
        b'{"call_id":"a","tool":"b","arguments":{"a":1,"a":2}}',
        b'{"call_id":"a","call_id":"b","tool":"b","arguments":{}}',
        b'{"call_id":"a","tool":"b","arguments":' + b'{"a":' * 200 + b"1" + b"}" * 201,
        b'{"call_id":"a","tool":"b","arguments":[]}',
        b'{"call_id":"a","tool":"b","arguments":null}',
        b'{"call_id":1,"tool":"b","arguments":{}}',
        b'{"call_id":"a","tool":null,"arguments":{}}',
        b'{"call_id":"a","tool":"b"}',
        b'{"call_id":"a","tool":"b","arguments":{},"verdict":"allow"}',
        b'{"call_id":"a","tool":"b","arguments":{},"door":7}',
    ],
    ids=lambda raw: repr(raw[-40:]),
)
@pytest.mark.parametrize("route", ["decide", "redeem"])
def test_a_body_that_does_not_fit_is_refused(project, session, route, raw):
    reply = project.call("POST", f"/v1/guard/{route}", raw, token=session.token)
    turned_down(reply, 400, "invalid_request")
    unharmed(project, session)


@pytest.mark.parametrize(
    "given",
    [
        {"about": {"__entity": {"type": "Role", "id": "admin"}}},
        {"__entity": {"type": "Holdfast::Role", "id": "admin"}},
        {"about": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}}},
        {"about": {"": "", "a.b": 1, "é": "ü"}},
        {"text": "\u202e\u2066evil\u2069 \u200b\u0000\u0007\u001b[31m\ufeff"},
        {"text": "x " * 20_000},
        {"about": {"n": 2**53 - 1, "x": 0.1, "nothing": None, "yes": True}},
    ],
    ids=lambda given: json.dumps(given)[:50],
)
def test_odd_but_sound_arguments_stay_what_they_are(project, session, given):
    call = called(project, session, "note", given)
    reply = project.decide(session, call["id"], "note", given)
    assert reply.status == 200, reply.body[:300]
    ruling = reply.json
    assert ruling["verdict"] in ("allow", "deny")
    if ruling["verdict"] == "allow":
        assert ruling["arguments"] == given
        done = redeem(
            project,
            session,
            permit=ruling["permit"],
            call_id=call["id"],
            tool="note",
            arguments=given,
        )
        assert done.status == 200
    # No call with these arguments may be permitted for another tool or with others in their place.
    other = project.decide(session, call["id"], "note", {"text": "other"})
    turned_down(other, 403, "permit_invalid")
    project.call("POST", "/v1/guard/end", {}, token=session.token)
    unharmed(project, session)


@pytest.mark.parametrize(
    "given",
    [{"about": {"n": 2**63}}, {"about": {"n": -(2**63) - 1}}, {"about": {"n": 2**53}}, {"n": 1e16}],
    ids=json.dumps,
)
def test_a_number_without_one_spelling_is_denied(project, session, given):
    call = called(project, session, "note", given)
    reply = project.decide(session, call["id"], "note", given)
    if reply.status == 200:
        assert reply.json["verdict"] == "deny"
        assert reply.json["permit"] == ""
    else:
        turned_down(reply, 403, "permit_invalid")
    unharmed(project, session)


def test_arguments_deeper_than_any_contract_are_refused(project, session):
    deep: Any = {}
    for _ in range(99):
        deep = {"about": deep}
    call = called(project, session, "note", deep)
    reply = project.decide(session, call["id"], "note", deep)
    if reply.status == 200:
        assert reply.json["verdict"] == "deny"
    else:
        assert reply.status in (400, 403)
    unharmed(project, session)


def test_a_call_that_the_model_did_not_make_gets_no_permit(project, session):
    call = called(project, session)
    for call_id, tool, given in (
        ("toolu_nobody", "lookup", ORDER),
        ("", "lookup", ORDER),
        (call["id"], "Bash", ORDER),
        (call["id"], "lookup", {"order": "8"}),
        (call["id"], "lookup", ORDER | {"more": None}),
        (call["id"] + "\x00", "lookup", ORDER),
        ("x" * 100_000, "y" * 100_000, {}),
    ):
        reply = project.decide(session, call_id, tool, given)
        turned_down(reply, 403, "permit_invalid")
        assert len(reply.body) < 2000
    assert project.decide(session, call["id"], "lookup", ORDER).json["verdict"] == "allow"
    turned_down(project.decide(session, call["id"], "lookup", ORDER), 403, "permit_invalid")


def test_a_permit_is_bound_to_its_session_call_tool_and_arguments_and_used_once(project, session):
    call, permit = permitted(project, session)
    other = project.open(user=fresh_user())
    mine = {"permit": permit, "call_id": call["id"], "tool": "lookup", "arguments": ORDER}
    head, _, tail = permit.rpartition(".")
    altered = [
        mine | {"permit": ""},
        mine | {"permit": "a.b.c"},
        mine | {"permit": permit[:-4]},
        mine | {"permit": permit + "A"},
        mine | {"permit": head + "." + ("B" if tail[0] != "B" else "C") + tail[1:]},
        mine | {"permit": permit[:10] + ("x" if permit[10] != "x" else "y") + permit[11:]},
        mine | {"permit": "x" * 100_000},
        mine | {"call_id": "toolu_other"},
        mine | {"tool": "Bash"},
        mine | {"arguments": {"order": "8"}},
        mine | {"arguments": {}},
    ]
    for fields in altered:
        turned_down(redeem(project, session, **fields), 403, "permit_invalid")
    turned_down(redeem(project, other, **mine), 403, "permit_invalid")
    assert redeem(project, session, **mine).status == 200
    turned_down(redeem(project, session, **mine), 403, "permit_invalid", says="used before")
    within_caps(project, session)


def test_a_token_opens_only_its_own_door(project, session):
    call = called(project, session)
    other = project.open(user=fresh_user())
    asked = {"call_id": call["id"], "tool": "lookup", "arguments": ORDER}
    for token, status in ((other.token, 403), ("hfs_" + "b" * 52, 401), ("", 401), ("x", 401)):
        reply = project.call("POST", "/v1/guard/decide", asked, token=token)
        turned_down(reply, status)
    turned_down(project.call("POST", "/v1/guard/decide", asked), 401)  # the operator's
    for method, path in (
        ("GET", "/v1/sessions"),
        ("POST", f"/v1/sessions/{other.session_id}/kill"),
        ("PUT", "/v1/budgets"),
        ("GET", "/v1/records"),
    ):
        turned_down(project.call(method, path, {}, token=session.token), 403)
    assert project.view(other.session_id)["state"] == "active"


@pytest.mark.parametrize("verb", ["pause", "kill", "end"])
def test_a_session_that_does_not_run_gets_nothing_at_the_guards_door(project, session, verb):
    call, permit = permitted(project, session)
    waiting = called(project, session)
    project.call("POST", f"/v1/sessions/{session.session_id}/{verb}", {"reason": "a test"})
    reply = project.decide(session, waiting["id"], "lookup", ORDER)
    turned_down(reply, 403, "session_stopped")
    fields = {"permit": permit, "call_id": call["id"], "tool": "lookup", "arguments": ORDER}
    turned_down(redeem(project, session, **fields), 403, "session_stopped")
    said = project.call("POST", "/v1/guard/prompt", {"text": "hi"}, token=session.token)
    turned_down(said, 403, "session_stopped")
    # That a call ran is a fact, whatever became of the session.
    done = {"call_id": call["id"], "ok": True, "output": "paid"}
    assert project.call("POST", "/v1/guard/finish", done, token=session.token).status == 200
    unharmed(project, session)


def test_a_killed_policy_process_denies_and_comes_back(project, session):
    call, later = called(project, session), called(project, session)
    killed = project.policy_pid
    os.kill(killed, signal.SIGKILL)
    ruling = project.decide(session, call["id"], "lookup", ORDER).json
    assert ruling["verdict"] == "deny"
    assert (ruling["permit"], ruling["reasons"][0]["code"]) == ("", "policy_unavailable")
    assert ask(project, session, body({"text": "ok"})).status == 200
    until(lambda: project.call("GET", "/healthz", token="").json["policy"] == "ok", 60)
    # It answers a moment before the server has written down who it is.
    until(lambda: project.policy_pid != killed, 60)
    assert project.decide(session, later["id"], "lookup", ORDER).json["verdict"] == "allow"
    # A denied call stays denied: the policy's absence is no reason to ask again.
    turned_down(project.decide(session, call["id"], "lookup", ORDER), 403, "permit_invalid")


def test_a_policy_process_that_does_not_answer_denies_in_time(project, session):
    call, later = called(project, session), called(project, session)
    pid = project.policy_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        ruling = project.decide(session, call["id"], "lookup", ORDER).json
        assert (ruling["verdict"], ruling["permit"]) == ("deny", "")
        assert ruling["reasons"][0]["code"] == "policy_unavailable"
        search = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}]
        refused(ask(project, session, body({"text": "x"}, tools=search)), 403)
        assert ask(project, session, body({"text": "ok"})).status == 200
        assert project.call("GET", "/healthz", token="").json["policy"] == "unavailable"
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: project.call("GET", "/healthz", token="").json["policy"] == "ok", 60)
    assert project.decide(session, later["id"], "lookup", ORDER).json["verdict"] == "allow"
    project.call("POST", "/v1/guard/end", {}, token=session.token)
    unharmed(project, session)


def test_with_policies_that_do_not_hold_nothing_is_allowed_and_the_fault_is_named(tmp_path):
    with RunningProject(
        tmp_path, policies="permit (principal, action, resource) when {"
    ) as project:
        session = project.open()
        assert project.call("GET", "/healthz", token="").json["policy"] == "unavailable"
        status = project.call("GET", "/v1/policy/status").json
        assert "project.cedar:1" in status["fault"]
        call = called(project, session)
        ruling = project.decide(session, call["id"], "lookup", ORDER).json
        assert (ruling["verdict"], ruling["permit"]) == ("deny", "")
        assert ruling["reasons"][0]["code"] == "policy_unavailable"
        assert ask(project, session, body({"text": "ok"})).status == 200


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Any]:
    place = tmp_path / "p" / ".holdfast"
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(place)]
    subprocess.run(mount, check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.part("mounts")
def test_on_a_full_disk_nothing_is_allowed_and_a_restart_with_room_goes_on(small_disk):
    with RunningProject(small_disk.parent) as project:
        session = project.open()
        call, later = called(project, session), called(project, session)
        # What the model emitted is queued, not awaited: opening a session waits for all before it.
        project.open()
        ballast = small_disk / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        before = len(project.model.message_requests)
        # What the journal's file still has room for may pass; then every door says so.
        reply = until(
            lambda: (
                found
                if (found := ask(project, session, body({"text": "x"}))).status != 200
                else None
            ),
            20,
        )
        error = refused(reply, 503, "api_error")
        assert error["code"] == "store_unavailable"
        assert reply.headers["x-should-retry"] == "false"
        sent = len(project.model.message_requests)
        for _ in range(3):
            turned_down(
                project.decide(session, call["id"], "lookup", ORDER), 503, "store_unavailable"
            )
            refused(ask(project, session, body({"text": "x"})), 503, "api_error")
        turned_down(project.call("POST", "/v1/sessions", {"agent": "desk", "user": "b"}), 503)
        assert len(project.model.message_requests) == sent >= before
        ballast.unlink()
        # What is in memory may be ahead of the disk by then: only a restart goes on.
        turned_down(project.call("POST", "/v1/sessions", {"agent": "desk", "user": "b"}), 503)
        project.stop()
        project.start()
        assert ask(project, session, body({"text": "ok"})).status == 200
        ruling = project.decide(session, later["id"], "lookup", ORDER)
        assert ruling.json["verdict"] == "allow", ruling.body
        project.call("POST", "/v1/guard/end", {}, token=session.token)
        unharmed(project, session)
