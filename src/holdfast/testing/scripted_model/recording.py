"""What the server saw: one record a request, filled in while it is answered.

Times are monotonic seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class RecordedRequest:
    """One request: what came, when, what was played, and how it ended.

        `client_disconnected_at` is set only when the client left before the reply was complete.
    `events_sent` counts writes of a stream. `scenario`, `turn`, `attempt`, `usage` and
    `message_id` are set for messages only.
    """

    __slots__ = (
        "attempt",
        "client_disconnected_at",
        "events_sent",
        "finished_at",
        "first_byte_at",
        "headers",
        "json",
        "message_id",
        "method",
        "path",
        "query",
        "raw",
        "request_id",
        "scenario",
        "started_at",
        "status",
        "turn",
        "usage",
    )  # fmt: skip

    def __init__(self, method: str, path: str, query: str, headers: dict[str, str]) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.raw = b""
        self.json: Any = None
        self.started_at = time.monotonic()
        self.first_byte_at: float | None = None
        self.finished_at: float | None = None
        self.client_disconnected_at: float | None = None
        self.status: int | None = None
        self.request_id = ""
        self.scenario: str | None = None
        self.turn: int | None = None
        self.attempt: int | None = None
        self.message_id: str | None = None
        self.usage: dict[str, Any] | None = None
        self.events_sent = 0

    def summary(self) -> dict[str, Any]:
        """The record as JSON values.

        Headers are left out (they hold keys), and the body's size stands for its bytes.
        """
        kept = {
            name: getattr(self, name) for name in self.__slots__ if name not in ("headers", "raw")
        }
        return {**kept, "raw_bytes": len(self.raw)}

    def __repr__(self) -> str:
        return f"<{self.method} {self.path} {self.status} {self.scenario}/{self.turn}>"


class RequestLog:
    """The records of a server, oldest first.

    Past `limit` the oldest are dropped; `None` drops none, 0 keeps none.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.requests: list[RecordedRequest] = []
        self._limit = limit

    def add(self, record: RecordedRequest) -> None:
        """Keep one more record."""
        if self._limit == 0:
            return
        self.requests.append(record)
        if self._limit is not None and len(self.requests) > self._limit:
            del self.requests[0]

    def wait_for(
        self, condition: Callable[[list[RecordedRequest]], bool], timeout_s: float = 5.0
    ) -> None:
        """Block until `condition(requests)` holds; raises `TimeoutError`.

        It must not be called inside an event loop.
        """
        deadline = time.monotonic() + timeout_s
        while not condition(list(self.requests)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"condition not met after {timeout_s} s by {self.requests!r}")
            time.sleep(0.002)
