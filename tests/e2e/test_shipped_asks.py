"""What asks by default in a project that `init` makes, and what does not, by its own policies."""

import pytest

from tests.promises.house import cli

EFFECTS = {"pay": "commit", "mail": "egress", "wipe": "destroy", "note": "write", "find": "read"}
TOLD = (
    "What: does one thing to one order of the shop. When: the order itself says that it is due."
    " Side effects: as its effect says."
)
PERMITS = """
@id("desk.all")
@unbounded("a test")
permit (
  principal,
  action in [
    Action::"pay", Action::"mail", Action::"wipe", Action::"note", Action::"find",
    Action::"WebFetch", Action::"Bash"
  ],
  resource
);
"""
CASES = {
    "pay": ("ask", "asks.no-way-back"),
    "mail": ("ask", "asks.outside"),
    "wipe": ("ask", "holdfast.destroy-asks"),
    "note": ("allow", "desk.all"),
    "find": ("allow", "desk.all"),
}


@pytest.mark.parametrize("more", [(), ("--claude-code",)])
def test_what_has_no_way_back_asks_in_a_new_project_and_the_rest_does_not(tmp_path, more):
    assert cli("init", str(tmp_path), *more)[0] == 0
    settings = tmp_path / "holdfast.yaml"
    tools = "".join(
        f"  {name}: {{description: {TOLD!r}, effect: {effect}, risk: LOW, risk_reason: small,"
        " input_schema: {type: object}}\n"
        for name, effect in EFFECTS.items()
    )
    settings.write_text(f"{settings.read_text()}\ntools:\n{tools}")
    (tmp_path / "policies" / "desk.cedar").write_text(PERMITS)
    cases = [
        f"  - {{name: {tool}, given: {{agent: assistant}}, call: {{tool: {tool}, input: {{}}}},"
        f" expect: {expect}, rule: {rule}}}"
        for tool, (expect, rule) in CASES.items()
    ]
    given = "given: {agent: assistant, risk: MEDIUM}, expect: allow"
    fetch, shell = "{url: 'https://a.example', prompt: x}", "{command: ls}"
    cases.append(f"  - {{name: fetch, {given}, call: {{tool: WebFetch, input: {fetch}}}}}")
    cases.append(f"  - {{name: shell, {given}, call: {{tool: Bash, input: {shell}}}}}")
    (tmp_path / "policies" / "tests" / "desk.yaml").write_text("cases:\n" + "\n".join(cases))
    code, told = cli("policy", "test", "-C", str(tmp_path))
    assert code == 0, told
