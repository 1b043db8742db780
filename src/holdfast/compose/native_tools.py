"""What a worker is told of each tool of a run: its definition, its class, and how to run it.

JSON without a secret: credentials are named by environment variable, and the worker looks them up.
Not here: running them (`integrations/native`).
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from holdfast.compose.config.model import Config, HttpTool, Implementation
from holdfast.compose.config.resolve import SessionPlan
from holdfast.core.delegation import DELEGATE_TOOL
from holdfast.core.price_table import PRICE_TABLE
from holdfast.core.prices import PriceBook
from holdfast.errors import ConfigInvalid
from holdfast.model.risk import RiskLevel
from holdfast.model.runs import RunPlan
from holdfast.model.tools import Contract

_SHIPPED = PriceBook(PRICE_TABLE)


def run_plan(config: Config, plan: SessionPlan) -> RunPlan:
    """The plan of a run by the house's own loop.

    Errors: ConfigInvalid for a tool that nothing implements.
    """
    return RunPlan(
        model=plan.model,
        system_prompt=plan.system_prompt,
        task_text=plan.task_text,
        max_output_tokens=plan.max_output_tokens,
        tools={name: _tool(config, plan, name) for name in plan.allowed_tools},
        mcp_servers=plan.mcp_servers,
        output=plan.output,
        context={"window_tokens": _window_tokens(config, plan.model), **plan.context},
        retries=plan.retries,
        approvers=plan.approvers,
    )


def _window_tokens(config: Config, model: str) -> int:
    """The model's context window, as its price says; 0 where it has none."""
    override = config.prices.overrides.get(model)
    if override is not None:
        return override.context_tokens
    price = _SHIPPED.find(model)
    return price.context_tokens if price is not None else 0


def is_native(config: Config, plan: SessionPlan) -> bool:
    """Whether the agent has tools that only the house's own loop can run."""
    return any(name in config.implementations for name in plan.allowed_tools)


def _tool(config: Config, plan: SessionPlan, name: str) -> dict[str, Any]:
    contract = config.tools[name]
    found = config.implementations.get(name)
    return {
        "definition": _definition(contract),
        "idempotency": str(contract.idempotency),
        "timeout_s": contract.timeout_s,
        "max_output_bytes": contract.max_output_bytes,
        "run": _run(config, plan, name, found),
    }


def _definition(contract: Contract) -> dict[str, Any]:
    schema = {"type": "object", **contract.input_schema}
    return {"description": contract.description, "input_schema": schema}


def _run(
    config: Config, plan: SessionPlan, name: str, found: Implementation | None
) -> dict[str, Any]:
    if name == DELEGATE_TOOL:
        return {"kind": "delegate"}
    if found is None:
        server, _, tool = name.removeprefix("mcp__").partition("__")
        if name.startswith("mcp__") and server in plan.mcp_servers:
            return {"kind": "mcp", "server": server, "tool": tool}
        raise ConfigInvalid(
            f"nothing implements the tool `{name}`: name it under `implementations`, or its server"
            " under `mcp_servers`",
            tool=name,
        )
    http = found.tenants.get(plan.tenant, found.http)
    if http is not None:
        return {"kind": "http", **_http(http)}
    folder = str(config.path.parent)
    return {"kind": "python", "target": found.python, "probe": found.probe, "folder": folder}


def _http(http: HttpTool) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(http)
    return shown


def with_refusals(config: Config) -> Iterator[Contract]:
    """The contracts that the guard knows.

    A BLOCK tool is declared so that policy can name it, and registered nowhere. Where a tool is
    behind HTTP, the statuses declared as `nothing_happened` are errors of its contract.
    """
    for name, contract in config.tools.items():
        if contract.risk is RiskLevel.BLOCK:
            continue
        found = config.implementations.get(name)
        http = [] if found is None else [x for x in (found.http, *found.tenants.values()) if x]
        told = {
            f"http_{s}": "the service did nothing" for one in http for s in one.nothing_happened
        }
        yield msgspec.structs.replace(contract, errors={**told, **contract.errors})
