"""What an agent file that is sent would lift, or run: neither is for whoever only holds a token.

Pure. An operator may bring an agent of their own, within what the settings give an agent of that
name, or any agent. Commands are named in files on the owner's disk alone: a file that is sent may
say which of those servers it uses, and not what one runs. Not here: who is asked (`approvers`).
"""

import msgspec

from holdfast.compose.config import AgentConfig, Config, SessionPlan
from holdfast.compose.config.resolve import limits_of, loop_of
from holdfast.errors import InvalidRequest
from holdfast.model.budgets import Limit, Scope
from holdfast.model.principals import TrustLevel
from holdfast.model.sessions import LoopLimits

LIFTS = "the agent file lifts `{lifts}` above what holdfast.yaml gives"
_TRUST = tuple(TrustLevel)
# Each of these bounds what a session may do; the others tune what counts as news.
_BOUNDS = ("max_turns", "max_tool_calls", "turn_timeout_s", "wall_clock_s")


def lifted(config: Config, agent: AgentConfig, plan: SessionPlan) -> str:
    """The first bound of the settings that an agent file lifts; empty when it lifts none."""
    usual = config.agents.get(agent.name) or AgentConfig(name=agent.name, model=agent.model)
    if _TRUST.index(agent.trust) > _TRUST.index(usual.trust):
        return "trust"
    loop = loop_of(config, usual, agent.profile)
    for name in _BOUNDS:
        if getattr(plan.loop, name) > getattr(loop, name):
            return f"loop.{name}"
    if plan.loop.each_prompt and not loop.each_prompt:
        return "profile"
    return _lifted_limit(config, usual, loop, plan)


def _lifted_limit(config: Config, usual: AgentConfig, loop: LoopLimits, plan: SessionPlan) -> str:
    held = {_key(limit): limit.amount for limit in plan.limits}
    for limit in limits_of(config, Scope.SESSION, usual.limits, loop):
        amount = held.get(_key(limit))
        if amount is None or amount > limit.amount:
            return f"limits.{limit.dimension}"
    return ""


def _key(limit: Limit) -> tuple[str, str, str]:
    return (limit.scope, limit.dimension, limit.window)


def check_servers(config: Config, agent: AgentConfig) -> None:
    """A worker starts no server that the settings do not declare, word for word, by that name.

    Errors: InvalidRequest.
    """
    declared = [(name, told) for one in config.agents.values() for name, told in _servers(one)]
    for name, told in _servers(agent):
        if (name, told) not in declared:
            raise InvalidRequest(
                f"an agent file that is sent cannot say what the server `{name[:64]}` runs or"
                " where it is: declare it for an agent of holdfast.yaml, and repeat it here",
                field="agent_file.mcp_servers",
            )


def _servers(agent: AgentConfig) -> list[tuple[str, bytes]]:
    told = agent.mcp_servers.items()
    return [(name, msgspec.json.encode(one, order="sorted")) for name, one in told]
