"""What the policy process must know of the configuration to build its schema.

One JSON document: `{"version": 1, "contracts": […], "task_attributes": {name: type},
"tenant_attributes": {name: type}}`. Types are inferred over every task and every tenant; a name
that has two types is a fault of the configuration.
"""

from collections.abc import Iterator, Mapping

import msgspec

from holdfast.compose.config.attributes import AttributeType, type_of
from holdfast.compose.config.model import AttributeValue, Config
from holdfast.compose.config.problems import key_path
from holdfast.errors import ConfigInvalid
from holdfast.model.tools import Contract

INPUTS_VERSION = 1

Owner = tuple[str, Mapping[str, AttributeValue]]


class PolicyInputs(msgspec.Struct, frozen=True, kw_only=True):
    """The document as a value."""

    version: int
    contracts: tuple[Contract, ...]
    task_attributes: dict[str, AttributeType]
    tenant_attributes: dict[str, AttributeType]


def policy_inputs(config: Config) -> bytes:
    """The document for the policy process: JSON, the same bytes for the same configuration.

    Errors: ConfigInvalid when an attribute has two types (a loaded configuration has none).
    """
    for owner, name, text in conflicting_types(config):
        raise ConfigInvalid(f"{owner}.attributes.{name}: {text}")
    document = PolicyInputs(
        version=INPUTS_VERSION,
        contracts=tuple(config.tools[name] for name in sorted(config.tools)),
        task_attributes=_types(_tasks(config)),
        tenant_attributes=_types(_tenants(config)),
    )
    return msgspec.json.encode(document, order="sorted")


def conflicting_types(config: Config) -> Iterator[tuple[str, str, str]]:
    """Owner's key path, attribute and fault, for each value that disagrees with an earlier one."""
    for owners in (_tasks(config), _tenants(config)):
        seen: dict[str, tuple[str, AttributeType]] = {}
        for owner, attributes in owners:
            for name, value in attributes.items():
                first, known = seen.setdefault(name, (owner, type_of(value)))
                if type_of(value) is not known:
                    text = f"this is a {type_of(value)}, but {first} says {known}"
                    yield owner, name, text


def _tasks(config: Config) -> list[Owner]:
    return [(key_path("tasks", name), task.attributes) for name, task in config.tasks.items()]


def _tenants(config: Config) -> list[Owner]:
    return [(key_path("tenants", n), tenant.attributes) for n, tenant in config.tenants.items()]


def _types(owners: list[Owner]) -> dict[str, AttributeType]:
    return {name: type_of(value) for _, found in owners for name, value in found.items()}
