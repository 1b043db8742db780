"""A decision is made again from its record, after the rules, the contracts and the server changed."""

import subprocess
import sys

import msgspec
import pytest

from holdfast.testing.project import POLICIES, SETTINGS, RunningProject
from tests.served import emitted

STOP = '\n@id("no-lookups") forbid (principal, action == Action::"lookup", resource);\n'
ASK = """
@id("night") @ask("a person looks at night")
forbid (principal, action == Action::"lookup", resource) when { context.tainted == false };
"""
STORED = SETTINGS + "store: {url_env: TEST_STORE_URL}\n"


@pytest.fixture(params=["sqlite", "postgres"])
def project(request, tmp_path):
    settings, environment = SETTINGS, {}
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        environment = {"TEST_STORE_URL": server.new_database()}
        settings = STORED
    with RunningProject(tmp_path, settings=settings, environment=environment) as running:
        yield running


def decided(project, tool="lookup", arguments=None):
    """Have the model call a tool and the guard decide it; the session, the call and the verdict."""
    session = project.open()
    given = {"order": "7"} if arguments is None else arguments
    (block,) = [
        b
        for b in emitted(project, session, {"tool": tool, "input": given})
        if b["type"] == "tool_use"
    ]
    ruling = project.decide(session, block["id"], tool, block["input"]).json
    return session, block["id"], ruling["verdict"]


def replayed(project, *arguments):
    """`holdfast policy replay … --json`; its exit code and what it says."""
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "holdfast.apps.cli.main", "policy", "replay"),
            *(*arguments, "--json", "-C", str(project.folder)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, msgspec.json.decode(done.stdout) if done.stdout else done.stderr


def test_a_decision_made_again_is_the_same_after_the_rules_and_the_server_changed(project):
    _, allowed, verdict = decided(project)
    assert verdict == "allow"
    (project.folder / "policies" / "stop.cedar").write_text(STOP)
    assert project.call("POST", "/v1/policy/apply").status == 200
    session, denied, verdict = decided(project)
    assert verdict == "deny"
    (project.folder / "policies" / "stop.cedar").unlink()
    project.stop()
    # A contract of now is none of then.
    settings = (project.folder / "holdfast.yaml").read_text()
    changed = settings.replace("effect: read", "effect: destroy").replace("risk: LOW", "risk: HIGH")
    assert changed != settings
    (project.folder / "holdfast.yaml").write_text(changed)
    project.start()
    assert project.call("POST", "/v1/policy/apply").status == 200
    code, again = replayed(project, allowed)
    assert (code, again["verdict"], again["again"]) == (0, "allow", "allow")
    assert again["same"]
    assert again["exact"]
    assert again["again_version"] == again["policy_version"]
    for name in (denied, again_of(project, session, denied)):
        code, again = replayed(project, name, "--session", session.session_id)
        assert (code, again["verdict"], again["again"], again["same"]) == (0, "deny", "deny", True)
        assert again["again_reasons"][0]["rule"] == "no-lookups"


def again_of(project, session, call_id):
    """The id of the decision on a call."""
    found = project.records(session=session.session_id, call_id=call_id, kind="tool_call.decided")
    return found[-1]["decision_id"]


def test_other_rules_are_tried_on_what_was_decided(project, tmp_path):
    session, call_id, _ = decided(project)
    other = tmp_path / "other"
    other.mkdir()
    (other / "rules.cedar").write_text(POLICIES + ASK)
    code, again = replayed(project, call_id, "--with", str(other))
    assert (code, again["verdict"], again["again"], again["same"]) == (1, "allow", "ask", False)
    assert again["again_reasons"][0]["rule"] == "night"
    (other / "rules.cedar").write_text(POLICIES)
    assert replayed(project, call_id, "--with", str(other))[0] == 0
    # Nothing of it came into force, and nothing is left of it.
    assert decided(project)[2] == "allow"
    assert project.records(session=session.session_id, kind="tool_call.decided")[-1]["verdict"] == (
        "allow"
    )
    (other / "rules.cedar").write_text("permit (principal, action, resource) when { 1 };")
    code, said = replayed(project, call_id, "--with", str(other))
    assert code == 2
    assert "do not hold" in said


def test_what_cannot_be_made_again_is_said_and_never_called_the_same(project):
    _, call_id, _ = decided(project)
    assert replayed(project, "dec_nothing")[0] == 2
    assert replayed(project, "toolu_nothing")[0] == 2
    code, again = replayed(
        project, decided(project, "Bash", {"command": "echo token=hunter2hunter2"})[1]
    )
    assert code == 10
    assert "secrets" in again["lacks"][0]
    kept = project.state / "policies"
    (rules,) = list(kept.glob("*/*.cedar"))
    rules.chmod(0o600)
    rules.write_text(rules.read_text() + STOP)
    code, said = replayed(project, call_id)
    assert code == 2
    assert "is not what was in force" in said
