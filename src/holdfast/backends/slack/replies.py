"""Messages to the address that Slack gives with a press of a button.

Only addresses of Slack's own are posted to. Not here: what is said (`apps/control/slack`).
"""

import asyncio
import http.client
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

HOST = "hooks.slack.com"
_TRIES = 3
_PAUSE_S = 0.5
_TIMEOUT_S = 5.0


class Replies:
    """Posts messages, and says in the log's words which did not arrive."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    async def send(self, url: str, message: dict[str, Any]) -> None:
        """Post one, a few times where Slack does not take it; nothing is raised."""
        path = _path_of(url)
        if not path:
            self._say("an answer to Slack was not sent: its address is not one of Slack's")
            return
        body = msgspec.json.encode(message)
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(_PAUSE_S * 2**attempt)
            status = await asyncio.to_thread(_posted, path, body)
            if 200 <= status < 300:
                return
        self._say(f"an answer to Slack did not arrive in {_TRIES} tries; the journal has it")


def _path_of(url: str) -> str:
    """Where at Slack it is; empty for what is elsewhere."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    own = parts.scheme == "https" and parts.netloc == HOST
    return (parts.path or "/") if own else ""


def _posted(path: str, body: bytes) -> int:
    """The status, 0 where there was none."""
    context = ssl.create_default_context()
    connection = http.client.HTTPSConnection(HOST, timeout=_TIMEOUT_S, context=context)
    try:
        connection.request("POST", path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read(64 * 1024)
        return answer.status
    except (OSError, http.client.HTTPException, ValueError):
        return 0
    finally:
        connection.close()
