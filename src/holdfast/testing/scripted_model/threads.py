"""Server-held threads: a request that carries only what is new, continued from an earlier reply.

Kept in memory, under the API key that created them. A reply can be continued once, as in the real
API.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .api_errors import ApiError, invalid

THREADS_BETA = "message-threads-2026-08-12"
THREAD_LIMIT = 10_000
_CREATE_ONLY = ("system", "tools")
_REFUSED = {
    "thread_already_continued": (
        "The response that `previous_message_id` names has already been continued, "
        "and each response can be continued only once."
    ),
    "thread_continue_in_flight": (
        "Another request is still continuing from the same `previous_message_id`."
    ),
}


class Held(msgspec.Struct):
    """The conversation up to one reply, and `open` or why it cannot be continued from there."""

    body: dict[str, Any]
    state: str = "open"


class Threads:
    """Conversations by (API key, id of their latest reply)."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Held] = {}

    def clear(self) -> None:
        """Forget every thread."""
        self._held.clear()

    def __len__(self) -> int:
        return len(self._held)

    def open(self, owner: str, body: dict[str, Any], betas: str) -> dict[str, Any]:
        """The whole conversation `body` stands for; `body` itself if it names no thread."""
        thread = body.get("thread")
        if thread is None:
            return body
        if THREADS_BETA not in betas:
            raise invalid("thread: Extra inputs are not permitted")
        if not isinstance(thread, dict) or thread.get("type") not in ("create", "continue"):
            raise invalid("thread.type: Input should be 'create' or 'continue'")
        if thread["type"] == "create":
            return body
        return self._continue(owner, body, thread.get("previous_message_id"))

    def _continue(self, owner: str, body: dict[str, Any], previous: Any) -> dict[str, Any]:
        if not isinstance(previous, str):
            raise invalid("thread.continue.previous_message_id: Field required")
        repeated = [field for field in _CREATE_ONLY if body.get(field) is not None]
        if repeated:
            raise invalid(f"{repeated[0]}: not permitted when continuing a thread")
        held = self._held.get((owner, previous))
        if held is None:
            raise _thread_error(
                404,
                "thread_not_found",
                "No usable Thread state was found for `previous_message_id`.",
            )
        if held.state != "open":
            raise _thread_error(400, held.state, _REFUSED[held.state])
        fresh = body.get("messages")
        if not isinstance(fresh, list):
            raise invalid("messages: Field required")
        created = {field: held.body[field] for field in _CREATE_ONLY if field in held.body}
        return {**body, **created, "messages": [*held.body["messages"], *fresh]}

    def begin(self, owner: str, body: dict[str, Any]) -> None:
        """Mark the reply that `body` continues as being continued."""
        self._mark(owner, body, "thread_continue_in_flight")

    def abandon(self, owner: str, body: dict[str, Any]) -> None:
        """The reply to `body` was not finished: what it continues may be continued again."""
        self._mark(owner, body, "open")

    def keep(
        self,
        owner: str,
        body: dict[str, Any],
        whole: dict[str, Any],
        reply_id: str,
        content: list[Any],
    ) -> None:
        """Hold the conversation `whole` with its finished reply, if `body` asked for a thread."""
        if body.get("thread") is None:
            return
        self._mark(owner, body, "thread_already_continued")
        messages = [*whole["messages"], {"role": "assistant", "content": content}]
        held = {field: whole[field] for field in _CREATE_ONLY if whole.get(field) is not None}
        self._held[(owner, reply_id)] = Held({**held, "messages": messages})
        if len(self._held) > THREAD_LIMIT:
            del self._held[next(iter(self._held))]

    def _mark(self, owner: str, body: dict[str, Any], state: str) -> None:
        thread = body.get("thread")
        if isinstance(thread, dict) and thread.get("type") == "continue":
            held = self._held.get((owner, str(thread.get("previous_message_id"))))
            if held is not None:
                held.state = state


def _thread_error(status: int, code: str, message: str) -> ApiError:
    return ApiError(status, message, details={"error_code": code})
