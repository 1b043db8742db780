"""LiteLLM's custom authentication for the benchmark: runs inside LiteLLM's own environment.

A token says what it may do, as no database holds keys: `open` is unlimited, `key-<usd>-<n>` a
virtual key with a budget, `agent-<name>-<n>` a key of a configured agent with a session cap.
"""

from litellm.proxy._types import UserAPIKeyAuth  # type: ignore[import-not-found]
from litellm.proxy.agent_endpoints.agent_registry import (  # type: ignore[import-not-found]
    global_agent_registry,
)


async def user_api_key_auth(request: object, api_key: str) -> UserAPIKeyAuth:  # noqa: ARG001
    """What LiteLLM is to enforce for a token."""
    kind, _, rest = api_key.partition("-")
    if kind == "key":
        budget = float(rest.partition("-")[0])
        return UserAPIKeyAuth(api_key=api_key, token=api_key, max_budget=budget, spend=0.0)
    if kind == "agent":
        agents = {a.agent_name: a.agent_id for a in global_agent_registry.get_agent_list()}
        name = rest.partition("-")[0]
        return UserAPIKeyAuth(api_key=api_key, token=api_key, agent_id=agents[name])
    return UserAPIKeyAuth(api_key=api_key, token=api_key)
