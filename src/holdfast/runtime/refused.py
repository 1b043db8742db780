"""A provider's refusal, read to its end: what it says decides what follows, before it is handed on.

Not here: what follows (`runtime/points`), answers that somebody pays for (`runtime/answers`).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping

import msgspec

from holdfast.errors import UpstreamUnavailable
from holdfast.ports.llm import Take, UpstreamAnswer

_MOST_BYTES = 1024 * 1024
_WITHIN_S = 10.0


class Refused:
    """A `ports.llm.UpstreamAnswer` whose body is here."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def marked(self, told: Mapping[str, str]) -> "Refused":
        """The same, with headers of ours in place of its own of these names."""
        kept = {name: value for name, value in self.headers.items() if name.lower() not in told}
        return Refused(self.status, {**kept, **told}, self.body)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, in one piece."""
        yield self.body

    def taking(self, take: Take | None) -> None:
        """There is nothing to come."""

    async def read(self, limit_bytes: int) -> bytes:
        """The body. Errors: UpstreamUnavailable past `limit_bytes`."""
        if len(self.body) > limit_bytes:
            raise UpstreamUnavailable(f"the provider's refusal is longer than {limit_bytes} bytes")
        return self.body

    def close(self) -> None:
        """Nothing is open."""


async def read_out(answer: UpstreamAnswer) -> Refused:
    """A refusal with all it says, closed.

    Words that are too many, break off or do not come are left out: what the client needs is the
    status.
    """
    try:
        async with asyncio.timeout(_WITHIN_S):
            return Refused(answer.status, answer.headers, await answer.read(_MOST_BYTES))
    except UpstreamUnavailable as error:
        why = error.message
    except TimeoutError:
        why = f"they did not come within {_WITHIN_S:g} s"
    finally:
        answer.close()
    text = f"the provider answered {answer.status}; its words are left out: {why}"
    kind = "invalid_request_error" if answer.status < 500 else "api_error"
    body = msgspec.json.encode({"type": "error", "error": {"type": kind, "message": text}})
    coded = ("content-type", "content-encoding")
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in coded}
    return Refused(answer.status, {**kept, "content-type": "application/json"}, body)
