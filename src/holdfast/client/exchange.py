"""What goes out and what comes back: one request and one answer, before anybody reads them."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Asked(NamedTuple):
    """One request: `target` is path and query as they are written.

    With a `key`, sent again, it finds what it made.
    """

    method: str
    target: str
    content: bytes | None
    key: str = ""


class Got(NamedTuple):
    """One answer, and what came with it to prove whose it is."""

    status: int
    body: bytes
    proof: str


class Way(Protocol):
    """How requests get to a server."""

    async def send(
        self, url: str, asked: Asked, headers: Mapping[str, str], timeout_s: float
    ) -> Got:
        """One request. Errors: Unavailable; OutcomeUnknown where a POST may have been done."""
        ...

    async def close(self) -> None:
        """Let go of what it holds; idempotent."""
        ...
