"""Configuration: `holdfast.yaml` and agent files to checked values, and to what a session gets.

Not here: wiring (`compose`), policies (Cedar files, read by the policy process).
"""

from holdfast.compose.config.load import load_agent, load_config, parse_agent, parse_config
from holdfast.compose.config.model import AgentConfig, Config
from holdfast.compose.config.policy_inputs import policy_inputs
from holdfast.compose.config.resolve import SessionPlan, resolve

__all__ = [
    "AgentConfig",
    "Config",
    "SessionPlan",
    "load_agent",
    "load_config",
    "parse_agent",
    "parse_config",
    "policy_inputs",
    "resolve",
]
