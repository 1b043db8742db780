"""Every tool that a project declares, who is granted it, and how far each meets the standard.

Pure over the settings, and over what MCP servers listed. Not here: asking a server
(`integrations/native/mcp_listing`), the rules (`core/tool_standard`, `compose/config/tool_checks`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from holdfast.compose.config.model import Config
from holdfast.compose.config.tool_checks import MCP_PREFIX, Kind, contract_shortfalls, kind_of
from holdfast.core.tool_standard import (
    absent,
    compared,
    judged_definition,
    server_fault,
)
from holdfast.errors import NotFound
from holdfast.model.tool_standard import Definition, Level, ServerListing, Shortfall, ToolStandard
from holdfast.model.tools import Contract


class CatalogueEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One tool. `declared` is false for a builtin tool with the contract that ships."""

    tool: str
    effect: str
    idempotency: str
    kind: Kind
    risk: str
    agents: tuple[str, ...]
    declared: bool


class LintReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the standard says of the tools; `ok` when no rule of level error is broken."""

    ok: bool
    tools: int
    servers: int
    errors: int
    warnings: int
    findings: tuple[Shortfall, ...]


def catalogue(config: Config) -> tuple[CatalogueEntry, ...]:
    """The declared tools and the builtin ones that an agent is granted, by name."""
    granted: dict[str, list[str]] = {}
    for agent in config.agents.values():
        for tool in agent.tools:
            granted.setdefault(tool, []).append(agent.name)
    names = config.declared_tools | granted.keys() | config.implementations.keys()
    return tuple(
        _entry(config, config.tools[name], tuple(granted.get(name, ())))
        for name in sorted(names)
        if name in config.tools
    )


def _entry(config: Config, contract: Contract, agents: tuple[str, ...]) -> CatalogueEntry:
    return CatalogueEntry(
        tool=contract.name,
        effect=str(contract.effect),
        idempotency=str(contract.idempotency),
        kind=kind_of(config, contract.name),
        risk=contract.risk.name,
        agents=agents,
        declared=contract.name in config.declared_tools,
    )


def servers(config: Config, names: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """The MCP servers of all agents by name, or those named; two that differ are `name@agent`.

    Errors: NotFound for a name that no agent has.
    """
    wanted = set(names)
    found: dict[str, dict[str, Any]] = {}
    for agent in config.agents.values():
        for name, told in agent.mcp_servers.items():
            if wanted and name not in wanted:
                continue
            shape = told if isinstance(told, dict) else {}
            same = found.get(name, shape) == shape
            found[name if same else f"{name}@{agent.name}"] = shape
    unknown = wanted - {name.partition("@")[0] for name in found}
    if unknown:
        raise NotFound(f"no agent has an MCP server `{min(unknown)}`")
    return found


def lint_report(config: Config, listings: Iterable[ServerListing] = ()) -> LintReport:
    """Hold the declared tools to the project's standard, and what servers list to both."""
    listed = tuple(listings)
    names = sorted(config.declared_tools)
    findings = [shortfall for name in names for shortfall in contract_shortfalls(config, name)]
    for listing in listed:
        findings += server_shortfalls(config, listing)
    count = Counter(finding.level for finding in findings)
    return LintReport(
        ok=not count[Level.ERROR],
        tools=len(names) + sum(len(listing.definitions) for listing in listed),
        servers=len(listed),
        errors=count[Level.ERROR],
        warnings=count[Level.WARN],
        findings=tuple(findings),
    )


def server_shortfalls(config: Config, listing: ServerListing) -> list[Shortfall]:
    """What one server lists, held to the standard and to the contracts declared for it."""
    standard: ToolStandard = config.tool_standard
    server = listing.server.partition("@")[0]
    found: list[Shortfall] = []
    if listing.fault:
        found += server_fault(listing.server, listing.fault, standard)
    offered: dict[str, Definition] = {}
    for definition in listing.definitions:
        tool = f"{MCP_PREFIX}{server}__{definition.name}"
        if tool in offered:
            found += server_fault(listing.server, f"it lists `{definition.name}` twice", standard)
        offered[tool] = definition
        found += judged_definition(tool, definition, standard)
        contract = config.tools.get(tool) if tool in config.declared_tools else None
        found += compared(tool, contract, definition, standard)
    if not listing.fault:
        found += _absent(config, server, offered)
    return found


def _absent(config: Config, server: str, offered: Mapping[str, Definition]) -> list[Shortfall]:
    start = f"{MCP_PREFIX}{server}__"
    return [
        shortfall
        for tool in sorted(config.declared_tools)
        if tool.startswith(start) and tool not in offered and tool not in config.implementations
        for shortfall in absent(tool, server, config.tool_standard)
    ]
