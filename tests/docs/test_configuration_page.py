"""The published schemas and the configuration page say what the code does."""

import re
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest
import yaml

from holdfast.compose.config import (
    approval_layout,
    file_layout,
    gateway_layout,
    layout,
    loop_layout,
    operator_layout,
    parse_agent,
    parse_config,
    run_layout,
    sign_in_layout,
    store_layout,
    tool_layout,
    upstream_layout,
)
from holdfast.compose.config.schema import agent_schema, config_schema, schema_files
from holdfast.compose.config.shapes import Record
from holdfast.core.context import ContextSettings
from holdfast.core.judging import JudgeSettings
from holdfast.core.outputs import OutputSettings
from holdfast.core.runs import RetrySettings

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGE = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "tests" / "unit" / "compose" / "config" / "examples" / "full.yaml"

SECTIONS: dict[str, Record] = {
    "The file": layout.SETTINGS,
    "`server`": layout.SERVER,
    "`server.tls`": layout.TLS,
    "`gateway`": gateway_layout.GATEWAY,
    "`gateway.admit[]`": gateway_layout.ADMIT,
    "`store`": store_layout.STORE,
    "`upstreams.<name>`": upstream_layout.UPSTREAM,
    "`upstreams.<name>.rates.<model>`": upstream_layout.RATES,
    "`upstreams.<name>.retries`": upstream_layout.RETRIES,
    "`upstreams.<name>.breaker`": upstream_layout.BREAKER,
    "`upstreams.<name>.fallbacks`": upstream_layout.FALLBACK,
    "`prices`": layout.PRICES,
    "`prices.overrides.<model>`": layout.PRICE,
    "`defaults`": layout.DEFAULTS,
    "`tenants.<name>`": layout.TENANT,
    "`tenants.<name>.projects.<name>`": layout.PROJECT,
    "`tenants.<name>.users.<name>`": layout.USER,
    "`operators.<name>`": operator_layout.OPERATOR,
    "`tasks.<name>`": layout.TASK,
    "`agents.<name>`": layout.AGENT,
    "`sign_in`": sign_in_layout.SIGN_IN,
    "`sign_in.oidc`": sign_in_layout.OIDC,
    "`loop`": loop_layout.LOOP,
    "`tools.<name>`": layout.CONTRACT,
    "`tool_standard`": tool_layout.TOOL_STANDARD,
    "`tool_standard.rules`": tool_layout.RULE_LEVELS,
    "`hooks`": layout.HOOKS,
    "`telemetry`": layout.TELEMETRY,
    "`implementations.<tool>`": layout.IMPLEMENTATION,
    "`implementations.<tool>.http`": layout.HTTP_TOOL,
    "`runs`": run_layout.RUNS,
    "`approvals`": approval_layout.APPROVALS,
    "`approvals.rules.<name>`": approval_layout.RULE,
    "`approvals.rules.<name>.escalate[]`": approval_layout.STEP,
    "`retention`": run_layout.RETENTION,
    "`files`": file_layout.FILES,
    "`files.own[]`": file_layout.OWN_ROOT,
}


def rows(record: Record) -> list[str]:
    """The table that a section must hold: key, meaning, default."""
    found = []
    for key, field in record.fields.items():
        default = record.default(key)
        plain = default in (None, "", [], {}) or isinstance(default, dict)
        shown = (
            "required"
            if key in record.required()
            else ""
            if plain
            else f"`{msgspec.json.encode(default).decode()}`"
        )
        found.append(f"| `{key}` | {field.doc.replace('|', chr(92) + '|')} | {shown} |")
    return found


def section_text(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def section(title: str) -> list[str]:
    """The rows of the section's first table."""
    table = re.search(r"^\| key .*\n(?:\|.*\n)+", section_text(title), re.MULTILINE)
    return re.findall(r"^\| `.*\|$", table[0] if table else "", re.MULTILINE)


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_is_documented_with_its_meaning_and_default(title):
    assert section(title) == rows(SECTIONS[title])


@pytest.mark.parametrize("kind", [OutputSettings, JudgeSettings, ContextSettings, RetrySettings])
def test_every_setting_of_a_run_is_documented_with_its_default(kind):
    for field in msgspec.structs.fields(kind):
        default = field.default if field.default is not msgspec.NODEFAULT else []
        plain = default in (None, "")
        shown = "" if plain else f"`{msgspec.json.encode(default).decode()}`"
        pattern = rf"^\| `{field.name}` \| .* \| {re.escape(shown)} ?\|$"
        assert re.search(pattern, section_text("`agents.<name>`"), re.MULTILINE), field.name


@pytest.mark.parametrize("name", schema_files())
def test_published_schemas_are_those_of_the_code(name):
    made = schema_files()[name]
    assert (REFERENCE / name).read_bytes() == made, (
        "run `python -m holdfast.compose.config.schema docs/reference`"
    )


def test_the_full_example_fits_the_published_schema_and_uses_every_key_of_the_file():
    tree = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    jsonschema_rs.validator_for(config_schema()).validate(tree)
    assert set(tree) == set(layout.SETTINGS.fields)


def blocks(first_line: str) -> list[str]:
    found = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return [block for block in found if block.startswith(first_line)]


def test_the_examples_of_the_page_load_and_fit_the_schema():
    config_validator = jsonschema_rs.validator_for(config_schema())
    wholes = blocks("version: 1\n")
    assert wholes
    for block in wholes:
        config_validator.validate(yaml.safe_load(block))
        parse_config(block.encode(), Path("holdfast.yaml"))
    agents = blocks("name: ")
    assert agents
    config = parse_config(wholes[0].encode(), Path("holdfast.yaml"))
    for block in agents:
        jsonschema_rs.validator_for(agent_schema()).validate(yaml.safe_load(block))
        parse_agent(block.encode(), Path("agent.yaml"), config)
