"""What the gateway needs of a model provider: forward bytes, stream bytes back."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

import msgspec

from holdfast.errors import UpstreamUnavailable


class Cleared:
    """One request that may leave, as it goes to a provider.

    Only admission makes one (`runtime/clearing`), and `Upstream.send` takes nothing else: what
    nobody admitted cannot be sent.
    """

    __slots__ = ("body", "headers", "method", "path")
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | memoryview
    """A view is of a large one: it goes in pieces."""

    def __init__(self) -> None:
        raise TypeError("a request is cleared by admission alone, see `runtime/clearing`")

    @classmethod
    def _of(
        cls, method: str, path: str, headers: Mapping[str, str], body: bytes | memoryview
    ) -> "Cleared":
        made = object.__new__(cls)
        made.method, made.path, made.headers, made.body = method, path, headers, body
        return made


Take = Callable[[bytes], bool]
"""Takes a piece of an answer at once; False where it must be asked for in turn."""


async def whole(answer: "UpstreamAnswer", limit_bytes: int) -> bytes:
    """The whole body of an answer that arrives in pieces; one that is larger is closed.

    Errors: UpstreamUnavailable past `limit_bytes`; those of the answer.
    """
    parts: list[bytes] = []
    size = 0
    async for chunk in answer.chunks():
        size += len(chunk)
        if size > limit_bytes:
            answer.close()
            raise UpstreamUnavailable("the provider's answer is too large")
        parts.append(chunk)
    return b"".join(parts)


class UpstreamAnswer(Protocol):
    """One open answer of the provider."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, decoded of transfer encodings only.

        Errors: UpstreamUnavailable when the connection breaks or stays silent too long.
        """
        ...

    def taking(self, take: Take | None) -> None:
        """Offer a piece to `take` in the call that received it, while somebody waits in `chunks`.

        What it takes does not come by `chunks`, what it does not take comes there as it was
        offered, by itself. An answer need not offer anything.
        """
        ...

    async def read(self, limit_bytes: int) -> bytes:
        """The whole body; UpstreamUnavailable past `limit_bytes` or on a broken connection."""
        ...

    def close(self) -> None:
        """Stop paying: close the connection at once; idempotent.

        Whoever waits in `chunks` or `read` wakes with UpstreamUnavailable.
        """
        ...


class Upstream(Protocol):
    """A provider that speaks the Messages API."""

    async def send(
        self, cleared: Cleared, *, timeout_s: float, whole: bool = False
    ) -> UpstreamAnswer:
        """Send one admitted request and return once headers are here.

        Its headers are the client's; the implementation sends on those that the table lets go, and
        adds its own credential. `timeout_s` bounds the wait for headers. `whole`:
        the answer comes in one piece, so that silence before it says nothing. Errors:
        UpstreamUnavailable; its field `sent` is true when the provider may have had the request,
        and so may bill it, and `ours` when only our own time was over.
        """
        ...

    async def close(self) -> None:
        """Close idle connections; idempotent."""
        ...


class WireRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request as a vendor wants it; `target` is path and query below the vendor's address."""

    target: str
    headers: Mapping[str, str]
    body: bytes


class NotOffered(msgspec.Struct, frozen=True):
    """The vendor has no such thing; one sentence says what is missing."""

    text: str


class Reader(Protocol):
    """Turns a vendor's answer into what the Messages API sends."""

    headers: Mapping[str, str]

    def feed(self, chunk: bytes) -> bytes:
        """What can be handed on now. Errors: UpstreamUnavailable when the bytes do not hold."""
        ...

    def end(self) -> bytes:
        """What is left once the answer is whole. Errors: as `feed`."""
        ...


class Dialect(Protocol):
    """How a vendor other than Anthropic wants the Messages API to be asked and read."""

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> WireRequest | NotOffered:
        """The request with the vendor's path, fields and credential.

        Errors: UpstreamUnavailable when there is no credential to be had.
        """
        ...

    def reader(self, status: int, headers: Mapping[str, str]) -> Reader | None:
        """How to read an answer; None where it passes as it is."""
        ...

    def refused(self, status: int) -> None:
        """The vendor refused with this status; a credential that was kept may be stale."""
        ...
