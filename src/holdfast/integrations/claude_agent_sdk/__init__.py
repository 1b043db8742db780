"""The door for the Claude Agent SDK: three lines put a session's options under Holdfast.

    session = await connect().sessions.open(agent="support-desk", user="ann")
    options = govern(ClaudeAgentOptions(...), session)
    async for message in query(prompt=..., options=options): ...

It translates and holds no rule of its own: every decision is the server's.
"""

from .contexts import tool_context
from .govern import govern
from .session_store import HoldfastSessionStore

__all__ = ["HoldfastSessionStore", "govern", "tool_context"]
