"""The turn record of a scripted run, as an operator reads it: over the client and the command."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from holdfast.apps.cli.main import app
from holdfast.client import connect
from holdfast.testing.project import RunningProject
from tests.served import answered, ask, emitted, fresh_user, result, until, usd

LOOK = {"tool": "lookup", "input": {"order": "A1"}}
DEADLY = {"tool": "Bash", "input": {"command": "rm -rf /"}}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with RunningProject(tmp_path_factory.mktemp("turns")) as running:
        yield running


def a_run(project):
    """Two turns: one call that runs, one that is denied, then the answer."""
    session = project.open(user=fresh_user())
    asked = {"text": "where is A1?"}
    assert project.call("POST", "/v1/guard/prompt", asked, token=session.token).status == 200
    look, deadly = emitted(project, session, LOOK, DEADLY)
    for block in (look, deadly):
        project.decide(session, block["id"], block["name"], block["input"])
    done = {"call_id": look["id"], "ok": True, "output": {"state": "sent"}, "duration_ms": 12}
    assert project.call("POST", "/v1/guard/finish", done, token=session.token).status == 200
    results = [result(look["id"], "sent"), result(deadly["id"], "no", is_error=True)]
    assert ask(project, session, answered([look, deadly], *results)).status == 200
    # The answer does not wait for its record.
    which = {"session": session.session_id, "kind": "model_call.settled"}
    until(lambda: len(project.records(**which)) == 2)
    return session


def test_the_turns_of_a_run_say_what_was_asked_decided_done_and_paid(project):
    session = a_run(project)

    async def read():
        async with connect(url=project.url, token=project.admin_token) as client:
            return await client.sessions.turns(session.session_id)

    first, look, deadly, last = asyncio.run(read())
    assert [row.turn for row in (first, look, deadly, last)] == [1, 1, 1, 2]
    assert (first.kind, first.input, first.outcome) == ("model", "where is A1?", "tool_use")
    assert (look.tool, look.input, look.output) == ("lookup", '{"order":"A1"}', '{"state":"sent"}')
    assert (look.approved, look.outcome, look.ms, look.risk) == (True, "done", 12, "LOW")
    assert (deadly.tool, deadly.approved, deadly.verdict) == ("Bash", False, "deny")
    assert deadly.outcome.startswith("refused: ")
    assert (last.kind, last.outcome) == ("model", "end_turn")
    assert min(first.output_tokens, last.output_tokens, first.input_tokens) > 0
    assert (
        sum(row.cost_nusd for row in (first, look, deadly, last))
        == usd(project, session)["settled"]
    )


def test_the_command_prints_a_row_a_call_for_people_and_for_programs(project):
    session = a_run(project)
    words = ["sessions", "show", session.session_id, "--turns", "-C", str(project.folder)]
    told = CliRunner().invoke(app, [*words, "--json"])
    assert told.exit_code == 0, told.output
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert [(row["turn"], row["kind"]) for row in rows] == [
        (1, "model"),
        (1, "tool"),
        (1, "tool"),
        (2, "model"),
    ]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert len([line for line in lines if " lookup " in line and " yes " in line]) == 1
    assert len([line for line in lines if " Bash " in line and " no " in line]) == 1


def test_a_session_without_turns_says_so(project):
    session = project.open(user=fresh_user())
    words = ["sessions", "show", session.session_id, "--turns", "-C", str(project.folder)]
    assert CliRunner().invoke(app, words).stdout == "no turns\n"
