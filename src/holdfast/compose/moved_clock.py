"""Where a clock may be moved by hand: in a project of tests alone, with no provider behind it.

A clock that is ahead opens budget windows and ends sessions, and the journal keeps its times for
good. So a state folder that was served by one is served by none that follows the machine.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from holdfast.compose.config.model import Config, Vendor
from holdfast.compose.config.names import is_loopback
from holdfast.compose.storage import DATABASE
from holdfast.errors import ConfigInvalid

_REAL_KEYS = ("sk-ant-api", "sk-ant-oat", "sk-ant-admin")


def check_clock(
    config: Config, environment: Mapping[str, str], *, asked: bool, marked: bool
) -> None:
    """Whether a moved clock may serve; `marked` is a state folder that one served before.

    Errors: ConfigInvalid when one is asked for where none may be, or not where one has been.
    """
    if not asked:
        raise ConfigInvalid(
            f"`{config.state_path}` was served by a test clock, and its times are made up:"
            " start with `--test-clock`, or remove it"
        )
    fault = _fault(config, environment)
    if fault:
        raise ConfigInvalid(f"no test clock here: {fault}")
    if not marked and _served_before(config):
        raise ConfigInvalid(
            f"no test clock here: `{config.state_path}` holds what was done in real time; use a"
            " folder of its own"
        )


def _fault(config: Config, environment: Mapping[str, str]) -> str:
    if not config.server.test_project:
        return "holdfast.yaml does not say `server: {test_project: true}`"
    if config.store is not None:
        return "the store is a database elsewhere, whose clock others share"
    if config.gateway.processes:
        return "gateway processes have clocks of their own; leave `gateway.processes` out"
    for name, upstream in config.upstreams.items():
        if upstream.vendor is not Vendor.ANTHROPIC or not is_loopback(_host(upstream.base_url)):
            return f"the upstream `{name}` is a real provider; a test project has a scripted model"
        for variable in upstream.api_key_envs or (upstream.api_key_env,):
            if environment.get(variable, "").startswith(_REAL_KEYS):
                return f"`{variable}` holds a provider's real key"
    return ""


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _served_before(config: Config) -> bool:
    return (config.state_path / DATABASE).exists()
