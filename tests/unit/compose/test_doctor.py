"""The production-readiness check: what it counts, what it refuses to call ready."""

from pathlib import Path

import msgspec
import pytest

from holdfast.apps.cli.project_files import write_project
from holdfast.compose import readiness
from holdfast.compose.config import parse_config
from holdfast.compose.doctor import (
    DoctorReport,
    FolderFacts,
    PolicyFacts,
    Standing,
    doctor,
    examine,
)

FULL = (Path(__file__).parent / "config" / "examples" / "full.yaml").read_text()
TOOLS = frozenset({"mcp__shop__get_order", "mcp__shop__refund"})
GOOD = PolicyFacts(permitted=TOOLS, cases=4)

POLICY = """
@id("shop.support")
@unbounded("support serves every order")
permit (
  principal,
  action in [Action::"mcp__shop__get_order", Action::"mcp__shop__refund"],
  resource
)
when { principal.roles.contains("support") };
"""

TABLE = """
cases:
  - name: support may read an order
    given: {roles: [support]}
    call: {tool: mcp__shop__get_order, input: {order_id: a}, resource: "arn:shop:order/a"}
    expect: allow
  - name: nobody else may
    call: {tool: mcp__shop__get_order, input: {order_id: a}, resource: "arn:shop:order/a"}
    expect: deny
"""


def facts(policies: PolicyFacts = GOOD, *, writable: bool = True, tls: bool = False) -> FolderFacts:
    return FolderFacts(policies=policies, state_writable=writable, tls_readable=tls)


def examined(text: str = FULL, found: FolderFacts | None = None) -> DoctorReport:
    return examine(parse_config(text.encode(), Path("holdfast.yaml")), found or facts())


def standing(report: DoctorReport, name: str) -> Standing:
    return next(c.standing for c in report.controls if c.name == name)


def test_an_empty_project_fails_on_all_five(tmp_path):
    report = doctor(tmp_path)
    assert not report.ok
    assert report.present == 0
    assert [c.standing for c in report.controls] == [Standing.MISSING] * 5
    assert all(c.why and c.fix for c in report.controls)


def test_a_project_without_agents_fails(tmp_path):
    (tmp_path / "holdfast.yaml").write_text("version: 1\n")
    report = doctor(tmp_path)
    assert (report.ok, report.present) == (False, 0)


def test_settings_that_do_not_hold_fail_and_are_named(tmp_path):
    (tmp_path / "holdfast.yaml").write_text("version: 1\nserver: {port: x}\n")
    report = doctor(tmp_path)
    assert not report.ok
    assert "holdfast.yaml:2:16: server.port" in report.controls[0].why


def project(folder: Path, text: str = FULL, policy: str = POLICY, table: str = TABLE) -> Path:
    (folder / "policies" / "tests").mkdir(parents=True)
    (folder / "holdfast.yaml").write_text(text)
    (folder / "policies" / "shop.cedar").write_text(policy)
    (folder / "policies" / "tests" / "shop.yaml").write_text(table)
    (folder / "package").mkdir()
    (folder / "package" / "module.py").write_text("async def function(given): ...\n")
    return folder


def test_a_whole_project_has_all_five(tmp_path):
    report = doctor(project(tmp_path))
    assert [(c.name, c.standing, c.why) for c in report.controls if c.standing != "present"] == []
    assert (report.ok, report.present) == (True, 5)
    assert "not a drill" in report.scope


def test_the_check_changes_nothing(tmp_path):
    project(tmp_path)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    doctor(tmp_path)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_policies_that_do_not_parse_count_as_missing(tmp_path):
    report = doctor(project(tmp_path, policy="permit (nonsense;"))
    assert standing(report, "permissions") is Standing.MISSING


def test_a_decision_table_that_fails_weakens_the_permissions(tmp_path):
    report = doctor(project(tmp_path, table=TABLE.replace("expect: deny", "expect: allow")))
    assert standing(report, "permissions") is Standing.WEAK


def test_whoever_owns_the_state_is_told_what_an_agent_of_theirs_could_do():
    config = parse_config(FULL.encode(), Path("/p/holdfast.yaml"))
    shared = msgspec.structs.replace(facts(), shared=True)
    assert readiness.SHARED in examine(config, shared).notes
    assert readiness.SHARED not in examine(config, facts()).notes


def test_a_missing_policies_folder_counts_as_missing(tmp_path):
    (tmp_path / "holdfast.yaml").write_text(FULL)
    report = doctor(tmp_path)
    assert standing(report, "permissions") is Standing.MISSING
    assert report.present >= 3
    assert not report.ok
    assert "there is no folder" in report.faults[0]
    assert report.present == 4


