"""The command against a server that runs: sessions, budgets, questions, and whole runs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast.apps.cli.demo.script import Words, script
from holdfast.apps.cli.main import app
from holdfast.testing.scripted_model import ScriptedModel

pytestmark = pytest.mark.part("claude-code")

ROOT = Path(__file__).parents[2]
DESK = ROOT / "examples" / "support_desk"
KEY = "sk-ant-scripted"
COMMAND = [sys.executable, "-m", "holdfast.apps.cli.main"]


@pytest.fixture(scope="module")
def model():
    with ScriptedModel(script(), api_keys=frozenset({KEY})) as running:
        yield running


@pytest.fixture(scope="module")
def desk(tmp_path_factory, model):
    """A copy of the support desk whose provider is scripted; no server runs yet."""
    folder = tmp_path_factory.mktemp("cli") / "desk"
    shutil.copytree(DESK, folder, ignore=shutil.ignore_patterns(".holdfast", "__pycache__"))
    with (folder / "holdfast.yaml").open("a") as settings:
        settings.write(f'\nupstreams:\n  anthropic: {{base_url: "{model.url}"}}\n')
    return folder


def environment():
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HOLDFAST_", "ANTHROPIC_"))}
    return {**kept, "ANTHROPIC_API_KEY": KEY, "PYTHONPATH": str(ROOT / "src")}


@pytest.fixture(scope="module")
def served(desk):
    """`holdfast up` in the foreground of a process of its own, stopped by Ctrl-C."""
    up = subprocess.Popen(
        [*COMMAND, "up", "-C", str(desk), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    )
    assert up.stdout is not None
    assert "http://127.0.0.1:" in up.stdout.readline()
    server = json.loads((desk / ".holdfast" / "server.json").read_text())
    yield desk
    up.send_signal(signal.SIGINT)
    assert up.wait(20) == 0
    up.stdout.close()
    assert server["pid"] == up.pid, "`up` must become the server, not stay beside it"
    assert not (desk / ".holdfast" / "server.json").exists()
    assert not Path(f"/proc/{server['policy_pid']}").exists()


def cli(folder, *arguments):
    given = [str(argument) for argument in arguments]
    result = CliRunner().invoke(app, [*given, "-C", str(folder)])
    assert "Traceback" not in result.output
    return result


def cli_json(folder, *arguments):
    result = cli(folder, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def run(folder, *arguments):
    done = subprocess.run(
        [*COMMAND, "run", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=90,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def worked(served):
    """One honest run of ann's; its result as JSON."""
    words = [Words.HONEST, "--agent", "agents/support.yaml", "--user", "ann", "--task", "refunds"]
    done = subprocess.run(
        [*COMMAND, "run", *words, "--json"],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=served,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_run_emits_its_journal_and_ends_with_a_result(worked):
    decided = [
        line["record"]["tool"].removeprefix("mcp__shop__")
        for line in worked
        if line["event"] == "record" and line["record"]["kind"] == "tool_call.decided"
    ]
    assert decided == ["get_ticket", "get_order", "issue_refund", "close_ticket"]
    result = worked[-1]
    assert (result["event"], result["outcome"], result["exit_code"]) == ("result", "done", 0)
    assert result["cost_nusd"] > 0
    assert "refunded" in result["text"]


def test_sessions_are_listed_and_shown(served, worked):
    session = worked[-1]["session_id"]
    listed = cli_json(served, "sessions", "list", "--user", "ann", "--state", "ended")
    assert session in [view["session_id"] for view in listed]
    assert cli_json(served, "sessions", "show", session)[0]["cost_nusd"] == worked[-1]["cost_nusd"]
    assert session in cli(served, "sessions", "list").stdout
    assert "support" in cli(served, "sessions", "show", session).stdout


def test_a_session_nobody_knows_is_a_usage_error(served):
    result = cli(served, "sessions", "show", "ses_none")
    assert result.exit_code == 2
    assert result.stderr.startswith("holdfast: ")


def test_budgets_are_shown_and_set(served, worked):
    session = worked[-1]["session_id"]
    chain = cli_json(served, "budget", "show", "--session", session)
    spent = [a for a in chain if (a["scope"], a["dimension"]) == ("session", "usd")]
    assert spent[0]["settled"] == worked[-1]["cost_nusd"]
    changed = cli_json(served, "budget", "set", "user", "acme/ann", "usd", "hour", "2.50")
    assert changed[0]["limit"] == 2_500_000_000
    shown = cli(served, "budget", "show", "--scope", "user", "--owner", "acme/ann").stdout
    assert "$2.50" in shown


def test_the_journal_answers_in_sentences(served, worked):
    answer = cli_json(served, "audit", "ask", "--user", "ann", "--at", "now", "--window", "2h")[0]
    assert len(answer["lines"]) >= 10
    result = cli(served, "audit", "ask", "--user", "ann", "--at", "now")
    assert "issue_refund" in result.stdout
    assert cli(served, "audit", "ask", "--user", "ann", "--at", "florbsday").exit_code == 2


def test_what_the_server_did_itself_is_told_in_sentences(served):
    assert cli(served, "operators", "add", "mara").exit_code == 0
    assert cli(served, "operators", "remove", "mara").exit_code == 0
    told = cli(served, "audit", "server").stdout.splitlines()
    assert told[0].endswith("the server started")
    assert [line for line in told if "admin asked for operator.remove: operator mara" in line]
    acted = cli_json(served, "audit", "server", "--last", "1h", "--kind", "admin.acted")
    assert [r["body"]["action"] for r in acted] == ["operator.add", "operator.remove"]
    assert {r["tenant"] for r in acted} == {""}
    assert cli(served, "audit", "server", "--kind", "tea.served").exit_code == 2
    assert cli(served, "audit", "server", "--last", "9999d").exit_code == 2


def test_a_second_server_of_the_project_is_refused(served):
    result = cli(served, "up")
    assert result.exit_code == 2
    assert "answers already" in result.stderr


def test_a_loop_ends_with_7_and_the_live_lines_say_why(served):
    done = run(served, "--agent", "support", "--user", "dora", Words.STALL)
    assert done.returncode == 7, done.stderr
    assert "distinct" in done.stderr
    assert "turn 1:" in done.stderr
    assert "✗ mcp__shop__search_orders" in done.stderr


def test_a_cap_ends_with_4(served):
    words = ["--agent", "support", "--user", "ben", "--limit", "usd=0.001", Words.HONEST]
    done = run(served, *words)
    assert done.returncode == 4, done.stderr
    assert "budget" in done.stderr


def test_an_unknown_agent_ends_with_2(served):
    done = run(served, "--agent", "nobody", "--user", "ben", "hello")
    assert done.returncode == 2
    assert "nobody" in done.stderr


def test_a_run_killed_from_outside_ends_with_5_and_a_paused_one_with_6(served):
    with (
        started(served, "--agent", "searcher", "--user", "pia", Words.PAGES) as paused,
        started(served, "--agent", "night_shift", "--user", "kim", Words.NIGHT) as doomed,
    ):
        session = at_work(served, "pia")
        assert cli_json(served, "sessions", "pause", session, "--reason", "a test")
        session = at_work(served, "kim")
        assert cli_json(served, "sessions", "kill", session, "--reason", "a test")
        assert (doomed.wait(60), paused.wait(60)) == (5, 6)


def test_a_run_without_a_server_starts_one_and_ctrl_c_leaves_nothing(tmp_path, model):
    folder = tmp_path / "desk"
    shutil.copytree(DESK, folder, ignore=shutil.ignore_patterns(".holdfast", "__pycache__"))
    with (folder / "holdfast.yaml").open("a") as settings:
        settings.write(f'\nupstreams:\n  anthropic: {{base_url: "{model.url}"}}\n')
    with started(folder, "--agent", "night_shift", "--user", "cleo", Words.NIGHT) as running:
        wait_for((folder / ".holdfast" / "server.json").exists)
        session = at_work(folder, "cleo")
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
    assert not (folder / ".holdfast" / "server.json").exists()
    marked = [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and session.encode() in environ_of(entry)
    ]
    assert marked == []


@contextmanager
def started(folder, *arguments):
    """A run that goes on while the block does; ended by its id if it is still there after."""
    running = subprocess.Popen(
        [*COMMAND, "run", "-C", str(folder), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.terminate()
            running.wait(30)


def at_work(folder, user):
    """The id of the user's session once it is past its first turn."""
    known: dict[str, str] = {}

    def past_first_turn():
        result = cli(folder, "sessions", "list", "--user", user, "--state", "active", "--json")
        for line in result.stdout.splitlines():
            view = json.loads(line)
            if view["turn"] > 1:
                known["id"] = view["session_id"]
        return known

    wait_for(past_first_turn)
    return known["id"]


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def environ_of(entry):
    try:
        return (entry / "environ").read_bytes()
    except OSError:
        return b""
