"""What the policy process is told: read by its own decoder, the same bytes each time."""

from pathlib import Path

import msgspec

from holdfast.backends.cedar.inputs import PolicyInputs
from holdfast.compose.config import parse_config, policy_inputs

FULL = (Path(__file__).parent / "examples" / "full.yaml").read_bytes()


def test_the_policy_process_reads_what_the_configuration_writes():
    config = parse_config(FULL, Path("holdfast.yaml"))
    inputs = msgspec.json.decode(policy_inputs(config), type=PolicyInputs)
    assert inputs.version == 1
    assert {c.name for c in inputs.contracts} == set(config.tools)
    assert {c.name: c for c in inputs.contracts} == config.tools
    assert {k: str(v) for k, v in inputs.task_attributes.items()} == {
        "max_refund": "long",
        "currency": "string",
        "rate": "decimal",
    }
    assert {k: str(v) for k, v in inputs.tenant_attributes.items()} == {
        "region": "string",
        "enabled_tools": "set_of_string",
    }


def test_the_same_configuration_gives_the_same_bytes():
    first, second = (parse_config(FULL, Path("holdfast.yaml")) for _ in range(2))
    assert policy_inputs(first) == policy_inputs(second)