@pytest.mark.parametrize(
    ("old", "new", "name", "expected"),
    [
        ("limits: {usd: 5.00}", "limits: {usd: none}", "spend", Standing.MISSING),
        ("limits: {usd: 5.00}", "limits: {usd: none, usd_in: 1}", "spend", Standing.MISSING),
        ("limits: {usd: 5.00}", "limits: {usd: none, usd_in: 1, usd_out: 1}", "spend", "present"),
        ("user: {usd: {hour: 4}}", "user: {usd: none}", "spend", Standing.WEAK),
        (
            "{usd: {calendar_day: 500, calendar_month: 10000}}",
            "{usd: none}",
            "spend",
            Standing.WEAK,
        ),
        ("loop: {max_turns: 30}", "loop: {max_turns: 100000}", "loops", Standing.WEAK),
        ("trust: semi_autonomous", "trust: autonomous", "risk", Standing.WEAK),
        ("risk: HIGH", "risk: MEDIUM", "risk", Standing.WEAK),
        ("trust: semi_autonomous", "trust: supervised", "risk", "present"),
        (
            "host: 127.0.0.1\n  port: 8787\n  state_dir: .holdfast\n  allow_remote_plaintext: false",
            "host: 0.0.0.0\n  allow_remote_plaintext: true",
            "audit",
            Standing.WEAK,
        ),
    ],
)
def test_a_loosened_control_is_told(old, new, name, expected):
    assert FULL.count(old) == 1
    report = examined(FULL.replace(old, new))
    assert standing(report, name) is Standing(expected)
    assert standing(examined(), name) is Standing.PRESENT


def test_a_rule_that_asks_guards_an_autonomous_agent():
    text = FULL.replace("trust: semi_autonomous", "trust: autonomous")
    asking = PolicyFacts(permitted=TOOLS, cases=1, asking=frozenset({"mcp__shop__refund"}))
    assert standing(examined(text, facts(asking)), "risk") is Standing.PRESENT


def test_fewer_than_three_controls_is_a_failure():
    loose = FULL.replace("limits: {usd: 5.00}", "limits: {usd: none}")
    loose = loose.replace("loop: {max_turns: 30}", "loop: {max_turns: 100000}")
    report = examined(loose, facts(PolicyFacts()))
    assert (report.ok, report.present) == (False, 2)
    assert examined(FULL, facts(PolicyFacts(), writable=False)).ok


def test_a_journal_that_cannot_be_written_is_missing():
    assert standing(examined(found=facts(writable=False)), "audit") is Standing.MISSING


def test_tools_without_a_permitting_rule_or_without_cases_are_weak():
    one = PolicyFacts(permitted=frozenset({"mcp__shop__refund"}), cases=1)
    assert standing(examined(found=facts(one)), "permissions") is Standing.WEAK
    untested = PolicyFacts(permitted=TOOLS)
    assert standing(examined(found=facts(untested)), "permissions") is Standing.WEAK


def test_contracts_below_the_house_standard_are_noted_not_counted():
    report = examined(FULL.replace("    errors: {order_not_found: no such order}\n", ""))
    assert any("mcp__shop__refund" in note for note in report.notes)
    assert report.present == 5


def test_the_caps_that_init_writes_are_those_that_hold_and_all_are_listed(tmp_path):
    write_project(tmp_path)
    report = doctor(tmp_path)
    written = tmp_path / "holdfast.yaml"
    stripped = written.read_text().split("defaults:")[0] + "agents: {assistant: {file: a.yaml}}"
    written.write_text(stripped.replace("a.yaml", "agents/assistant.yaml"))
    assert doctor(tmp_path).caps == report.caps
    assert report.caps == (
        "session of assistant: usd $5.0000, tool_calls 25, turns 30, seconds 3,600",
        "user * of default: usd $5.0000 an hour, usd $30.0000 a day",
        (
            "project default of default: tokens 20,000,000 a calendar day,"
            " tokens 400,000,000 a calendar month"
        ),
        "tenant default: usd $500.0000 a calendar day, usd $10000.0000 a calendar month",
    )


def test_the_caps_of_an_interactive_agent_say_that_its_turns_are_counted_by_the_prompt():
    text = FULL.replace("session_ttl_s: 3600", "profile: interactive")
    caps = examined(text).caps
    assert any("30 turns for one prompt stop it" in line for line in caps)
