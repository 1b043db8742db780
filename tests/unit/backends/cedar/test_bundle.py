"""Loading: what keeps a bundle out of force, and that each fault says where it stands."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.backends.cedar.bundle import Bundle, Loaded, assemble, load, version_of
from holdfast.backends.cedar.inputs import AttributeType, PolicyInputs
from holdfast.backends.cedar.sources import BASELINE, Source
from holdfast.model.tools import Contract, Effect
from holdfast.testing.conformance.policy import SUITE_CEDAR, SUITE_CONTRACTS
from tests.policy_process import suite_folder, write_inputs

INPUTS = PolicyInputs(
    version=1,
    contracts=SUITE_CONTRACTS,
    task_attributes={"max_refund": AttributeType.LONG, "currency": AttributeType.STRING},
)


def loaded(cedar: str, inputs: PolicyInputs = INPUTS) -> Loaded:
    return assemble(inputs, (Source("a.cedar", cedar.encode()),))


def only_finding(cedar: str, inputs: PolicyInputs = INPUTS):
    found = loaded(cedar, inputs)
    assert found.bundle is None
    assert len(found.findings) == 1, found.findings
    return found.findings[0]


def test_a_sound_folder_gives_a_bundle():
    found = loaded(SUITE_CEDAR)
    assert found.findings == ()
    assert found.bundle is not None
    assert found.bundle.version == found.version


def test_the_shipped_baseline_holds_for_any_contracts_and_permits_nothing():
    found = assemble(INPUTS, (Source("b", BASELINE.read_bytes()),))
    assert found.findings == ()
    assert found.bundle is not None
    assert not any(rule.permits for rule in found.bundle.rules.values())
    assert all(rule_id.startswith("holdfast.") for rule_id in found.bundle.rules)


def test_a_parse_error_names_the_line_its_policy_begins_on():
    finding = only_finding(
        '// a "comment; with" everything\n@id("a") permit (principal, action == Action::"lookup", resource);\n\n'
        '@id("b")\npermit (principal, oops);\n'
    )
    assert (finding.file, finding.line, finding.code) == ("a.cedar", 4, "parse")


def test_a_semicolon_inside_a_string_does_not_end_a_policy():
    found = loaded(
        '@id("a") @reason("one; two \\" three;")\npermit (principal, action == Action::"lookup", resource);'
    )
    assert found.bundle is not None
    assert found.bundle.rules["a"].reason == 'one; two " three;'


def test_an_unfinished_last_policy_is_found():
    finding = only_finding('@id("a") permit (principal, action == Action::"lookup", resource)')
    assert finding.code == "parse"


def test_duplicate_ids_are_refused_across_files():
    one = Source("a.cedar", b'@id("x") forbid (principal, action, resource);')
    two = Source("b.cedar", b'\n@id("x") forbid (principal, action, resource);')
    found = assemble(INPUTS, (one, two))
    assert found.bundle is None
    (finding,) = found.findings
    assert (finding.file, finding.line, finding.code) == ("b.cedar", 2, "duplicate_id")
    assert "a.cedar:1" in finding.text


@pytest.mark.parametrize(
    ("cedar", "code"),
    [
        ("forbid (principal, action, resource);", "missing_id"),
        ('@id("") forbid (principal, action, resource);', "missing_id"),
        ("@id forbid (principal, action, resource);", "missing_id"),
        ('@id("a b") forbid (principal, action, resource);', "bad_id"),
        ('@id("a\u202eb") forbid (principal, action, resource);', "bad_id"),
        (
            '@id("x") @ask("y") permit (principal, action == Action::"lookup", resource);',
            "ask_on_permit",
        ),
        ('@id("x") permit (principal == ?principal, action, resource);', "parse"),
        ('@id("x") forbid (principal, action == Action::"refnd", resource);', "undeclared_tool"),
        (
            '@id("x") forbid (principal, action in [Action::"refund", Action::"no"], resource);',
            "undeclared_tool",
        ),
        ('@id("x") forbid (principal, action == Action::"tools", resource);', "group_equals"),
        (
            '@id("x") permit (principal, action == Action::"unknown_tool", resource);',
            "permits_unknown",
        ),
        ('@id("x") permit (principal, action, resource);', "permits_all"),
        ('@id("x") permit (principal, action, resource) when { true };', "permits_all"),
        ('@id("x") permit (principal, action, resource) unless { false };', "permits_all"),
        ('@id("x") permit (principal, action in Action::"tools", resource);', "permits_all"),
        (
            '@id("x") permit (principal, action in [Action::"tools"], resource) when { true };',
            "permits_all",
        ),
        (
            '@id("x") permit (principal, action == Action::"lookup", resource) when { resource.arn != "" };',
            "wildcard_resource",
        ),
        (
            '@id("x") permit (principal, action == Action::"lookup", resource) unless { "" == resource.arn };',
            "wildcard_resource",
        ),
        (
            '@id("x") permit (principal, action == Action::"lookup", resource) when { resource.arn like "*" };',
            "wildcard_resource",
        ),
        (
            '@id("x") permit (principal, action == Action::"lookup", resource) when { resource.arn like "arn:*" };',
            "wildcard_resource",
        ),
        (
            '@id("x") forbid (principal, action == Action::"refund", resource) when { context.input.amount == "x" };',
            "type",
        ),
        ('@id("x") forbid (principal, action, resource) when { context.nope };', "type"),
        ('@id("x") forbid (principal in Folk::"x", action, resource);', "type"),
    ],
)
def test_a_regrettable_policy_keeps_the_bundle_out_of_force(cedar: str, code: str):
    assert only_finding(cedar).code == code


@pytest.mark.parametrize(
    "cedar",
    [
        '@id("x") permit (principal, action in Action::"effect:read", resource);',
        '@id("x") permit (principal, action == Action::"lookup", resource) when { true };',
        '@id("x") permit (principal, action, resource) when { resource.arn == "arn:shop:1" };',
        '@id("x") permit (principal, action, resource) when { resource.arn != "arn:shop:1" };',
        '@id("x") forbid (principal, action in Action::"tools", resource);',
    ],
)
def test_a_permit_that_says_something_and_any_forbid_hold(cedar: str):
    assert loaded(cedar).findings == ()


def test_a_pattern_that_names_something_is_no_wildcard():
    cedar = '@id("x") permit (principal, action in Action::"effect:read", resource) when { resource.arn like "arn:shop:*" };'
    assert loaded(cedar).findings == ()


LISTED = msgspec.structs.replace(
    SUITE_CONTRACTS[0],
    name="pay",
    resource="",
    effect=Effect.WRITE,
    input_schema={
        "type": "object",
        "properties": {
            "currency": {"type": "string", "enum": ["EUR", "USD"]},
            "note": {"type": "string"},
        },
        "required": ["currency", "note"],
    },
)
PLACED = msgspec.structs.replace(LISTED, name="move", resource="arn:shop:{note}")
WITH_LISTS = PolicyInputs(version=1, contracts=(*SUITE_CONTRACTS, LISTED, PLACED))


def guarded(effect: str, tool: str, condition: str) -> str:
    return f'@id("x") {effect} (principal, action == Action::"{tool}", resource) {condition};'


@pytest.mark.parametrize("effect", ["forbid", "permit"])
@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ('when { context.risk == "VERY_HIGH" }', "context.risk is never"),
        ('when { "high" == context.risk }', "context.risk is never"),
        ('when { context.risk != "low" }', "context.risk is never"),
        ('unless { ["LOW", "MIDDLE"].contains(context.risk) }', '"MIDDLE"'),
        ('when { context.effect == "delete" }', "context.effect is never"),
        ('when { context.effect like "des*roy?" }', "context.effect is never"),
        ('when { principal.trust == "autonomus" }', "principal.trust is never"),
        ('when { context.input.currency == "EURO" }', "context.input.currency is never"),
        ('when { ["EUR", "GBP"].contains(context.input.currency) }', '"GBP"'),
        ('when { resource.arn == "arn:shop:1" }', "names no resource"),
        ('when { resource.arn like "arn:shop:*" }', "names no resource"),
        ('when { context.tainted && !(context.risk == "HIHG") }', '"HIHG"'),
    ],
)
def test_a_rule_about_what_can_never_be_keeps_the_bundle_out_of_force(effect, condition, says):
    finding = only_finding(guarded(effect, "pay", condition), WITH_LISTS)
    assert finding.code == "impossible_value"
    assert says in finding.text


@pytest.mark.parametrize(
    "cedar",
    [
        guarded("forbid", "pay", 'when { context.risk == "HIGH" }'),
        guarded("forbid", "pay", 'when { context.risk == "BLOCK" }'),
        guarded("forbid", "pay", 'unless { ["LOW", "MEDIUM"].contains(context.risk) }'),
        guarded("forbid", "pay", 'when { context.effect like "*" }'),
        guarded("forbid", "pay", 'when { principal.trust == "autonomous" }'),
        guarded("forbid", "pay", 'when { context.input.currency == "EUR" }'),
        guarded("forbid", "pay", 'when { context.input.note == "anything" }'),
        guarded("forbid", "pay", 'when { principal.user == "auth0|ann" }'),
        guarded("forbid", "pay", 'when { resource.arn == "tool:pay" }'),
        guarded("forbid", "move", 'when { resource.arn like "arn:shop:*" }'),
        (
            '@id("x") forbid (principal, action in [Action::"pay", Action::"move"], resource)'
            ' when { resource.arn like "arn:shop:*" };'
        ),
        (
            '@id("x") forbid (principal, action in Action::"effect:write", resource)'
            ' when { resource.arn like "arn:shop:*" };'
        ),
    ],
)
def test_a_rule_about_what_can_be_holds(cedar):
    assert loaded(cedar, WITH_LISTS).findings == ()


def test_an_untested_optional_attribute_is_explained():
    finding = only_finding(
        '@id("x") forbid (principal, action == Action::"refund", resource)\n'
        "when { context.input.amount > context.task.max_refund };"
    )
    assert finding.code == "type"
    assert "context.task has" in finding.text
    assert "policy0" not in finding.text


def test_a_rule_over_every_tool_may_not_use_the_input_of_one():
    finding = only_finding(
        '@id("x") forbid (principal, action, resource) when { context.input.amount > 1 };'
    )
    assert finding.code == "type"


def test_more_policies_than_the_bound_are_refused():
    many = "".join(
        f'@id("p{n}") forbid (principal, action == Action::"lookup", resource);'
        for n in range(10_001)
    )
    assert only_finding(many).code == "too_many"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "truncated"),
        (b'{"version":2}', "version 2"),
        (b'{"version":1,"policies":[]}', "policies"),
        (b'{"version":1,"task_attributes":{"a":"float"}}', "float"),
        (b'{"version":1,"task_attributes":{"__entity":"string"}}', "reserved"),
        (b"\xff", ""),
    ],
)
def test_unsound_inputs_keep_the_bundle_out_of_force(tmp_path: Path, content: bytes, says: str):
    folder = suite_folder(tmp_path)
    (folder / "contracts.json").write_bytes(content)
    found = load(folder / "policies", folder / "contracts.json")
    assert found.bundle is None
    assert any(says in finding.text for finding in found.findings)


@pytest.mark.parametrize("name", ["unknown_tool", "tools", "effect:read"])
def test_a_contract_may_not_take_the_name_of_a_group(tmp_path: Path, name: str):
    folder = suite_folder(tmp_path)
    write_inputs(folder, [msgspec.structs.replace(SUITE_CONTRACTS[0], name=name)])
    assert load(folder / "policies", folder / "contracts.json").bundle is None


def test_missing_files_are_findings(tmp_path: Path):
    found = load(tmp_path / "none", tmp_path / "none.json")
    assert found.bundle is None
    assert {finding.code for finding in found.findings} == {"unreadable", "inputs"}


def test_a_file_that_is_not_text_is_a_finding(tmp_path: Path):
    folder = suite_folder(tmp_path)
    (folder / "policies" / "z.cedar").write_bytes(b"\xff\xfe")
    found = load(folder / "policies", folder / "contracts.json")
    assert [finding.file for finding in found.findings] == ["z.cedar"]


def test_the_version_changes_with_any_name_or_byte():
    def version(*sources: tuple[str, bytes]) -> str:
        return assemble(INPUTS, tuple(Source(*source) for source in sources)).version

    versions = [
        version(("a", b"// x")),
        version(("a", b"// y")),
        version(("b", b"// x")),
        version(("a", b"// "), ("x", b"")),
        version(),
    ]
    assert len(set(versions)) == len(versions)
    assert version(("a", b"// x")) == versions[0]


@pytest.mark.parametrize("baseline", [True, False])
def test_the_version_of_a_folder_is_known_without_loading_it(tmp_path, baseline):
    folder = suite_folder(tmp_path)
    policies, inputs = folder / "policies", folder / "policy-inputs.json"
    whole = load(policies, inputs, baseline=baseline).version
    assert version_of(policies, inputs, baseline=baseline) == whole
    (policies / "more.cedar").write_text("no policy")
    unsound = load(policies, inputs, baseline=baseline)
    assert unsound.bundle is None
    assert version_of(policies, inputs, baseline=baseline) == unsound.version != whole


def test_the_schema_of_an_action_is_made_once_while_a_bundle_is_loaded(monkeypatch):
    made: list[str] = []
    make = Bundle._schema

    def counted(own: Bundle, action: str) -> Any:
        made.append(action)
        return make(own, action)

    monkeypatch.setattr(Bundle, "_schema", counted)
    found = loaded(SUITE_CEDAR)
    assert found.bundle is not None
    assert sorted(made) == sorted(found.bundle.actions)
    # Afterwards only slices keep them.
    assert found.bundle._checked is None


def test_each_action_is_decided_by_the_rules_that_can_match_it_only():
    bundle = loaded(SUITE_CEDAR).bundle
    assert bundle is not None
    assert [rule.id for rule in bundle.rules_for("lookup")] == ["lookup-any", "admin-all"]
    assert [rule.id for rule in bundle.rules_for("drop")] == ["admin-all", "tainted-commit"]
    assert [rule.id for rule in bundle.rules_for("unknown_tool")] == ["admin-all", "tainted-commit"]


def test_ten_thousand_tools_share_their_rule_sets_and_bound_what_is_prepared():
    contracts = tuple(
        Contract(
            name=f"t{n}", description="d", effect=SUITE_CONTRACTS[0].effect,
            risk=SUITE_CONTRACTS[0].risk, risk_reason="r", input_schema={},
        )
        for n in range(1_000)
    )  # fmt: skip
    found = loaded(
        '@id("a") forbid (principal, action, resource) when { context.tainted };',
        PolicyInputs(version=1, contracts=contracts),
    )
    assert found.bundle is not None
    one, other = found.bundle.slice_for("t1"), found.bundle.slice_for("t999")
    assert one.sets is other.sets
    assert len(found.bundle._slices) <= 256
