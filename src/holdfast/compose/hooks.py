"""The hooks of the configuration, each in the host process of the agent that it is asked for.

A check looks at their files (`missing`), loads them where it may run code (`unloadable`), or asks
them about a moment that somebody made up (`tried`). Not here: their processes
(`backends/hook_host`), what follows an answer (`runtime`).
"""

import ast
import asyncio
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from holdfast.backends.hook_host import HookHosts
from holdfast.compose.config.model import Config
from holdfast.compose.config.model import Hooks as HookSettings
from holdfast.compose.sandboxes import sandbox
from holdfast.errors import ConfigInvalid
from holdfast.model import bodies
from holdfast.model.events import Record
from holdfast.model.hooks import HookInput, HookPoint
from holdfast.model.principals import Principal
from holdfast.ports.hooks import HookFault
from holdfast.runtime.hooks import HookResult, Hooks, HookSet

WITHOUT = {
    "claude_code, agent_sdk": (
        "on_context_overflow: the client compacts by itself, so a hook may only refuse to let it;"
        " on_error: a further try, a smaller context and another tool are the client's to make, so"
        " `retry_smaller` and `skip` end the tries"
    ),
    "own loop, relay": (
        "on_context_overflow: reached when the provider refuses the conversation; what is given up"
        " is the loop's to do, which reads it from the refusal's headers"
    ),
}
"""Doors that do not own a moment that hooks are for, and what they make of it."""


async def hook_sets(hosts: HookHosts, config: Config) -> tuple[HookSet, dict[str, HookSet]]:
    """Those of the file, and those of the agents that have their own. Errors: ConfigInvalid."""
    own = {name: agent.hooks for name, agent in config.agents.items() if agent.hooks}
    return (
        await _hook_set(hosts, config.hooks),
        {name: await _hook_set(hosts, hooks) for name, hooks in own.items()},
    )


async def _hook_set(hosts: HookHosts, settings: HookSettings) -> HookSet:
    """One set of hooks, each loaded once to see that it can be."""
    points = by_point(settings)
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


def by_point(settings: HookSettings) -> dict[HookPoint, tuple[str, ...]]:
    """The names of the functions at each point."""
    return {
        HookPoint.PRE_TOOL: settings.pre_tool,
        HookPoint.POST_TOOL: settings.post_tool,
        HookPoint.ON_CONTEXT_OVERFLOW: settings.on_context_overflow,
        HookPoint.ON_ERROR: settings.on_error,
    }


def of_agents(config: Config) -> Iterator[tuple[str, HookSettings]]:
    """The hooks of the file, under an empty name, and of each agent that has its own."""
    yield "", config.hooks
    for name, agent in config.agents.items():
        if agent.hooks:
            yield name, agent.hooks


def named(config: Config) -> tuple[str, ...]:
    """Every function that is named, once."""
    every = (n for _, one in of_agents(config) for names in by_point(one).values() for n in names)
    return tuple(dict.fromkeys(every))


def missing(config: Config) -> tuple[str, ...]:
    """Hooks that are not where they are said to be, by their files alone: no code runs."""
    told = ((name, _fault(config.path.parent, name)) for name in named(config))
    return tuple(f"hooks: `{name}` {fault}" for name, fault in told if fault)


def _fault(folder: Path, name: str) -> str:
    module, _, function = name.partition(":")
    where = folder.joinpath(*module.split("."))
    found = next(
        (p for p in (where.with_suffix(".py"), where / "__init__.py") if p.is_file()), None
    )
    if found is None:
        return "" if _installed(module) else f"has no module `{module}` here, and none is installed"
    try:
        tree = ast.parse(found.read_bytes(), str(found))
    except (SyntaxError, ValueError, OSError, RecursionError) as fault:
        return f"cannot be read: {type(fault).__name__} in `{found.name}`"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return "must be an `async def` function"
    # Whatever a module does to its names while it loads is seen when it is loaded.
    known = any(
        isinstance(node, ast.Name | ast.alias | ast.AsyncFunctionDef)
        and function in (getattr(node, "id", ""), getattr(node, "name", ""), _as(node))
        for node in ast.walk(tree)
    )
    starred = any(isinstance(node, ast.alias) and node.name == "*" for node in ast.walk(tree))
    return "" if known or starred else f"names nothing: `{found.name}` has no `{function}`"


def _as(node: ast.AST) -> str:
    return node.asname or "" if isinstance(node, ast.alias) else ""


def _installed(module: str) -> bool:
    """Whether its outermost package is there; looking deeper would run its code."""
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


async def unloadable(config: Config) -> tuple[str, ...]:
    """Hooks that do not load in their host process: their modules are run there, and ended."""
    hosts = _hosts(config)
    try:
        await hook_sets(hosts, config)
    except ConfigInvalid as fault:
        return (f"hooks: {fault.message}",)
    finally:
        await hosts.close()
    return ()


def unfit(config: Config, *, imports: bool) -> tuple[str, ...]:
    """What is wrong with the hooks: by their files, and where code may run, by loading them."""
    return missing(config) or (asyncio.run(unloadable(config)) if imports else ())


def _hosts(config: Config) -> HookHosts:
    return HookHosts(config.path.absolute().parent, os.environ, sandbox())


class _Notes:
    """Keeps the records of hooks that are tried; nothing of them is journalled."""

    def __init__(self) -> None:
        self.ran: list[bodies.HookRan] = []

    def record(self, body: bodies.Body, who: Principal | None, /, **flat: Any) -> Record:
        """One record, of this moment alone."""
        if isinstance(body, bodies.HookRan):
            self.ran.append(body)
        return Record(kind=bodies.KINDS[type(body)], at_ns=0)


async def tried(config: Config, given: HookInput) -> tuple[HookResult, tuple[bodies.HookRan, ...]]:
    """What the hooks of an agent say of a moment, and what each of them did.

    Errors: ConfigInvalid for one that cannot be loaded.
    """
    hosts, notes = _hosts(config), _Notes()
    try:
        default, by_agent = await hook_sets(hosts, config)
        return await Hooks(notes, default, by_agent).run(given), tuple(notes.ran)
    finally:
        await hosts.close()
