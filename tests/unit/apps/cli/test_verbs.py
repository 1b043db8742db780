"""The verbs, as typed: what needs no server, and how bad input ends."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import holdfast
from holdfast.apps.cli.audit import span_s
from holdfast.apps.cli.budgets import parsed_limit, parsed_limits
from holdfast.apps.cli.main import app
from holdfast.apps.cli.verbs import guarded
from holdfast.compose.config import load_config
from holdfast.errors import Denied, InvalidRequest
from holdfast.integrations.claude_code import UNGRANTED_TOOLS
from holdfast.model.budgets import Dimension

ROOT = Path(__file__).parents[4]
DESK = ROOT / "examples" / "support_desk"


def cli(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    folder = tmp_path_factory.mktemp("init") / "made"
    assert cli("init", folder).exit_code == 0
    return folder


def test_init_writes_a_project_that_passes_the_doctor(fresh):
    result = cli("doctor", fresh, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["ok"]
    assert report["present"] == 5
    assert [note[:17] for note in report["notes"]] == ["without a sandbox", "an agent's progra"]


def test_init_for_claude_code_grants_what_it_offers_and_passes_the_doctor(tmp_path):
    folder = tmp_path / "made"
    assert cli("init", folder, "--claude-code").exit_code == 0
    result = cli("doctor", folder, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["present"] == 5
    assert [note[:17] for note in report["notes"]] == ["without a sandbox", "an agent's progra"]
    assert any("for one prompt stop it" in cap for cap in report["caps"])
    tested = cli("policy", "test", "-C", folder)
    assert "6 of 6 cases" in tested.stdout
    granted = load_config(folder / "holdfast.yaml").agents["assistant"].tools
    # As the CLI of the pinned SDK sends them in print mode, but for what the settings turn off.
    offered = {"Agent", "Bash", "Edit", "ListAgents", "Read", "ReportFindings", "Skill"}
    assert offered | {"ToolSearch", "Write", "NotebookEdit", "TaskStop"} <= set(granted)
    assert not set(granted) & set(UNGRANTED_TOOLS)


def test_init_keeps_the_state_out_of_version_control(fresh):
    assert ".holdfast/" in (fresh / ".gitignore").read_text()


def test_what_init_writes_holds_and_its_tables_come_out(fresh):
    assert cli("config", "check", "-C", fresh).exit_code == 0
    result = cli("policy", "test", "-C", fresh)
    assert result.exit_code == 0, result.output
    assert "5 of 5 cases" in result.stdout


def test_init_overwrites_nothing(fresh):
    before = (fresh / "holdfast.yaml").read_text()
    result = cli("init", fresh)
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert (fresh / "holdfast.yaml").read_text() == before


def test_doctor_fails_on_an_empty_folder(tmp_path):
    result = cli("doctor", tmp_path)
    assert result.exit_code == 1
    assert "0 of 5 controls" in result.stdout


def test_the_support_desk_passes_the_doctor():
    result = cli("doctor", DESK, "--json", "--import")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["present"] == 5
    assert [note[:17] for note in report["notes"]] == [
        "without a sandbox",
        "an agent's progra",
        *["hooks at the door"] * 2,
    ]


def test_the_support_desks_policies_come_out_as_its_tables_say():
    result = cli("policy", "test", "-C", DESK, "--json", "--import")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["ok"]
    assert len(report["cases"]) >= 11


@pytest.mark.parametrize(
    ("rule", "weaker"),
    [
        ("context.input.amount_minor <= context.task.max_refund", "context.input.amount_minor > 0"),
        ("context.input.currency == context.task.currency", 'context.input.currency != ""'),
        ('["LOW", "MEDIUM"].contains(context.risk)', 'context.risk != "BLOCK"'),
    ],
)
def test_the_support_desks_tables_notice_a_weaker_rule(tmp_path, rule, weaker):
    copy = tmp_path / "desk"
    shutil.copytree(DESK, copy, ignore=shutil.ignore_patterns(".holdfast", "__pycache__"))
    policy = copy / "policies" / "support_desk.cedar"
    text = policy.read_text()
    assert rule in text
    policy.write_text(text.replace(rule, weaker))
    assert cli("policy", "test", "-C", copy, "--import").exit_code == 1


def test_a_policy_that_does_not_parse_is_named_with_its_line(fresh, tmp_path):
    copy = tmp_path / "broken"
    shutil.copytree(fresh, copy)
    (copy / "policies" / "more.cedar").write_text("permit (principal, action")
    result = cli("policy", "check", "-C", copy)
    assert result.exit_code == 1
    assert "more.cedar:1" in result.output


def test_settings_that_do_not_hold_are_named_with_file_and_line(tmp_path):
    (tmp_path / "holdfast.yaml").write_text("version: 1\nagnets: {}\n")
    result = cli("config", "check", "-C", tmp_path)
    assert result.exit_code == 2
    assert "holdfast.yaml:2" in result.output
    assert "agents" in result.output
    assert cli("policy", "check", "-C", tmp_path).exit_code == 2


def test_version_is_the_packages():
    assert json.loads(cli("version", "--json").stdout) == {"version": holdfast.__version__}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["sessions", "list"], 9, "no holdfast server"),
        (["sessions", "show", "ses_1"], 9, "no holdfast server"),
        (["sessions", "kill", "ses_1"], 9, "no holdfast server"),
        (["audit", "ask", "--user", "ann", "--at", "now"], 9, "no holdfast server"),
        (["audit", "ask", "--user", "ann", "--at", "now", "--window", "soon"], 2, "span of time"),
        (["audit", "server"], 9, "no holdfast server"),
        (["audit", "server", "--last", "ever"], 2, "span of time"),
        (["budget", "show"], 2, "--session"),
        (["budget", "set", "user", "acme/ann", "usd", "hour", "-0"], 2, ""),
        (["budget", "set", "user", "acme/ann", "usd", "hour", "1e400"], 2, "dollars"),
        (["budget", "set", "user", "acme/ann", "turns", "hour", "1.5"], 2, "pieces"),
        (["budget", "set", "moon", "acme/ann", "usd", "hour", "1"], 2, ""),
        (["up"], 2, "holdfast.yaml"),
        (["run", "--agent", "a", "hello"], 2, "holdfast.yaml"),
        (["doctor", "no-such-folder"], 2, "no folder"),
        (["policy", "check", "-C", "no-such-folder"], 2, "no folder"),
        (["sessions", "lst"], 2, ""),
        (["frobnicate"], 2, ""),
    ],
)
def test_bad_input_is_one_sentence_and_an_exit_code(tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDFAST_URL", raising=False)
    result = cli(*arguments)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("text", ["", "0m", "-5m", "5 minutes", "1w", "99999999", "400d", "٣m"])
def test_a_span_of_time_that_is_none_is_refused(text):
    with pytest.raises(InvalidRequest):
        span_s(text)


def test_spans_of_time():
    assert [span_s(t) for t in ("90", "90s", "30m", "2h", "1d")] == [90, 90, 1800, 7200, 86_400]


def test_limits_of_a_run_by_dimension():
    given = ["usd=0.50", "usd_out=$1", "tool_calls=5"]
    assert parsed_limits(given) == {"usd": "0.50", "usd_out": "1", "tool_calls": 5}


@pytest.mark.parametrize("text", ["usd", "usd=", "usd=-1", "euro=1", "tool_calls=none", "turns=x"])
def test_a_limit_that_is_none_is_refused(text):
    with pytest.raises(InvalidRequest):
        parsed_limits([text])


def test_a_limit_in_dollars_is_exact():
    assert parsed_limit(Dimension.USD, "0.000000001") == 1
    assert parsed_limit(Dimension.USD, "none") is None


def test_ctrl_c_is_no_traceback(capsys):
    def interrupted():
        raise KeyboardInterrupt

    assert guarded(interrupted) == 130
    assert capsys.readouterr().err == "holdfast: interrupted\n"


def test_a_fault_of_ours_is_one_sentence_unless_asked_for_more(capsys, monkeypatch):
    def broken():
        raise ZeroDivisionError("by nought")

    monkeypatch.delenv("HOLDFAST_TRACEBACK", raising=False)
    assert guarded(broken) == 1
    assert "internal error: ZeroDivisionError: by nought" in capsys.readouterr().err
    monkeypatch.setenv("HOLDFAST_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        guarded(broken)


def test_an_async_verb_ends_as_a_plain_one():
    async def denied():
        raise Denied("no")

    async def fine():
        return 0

    assert guarded(denied) == 3
    assert guarded(fine) == 0
