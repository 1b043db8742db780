"""Whatever stands in a file: a Config or a ConfigInvalid that names places, nothing else."""

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from holdfast.compose.config import Config, parse_agent, parse_config, policy_inputs, resolve
from holdfast.compose.config.schema import config_schema
from holdfast.errors import ConfigInvalid

NAME = Path("holdfast.yaml")
FULL = (Path(__file__).parent / "examples" / "full.yaml").read_text()
TREE = yaml.safe_load(FULL)
WHOLE = parse_config(FULL.encode(), NAME)
SCHEMA = jsonschema_rs.validator_for(config_schema())
PLACED = re.compile(r"holdfast\.yaml:[1-9]\d*:[1-9]\d*: .+|and \d+ more problems")


def outcome(content: bytes) -> Config | ConfigInvalid:
    """What loading gives; any other exception fails the test that asked."""
    found: Config | ConfigInvalid
    try:
        found = parse_config(content, NAME, builtin={})
    except ConfigInvalid as fault:
        found = fault
    assert isinstance(found, Config) or is_placed(found)
    return found


def is_placed(fault: ConfigInvalid) -> bool:
    """Whether every line of the message names a place."""
    lines = fault.message.splitlines()
    return bool(lines) and all(PLACED.fullmatch(line) for line in lines)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_configuration_or_a_named_fault(content):
    outcome(content)
    with pytest.raises(ConfigInvalid) as caught:
        parse_agent(content, Path("holdfast.yaml"), WHOLE)
    assert is_placed(caught.value)


@given(st.text(alphabet="[]{}&*!|>%@`\"'\\-:,?#~<=.0123456789_aeUxu \n\t\ud800\u202e", max_size=80))
def test_any_yaml_noise_is_a_configuration_or_a_named_fault(text):
    outcome(text.encode("utf-8", "surrogatepass"))
    outcome(b"version: 1\nserver: " + text.encode("utf-8", "surrogatepass"))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["none", "*", "1e999999", "9" * 60, "${x}", "a:b", "-0.0", "\0", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path of a tree of mappings and lists."""
    found = [path] if path else []
    entries = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, value in entries:
        found += places(value, (*path, key))
    return found


PLACES = places(TREE)


def with_value(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of the tree with another value at the path."""
    if not path:
        return value
    copy = tree.copy()
    copy[path[0]] = with_value(tree[path[0]], path[1:], value)
    return copy


@given(st.sampled_from(PLACES), VALUES)
def test_any_value_anywhere_is_a_configuration_or_a_named_fault(path, value):
    content = msgspec.json.encode(with_value(TREE, path, value)) if encodable(value) else b""
    found = outcome(content)
    if isinstance(found, Config):
        msgspec.json.decode(policy_inputs(found))
        if "support-desk" in found.agents and "acme" in found.tenants:
            try_resolve(found)


def try_resolve(config: Config) -> None:
    tenant = config.tenants["acme"]
    if "*" in tenant.users and len(config.tenants) == 1 and len(tenant.projects) == 1:
        msgspec.json.encode(resolve(config, agent="support-desk", user="zoe"))


def encodable(value: Any) -> bool:
    try:
        msgspec.json.encode(value)
    except (UnicodeEncodeError, msgspec.MsgspecError, ValueError, OverflowError):
        return False
    return True


@given(st.sampled_from(PLACES), VALUES.filter(encodable))
def test_what_the_published_schema_refuses_the_loader_refuses_too(path, value):
    content = msgspec.json.encode(with_value(TREE, path, value))
    if not SCHEMA.is_valid(msgspec.json.decode(content)):
        found = outcome(content)
        assert isinstance(found, ConfigInvalid)


@given(
    st.sampled_from([p for p in PLACES if isinstance(p[-1], str)]), st.text("abcxyz_", min_size=1)
)
def test_a_misspelt_key_is_named_on_its_line(path, tail):
    lines = yaml.safe_dump(
        with_key(TREE, path, "zz_" + tail), sort_keys=False, width=10**6
    ).splitlines()
    numbers = [n for n, line in enumerate(lines, 1) if "zz_" + tail in line]
    found = outcome("\n".join(lines).encode())
    if isinstance(found, ConfigInvalid) and "unknown key" in found.message:
        told = [x for x in found.message.splitlines() if "unknown key" in x]
        assert any(x.startswith(f"holdfast.yaml:{n}:") for x in told for n in numbers)


def with_key(tree: Any, path: tuple[Any, ...], key: str) -> Any:
    """A copy of the tree with the last key of the path renamed."""
    if len(path) == 1:
        return {(key if k == path[0] else k): v for k, v in tree.items()}
    copy = tree.copy()
    copy[path[0]] = with_key(tree[path[0]], path[1:], key)
    return copy
