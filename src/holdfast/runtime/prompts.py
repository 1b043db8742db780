"""Prompts that came by Claude Code's own hooks, and when their words are the user's.

The token of a hook is in the CLI's environment, where a tool of the agent could find it. So such a
prompt vouches only where three things hold: whoever opened the session saw that tools cannot read
the token (`sealed`), no process that a tool could have started is alive, and the next request of
the conversation carries the same text as what its user just said. Else it is recorded, no more.

Not here: prompts of a program that holds the session's own token (`runtime/outcomes`).
"""

from typing import Any

from holdfast.core.messages import ModelRequest
from holdfast.model import bodies
from holdfast.runtime.journal import Journal
from holdfast.runtime.live import LiveSession
from holdfast.runtime.processes import Fence

_KEPT_CHARACTERS = 20_000
_MOST_BLOCKS = 200


class Prompts:
    """Takes prompts as pending, and vouches for those that the model is really asked with."""

    def __init__(self, fence: Fence, journal: Journal) -> None:
        self._fence = fence
        self._journal = journal

    async def submitted(self, live: LiveSession, text: str) -> None:
        """A hook told of this prompt; the one before it, if it is still pending, is given up."""
        live.pending_prompt = ""
        may = live.session.sealed and not live.session.delegated_by and text.strip()
        if may and len(text) <= _KEPT_CHARACTERS and await self._fence.alone(live):
            live.pending_prompt = text

    async def confirm(self, live: LiveSession, request: ModelRequest) -> None:
        """The next request of the conversation: vouch for the pending prompt, or give it up.

        A request without tools is a side call of the client (a title), and decides nothing.
        """
        text = live.pending_prompt
        if not text or not request.tool_names:
            return
        live.pending_prompt = ""
        if text not in _fresh(request.fields.get("messages")) or not await self._fence.alone(live):
            return
        live.vouched.trust(text)
        body = bodies.PromptConfirmed(text=text)
        await self._journal.commit([self._journal.record(body, live.who)])


def _fresh(messages: Any) -> tuple[str, ...]:
    """The texts of the last message, where it is the user's and answers no tool.

    What the client itself says of where it runs (`system`) may stand behind it.
    """
    last: Any = None
    for last in reversed(messages if isinstance(messages, list) else []):
        if not isinstance(last, dict) or last.get("role") != "system":
            break
    if not isinstance(last, dict) or last.get("role") != "user":
        return ()
    content = last.get("content")
    if isinstance(content, str):
        return (content,)
    blocks = content[-_MOST_BLOCKS:] if isinstance(content, list) else []
    if any(isinstance(one, dict) and one.get("type") == "tool_result" for one in blocks):
        return ()
    return tuple(
        str(one.get("text", ""))
        for one in blocks
        if isinstance(one, dict) and one.get("type") == "text"
    )
