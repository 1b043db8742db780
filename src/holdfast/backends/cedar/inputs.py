"""What the policy process is told besides the policies: contracts and attribute types.

The server writes this file from its configuration; a bundle is only valid against one of them.
"""

import enum
from pathlib import Path

import msgspec

from holdfast.model.tools import Contract, Effect
from holdfast.model.views.policies import PolicyFinding

UNKNOWN_TOOL = "unknown_tool"
ALL_TOOLS = "tools"
EFFECT_GROUPS = tuple(f"effect:{effect}" for effect in Effect)
RESERVED_NAMES = frozenset({UNKNOWN_TOOL, ALL_TOOLS, *EFFECT_GROUPS})
MAX_INPUTS_BYTES = 64 * 1024 * 1024


class AttributeType(enum.StrEnum):
    """Types that a task or tenant attribute may have."""

    STRING = "string"
    LONG = "long"
    BOOL = "bool"
    DECIMAL = "decimal"
    SET_OF_STRING = "set_of_string"


class PolicyInputs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`version` is 1; attributes map a name to its type, and all of them are optional."""

    version: int
    contracts: tuple[Contract, ...] = ()
    task_attributes: dict[str, AttributeType] = {}
    tenant_attributes: dict[str, AttributeType] = {}


def read_inputs(path: Path) -> tuple[PolicyInputs | None, bytes, tuple[PolicyFinding, ...]]:
    """The inputs, the file's bytes (they enter the bundle's version) and what is wrong with it."""
    try:
        if path.stat().st_size > MAX_INPUTS_BYTES:
            return None, b"", (PolicyFinding(path.name, 0, "", "inputs", "the file is too large"),)
        content = path.read_bytes()
        inputs = msgspec.json.decode(content, type=PolicyInputs)
    except OSError as fault:
        text = f"the file cannot be read: {fault.strerror or type(fault).__name__}"
        return None, b"", (PolicyFinding(path.name, 0, "", "inputs", text),)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        return None, b"", (PolicyFinding(path.name, 0, "", "inputs", str(fault)),)
    findings = _faults(inputs, path.name)
    return (None if findings else inputs), content, findings


def _faults(inputs: PolicyInputs, file: str) -> tuple[PolicyFinding, ...]:
    texts: list[str] = []
    if inputs.version != 1:
        texts.append(f"version {inputs.version} is not known; this process reads version 1")
    seen: set[str] = set()
    for contract in inputs.contracts:
        if contract.name in RESERVED_NAMES:
            texts.append(f"no tool may be named {contract.name!r}; the name is reserved")
        if contract.name in seen:
            texts.append(f"two contracts are named {contract.name!r}")
        seen.add(contract.name)
    for owner, attributes in (
        ("task", inputs.task_attributes),
        ("tenant", inputs.tenant_attributes),
    ):
        texts += [
            f"no {owner} attribute may be named {name!r}; the name is reserved"
            for name in attributes
            if name.startswith("__")
        ]
    return tuple(PolicyFinding(file, 0, "", "inputs", text) for text in texts)
