"""The declared tools of a configuration, held to its own standard.

Not here: the rules (`core/tool_standard`), what MCP servers say (`compose/tool_catalogue`).
"""

import enum
from collections.abc import Iterator

from holdfast.compose.config.model import Config
from holdfast.core.builtin_tools import BUILTIN_TOOLS
from holdfast.model.tool_standard import Level, Shortfall
from holdfast.model.tools import Idempotency

MCP_PREFIX = "mcp__"
_BUILTIN = frozenset(contract.name for contract in BUILTIN_TOOLS)


class Kind(enum.StrEnum):
    """What runs a tool; `caller` is whatever program asks for the decision."""

    PYTHON = "python"
    HTTP = "http"
    MCP = "mcp"
    BUILTIN = "builtin"
    CALLER = "caller"


def kind_of(config: Config, tool: str) -> Kind:
    """What runs a tool, as far as the settings say."""
    found = config.implementations.get(tool)
    if found is not None:
        return Kind.PYTHON if found.python else Kind.HTTP
    if tool in _BUILTIN:
        return Kind.BUILTIN
    return Kind.MCP if tool.startswith(MCP_PREFIX) else Kind.CALLER


def contract_shortfalls(config: Config, tool: str) -> tuple[Shortfall, ...]:
    """Where one declared tool falls short of the project's standard."""
    # What is looked at here most settings do not ask for.
    from holdfast.core.tool_standard import judged, without_probe  # noqa: PLC0415

    contract, standard = config.tools[tool], config.tool_standard
    found = judged(contract, standard, named_by_us=tool not in _BUILTIN)
    if contract.idempotency is Idempotency.PROBE and not _can_probe(config, tool):
        found += without_probe(tool, standard)
    return found


def enforced(config: Config) -> Iterator[Shortfall]:
    """What keeps settings from loading: all that breaks the standard with `enforce`.

    Without it, a description that does not say what a tool does, when, and what it leaves: it is
    all that a model and a reviewer have. An organisation may set its level.
    """
    enforce = config.tool_standard.enforce
    for tool in sorted(config.declared_tools):
        for shortfall in contract_shortfalls(config, tool):
            if shortfall.level is Level.ERROR and (enforce or shortfall.rule == "description"):
                yield shortfall


def _can_probe(config: Config, tool: str) -> bool:
    found = config.implementations.get(tool)
    if found is None:
        # Nobody of ours runs it again; of an MCP server's tool the house's own loop would.
        return kind_of(config, tool) is not Kind.MCP
    if found.python:
        # A decorated function was not registered without its probe; a plain one is not looked into.
        return True
    requests = (found.http, *found.tenants.values())
    return all(request.probe_url for request in requests if request is not None)
