"""The hooks of the configuration, each in the host process of the agent that it is asked for."""

from holdfast.backends.hook_host import HookHosts
from holdfast.compose.config.model import Config
from holdfast.compose.config.model import Hooks as HookSettings
from holdfast.errors import ConfigInvalid
from holdfast.model.hooks import HookPoint
from holdfast.ports.hooks import HookFault
from holdfast.runtime.hooks import HookSet


async def hook_sets(hosts: HookHosts, config: Config) -> tuple[HookSet, dict[str, HookSet]]:
    """Those of the file, and those of the agents that have their own. Errors: ConfigInvalid."""
    own = {name: agent.hooks for name, agent in config.agents.items() if agent.hooks}
    return (
        await _hook_set(hosts, config.hooks),
        {name: await _hook_set(hosts, hooks) for name, hooks in own.items()},
    )


async def _hook_set(hosts: HookHosts, settings: HookSettings) -> HookSet:
    """One set of hooks, each loaded once to see that it can be."""
    points = {
        HookPoint.PRE_TOOL: settings.pre_tool,
        HookPoint.POST_TOOL: settings.post_tool,
        HookPoint.ON_CONTEXT_OVERFLOW: settings.on_context_overflow,
        HookPoint.ON_ERROR: settings.on_error,
    }
    names = [name for at_point in points.values() for name in at_point]
    try:
        if names:
            await hosts.check(names, settings.environment)
    except HookFault as fault:
        raise ConfigInvalid(f"the hook {fault}") from fault
    hooks = {
        point: tuple(
            (name, hosts.hook(name, settings.timeout_s, settings.environment)) for name in at_point
        )
        for point, at_point in points.items()
    }
    return HookSet(hooks, None)
