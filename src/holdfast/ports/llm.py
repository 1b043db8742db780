"""What the gateway needs of a model provider: forward bytes, stream bytes back."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol


class UpstreamAnswer(Protocol):
    """One open answer of the provider."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, decoded of transfer encodings only.

        Errors: UpstreamUnavailable when the connection breaks or stays silent too long.
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
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, timeout_s: float
    ) -> UpstreamAnswer:
        """Send one request and return once headers are here.

        `headers` are the client's, already without credentials and hop-by-hop fields; the
        implementation adds its own credential. `timeout_s` bounds the wait for headers and the
        silence between chunks. Errors: UpstreamUnavailable; its field `sent` is true when the
        provider may have had the request, and so may bill it.
        """
        ...

    async def close(self) -> None:
        """Close idle connections; idempotent."""
        ...
