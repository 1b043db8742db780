"""What goes out and what comes back: one request and one answer, before anybody reads them."""

from typing import NamedTuple


class Asked(NamedTuple):
    """One request: `target` is path and query as they are written."""

    method: str
    target: str
    content: bytes | None


class Got(NamedTuple):
    """One answer, and what came with it to prove whose it is."""

    status: int
    body: bytes
    proof: str
