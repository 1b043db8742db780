"""What goes out and what comes back: one request and one answer, before anybody reads them."""

from typing import NamedTuple


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
