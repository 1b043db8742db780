"""Providers out of their settings."""

import pytest

from holdfast.compose.config.model import UpstreamConfig
from holdfast.compose.upstreams import providers
from holdfast.errors import ConfigInvalid
from holdfast.testing.clock import FakeClock


def test_an_address_that_names_no_host_is_a_fault_of_the_configuration():
    odd = UpstreamConfig(name="main", base_url="https://\u00fc..example", api_key_env="KEY")
    with pytest.raises(ConfigInvalid, match=r"upstreams\.main\.base_url"):
        providers({"main": odd}, {"KEY": "k"}, FakeClock())


def test_each_key_of_an_upstream_is_a_door_of_its_own():
    two = UpstreamConfig(name="main", api_key_envs=("A", "B"))
    found = providers({"main": two}, {"A": "a", "B": "b"}, FakeClock())
    assert [door.name for door in found["main"].doors] == ["key 1", "key 2"]
