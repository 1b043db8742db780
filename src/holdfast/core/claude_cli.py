"""Claude Code's versions, as it names them in the user agent of every model request.

Not here: which sessions rest on its hooks (`runtime/hooked`), what it is told of its task
(`runtime/clearing`).
"""

import re

CLOSED_SINCE = (2, 1, 295)
"""The first version whose settings keep a call from running when nobody answers its hook."""

AGENT_ID = "x-claude-code-agent-id"
"""The header by which it names one of its sub-agents."""
_NAME = "claude-cli"
# At most six digits: what is longer is no version, and would be read for long.
_VERSION = re.compile(
    r"claude-cli/(\d{1,6})\.(\d{1,6})\.(\d{1,6})(-[0-9A-Za-z.-]{1,64})?(?:[\s+]|$)", re.ASCII
)
_EMBEDDED = re.compile(r"\bsdk-(?:py|ts)\b", re.ASCII)


def is_cli(user_agent: str) -> bool:
    """Whether this is Claude Code or what the Agent SDK runs, by its own word."""
    return user_agent.strip().lower().startswith(_NAME)


def runs_without_hooks(user_agent: str) -> bool:
    """Whether this is a Claude Code that goes on without its hooks when the server is gone.

    True as well for one whose version cannot be read; False for every other client.
    """
    if not is_cli(user_agent):
        return False
    found = _VERSION.match(user_agent.strip())
    if found is None:
        return True
    version = tuple(int(part) for part in found.groups()[:3])
    # A pre-release comes before the version that it leads to.
    return version < CLOSED_SINCE or (version == CLOSED_SINCE and found[4] is not None)


def embedded(user_agent: str) -> bool:
    """Whether the Agent SDK runs it: its hooks are the program's, not those of a settings file."""
    return _EMBEDDED.search(user_agent) is not None
