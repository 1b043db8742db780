"""Spans of the running server, at a receiver of their own: one for every call, one tree a session."""

import signal
import time
from typing import Any

import pytest

from holdfast.testing.project import SETTINGS, NotStarted, Opened, RunningProject
from tests.served import answered, ask, emitted, fresh_user, result, unharmed
from tests.span_receiver import Receiver, attributes

KEY = "receiver-key-0123456789"


def settings(url, more=""):
    return f'{SETTINGS}telemetry: {{otlp_endpoint: "{url}"{more}}}\n'


def look(order):
    return {"tool": "lookup", "input": {"order": order}}


def decided(project: RunningProject, session: Opened, block) -> str:
    verdict: str = project.decide(session, block["id"], block["name"], block["input"]).json[
        "verdict"
    ]
    return verdict


def finish(project: RunningProject, session: Opened, block, **fields):
    done = {"call_id": block["id"], "ok": True, "output": "hi", "duration_ms": 7} | fields
    reply = project.call("POST", "/v1/guard/finish", done, token=session.token)
    assert reply.status == 200, reply.body


def a_run(project: RunningProject) -> tuple[Opened, list]:
    """One call of every fate: done, failed, denied, known by its result, never asked for; then one
    that still runs when the session is killed."""
    session = project.open(user=fresh_user())
    deadly = {"tool": "Bash", "input": {"command": "rm -rf /"}}
    blocks = emitted(project, session, look("a"), look("b"), deadly, look("d"), look("e"))
    verdicts = [decided(project, session, block) for block in blocks[:4]]
    assert verdicts == ["allow", "allow", "deny", "allow"]
    finish(project, session, blocks[0])
    finish(project, session, blocks[1], ok=False, output=None, error="no such order")
    results = [
        *(result(blocks[n]["id"]) for n in (0, 1, 3)),
        *(result(blocks[n]["id"], is_error=True) for n in (2, 4)),
    ]
    request = answered(blocks, *results)
    assert ask(project, session, request).status == 200
    [last] = emitted(project, session, look("f"))
    assert decided(project, session, last) == "allow"
    killed = project.call("POST", f"/v1/sessions/{session.session_id}/kill", {"reason": "odd"})
    assert killed.status == 200
    return session, [*blocks, last]


def check_tree(session: Opened, calls, spans):
    root, *others = sorted(spans, key=lambda span: span.parent_span_id)
    assert root.parent_span_id == b""
    ids = {span.span_id for span in spans}
    assert len(ids) == len(spans)
    assert {span.parent_span_id for span in others} <= ids
    found = {attributes(s)["gen_ai.tool.call.id"]: s for s in spans if "tool.name" in str(s)}
    assert set(found) == {block["id"] for block in calls}
    models = {s.span_id: attributes(s) for s in spans if s.name.startswith("chat")}
    for block in calls:
        span = found[block["id"]]
        values = attributes(span)
        assert models[span.parent_span_id]["holdfast.turn"] == values["holdfast.turn"]
        assert values["holdfast.session"] == session.session_id
    fates = [attributes(found[block["id"]]).get("error.type", "") for block in calls]
    assert fates[:2] == ["", "tool_error"]
    assert fates[2] not in ("", "tool_error")
    assert fates[3:] == ["", "never_ran", "unreported"]
    assert len(models) == 3
    for values in models.values():
        assert values["gen_ai.usage.output_tokens"] > 0
        assert values["gen_ai.response.finish_reasons"]
        assert values["holdfast.success"] is True


def test_every_call_of_a_run_has_exactly_one_span_in_the_tree_of_its_session(tmp_path):
    environment = {"SPANS_HEADERS": f"x-key={KEY}"}
    with Receiver() as receiver:
        chosen = settings(receiver.url, ", headers_env: SPANS_HEADERS")
        with RunningProject(tmp_path, settings=chosen, environment=environment) as project:
            runs = [a_run(project) for _ in range(3)]
            assert project.stop() == 0
            log = project.said()
    assert "Traceback" not in log
    assert "not delivered" not in log
    traces: dict[bytes, list] = {}
    for span in receiver.spans:
        traces.setdefault(span.trace_id, []).append(span)
    assert len(traces) == len(runs)
    by_session = {attributes(spans[0])["holdfast.session"]: spans for spans in traces.values()}
    for session, calls in runs:
        check_tree(session, calls, by_session[session.session_id])
    assert {headers["x-key"] for headers in receiver.headers} == {KEY}


def test_a_receiver_that_is_away_changes_nothing_for_the_server(tmp_path):
    with Receiver() as gone:
        url = gone.url
    with RunningProject(tmp_path, settings=settings(url)) as project:
        session, _ = a_run(project)
        assert len(project.records(session=session.session_id, kind="tool_call.decided")) == 5
        unharmed(project, session)
        assert project.stop() == 0
        assert "spans cannot be delivered" in project.said()


def test_headers_that_are_not_in_the_environment_are_told_at_the_start(tmp_path):
    chosen = settings("http://127.0.0.1:4318/v1/traces", ", headers_env: NOT_SET_ANYWHERE")
    project = RunningProject(tmp_path, settings=chosen)
    try:
        with pytest.raises(NotStarted, match="`NOT_SET_ANYWHERE`"):
            project.start()
    finally:
        project.close()


def test_calls_that_lived_over_a_crash_or_died_in_a_kill_have_whole_spans_at_once(tmp_path):
    with (
        Receiver() as receiver,
        RunningProject(tmp_path, settings=settings(receiver.url)) as project,
    ):
        session = project.open(user=fresh_user())
        blocks = emitted(project, session, look("a"), look("b"), look("c"))
        assert [decided(project, session, block) for block in blocks] == ["allow"] * 3

        def told(count):
            """The spans of calls, once there are so many; within two seconds."""
            found: list[Any] = []
            end = time.monotonic() + 2
            while time.monotonic() < end and len(found) < count:
                time.sleep(0.02)
                found = [s for s in receiver.spans if s.name.startswith("execute_tool")]
            return {attributes(span)["gen_ai.tool.call.id"]: span for span in found}

        for count, done in enumerate(blocks[:2], 1):
            project.stop(signal.SIGKILL)
            project.start()
            finish(project, session, done, ok=done is blocks[0], error="on fire", output="hi")
            assert told(count).keys() == {block["id"] for block in blocks[:count]}
        project.stop(signal.SIGKILL)
        project.start()
        killed = project.call("POST", f"/v1/sessions/{session.session_id}/kill", {"reason": "odd"})
        assert killed.status == 200
        found = told(3)
        root = [span for span in receiver.spans if span.name.startswith("invoke_agent")]
    assert len(root) == 1
    fates = [attributes(found[block["id"]]).get("error.type", "") for block in blocks]
    assert fates == ["", "tool_error", "unreported"]
    for span in found.values():
        assert span.name == "execute_tool lookup"
        assert span.trace_id == root[0].trace_id
        values = attributes(span)
        assert (values["holdfast.session"], values["holdfast.agent"]) == (
            session.session_id,
            "desk",
        )
        assert (values["holdfast.verdict"], values["gen_ai.tool.name"]) == ("allow", "lookup")
        assert root[0].start_time_unix_nano <= span.start_time_unix_nano
