"""The guard's side of the policy process: ask once, wait briefly, and never turn a fault into yes.

The connection is handed in (`Connection`; frames over a Unix socket in production), so this
module knows no transport.
"""

from typing import Protocol, TypeVar

import msgspec

from holdfast.backends.policyd_client.wire import (
    APPLY,
    CANDIDATE,
    CHECK,
    DECIDE,
    REPLAY,
    STATUS,
    VERSION,
)
from holdfast.errors import InvalidRequest, PolicyUnavailable, TooLarge, Unavailable
from holdfast.model.decisions import PolicyAnswer, PolicyRequest, Replay, Replayed, Verdict
from holdfast.model.views.policies import PolicyChange, PolicyFinding, PolicyStatus

TIMEOUT_S = 0.25
CHECK_TIMEOUT_S = 30.0
_T = TypeVar("_T")


class Connection(Protocol):
    """One call at a time by name; many may be in flight."""

    async def call(self, method: str, body: bytes, timeout_s: float) -> bytes:
        """The answer. Errors: Unavailable on any fault, TooLarge for a body that cannot be sent."""
        ...

    async def close(self) -> None:
        """Let go; idempotent."""
        ...


class RemotePolicy:
    """`ports.Policy` answered by another process."""

    def __init__(self, connection: Connection, *, timeout_s: float = TIMEOUT_S) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(PolicyAnswer)

    async def decide(self, request: PolicyRequest) -> PolicyAnswer:
        """The process's answer; a deny with errors for a request that cannot even be sent.

        Errors: PolicyUnavailable.
        """
        try:
            body = self._encoder.encode(request)
        except (ValueError, TypeError, OverflowError, RecursionError) as fault:
            return _unsendable(f"the request has no wire form: {type(fault).__name__}")
        try:
            reply = await self._ask(DECIDE, body, self._timeout_s)
        except TooLarge as fault:
            return _unsendable(fault.message)
        try:
            answer = self._decoder.decode(reply)
        except (msgspec.DecodeError, RecursionError) as fault:
            raise PolicyUnavailable("the policy process answered nonsense") from fault
        if answer.verdict is Verdict.ALLOW and (answer.errors or not answer.rules):
            raise PolicyUnavailable("the policy process allowed without a rule")
        return answer

    async def version(self) -> str:
        """Version of the bundle in force. Errors: PolicyUnavailable."""
        reply = await self._ask(VERSION, b"", self._timeout_s)
        return reply.decode(errors="replace")

    async def status(self) -> PolicyStatus:
        """What is in force and what is wrong. Errors: PolicyUnavailable."""
        return _decoded(await self._ask(STATUS, b"", self._timeout_s), PolicyStatus)

    async def check(self) -> list[PolicyFinding]:
        """Faults of the folder as it is now; may take seconds. Errors: PolicyUnavailable."""
        return _decoded(await self._ask(CHECK, b"", CHECK_TIMEOUT_S), list[PolicyFinding])

    async def candidate(self) -> PolicyChange:
        """What applying the folder as it is now would change. Errors: PolicyUnavailable."""
        return _decoded(await self._ask(CANDIDATE, b"", CHECK_TIMEOUT_S), PolicyChange)

    async def apply(self, version: str) -> PolicyStatus:
        """Put the folder in force, if it still has this version.

        Errors: PolicyUnavailable, also for files that were changed meanwhile.
        """
        reply = await self._ask(APPLY, version.encode(), CHECK_TIMEOUT_S)
        return _decoded(reply, PolicyStatus)

    async def replay(self, asked: Replay) -> Replayed:
        """What a bundle of then, or given files, says; may take seconds.

        Errors: InvalidRequest where it cannot be had, PolicyUnavailable.
        """
        try:
            body = self._encoder.encode(asked)
        except (ValueError, TypeError, OverflowError, RecursionError) as fault:
            raise InvalidRequest(f"it has no wire form: {type(fault).__name__}") from None
        again = _decoded(await self._ask(REPLAY, body, CHECK_TIMEOUT_S), Replayed)
        if again.fault:
            raise InvalidRequest(again.fault)
        return again

    async def close(self) -> None:
        """Let go of the connection; idempotent."""
        await self._connection.close()

    async def _ask(self, method: str, body: bytes, timeout_s: float) -> bytes:
        try:
            return await self._connection.call(method, body, timeout_s)
        except Unavailable as fault:
            raise PolicyUnavailable(f"policy: {fault.message}") from fault


def _decoded(reply: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.msgpack.decode(reply, type=kind)
    except (msgspec.DecodeError, RecursionError) as fault:
        raise PolicyUnavailable("the policy process answered nonsense") from fault


def _unsendable(why: str) -> PolicyAnswer:
    return PolicyAnswer(
        verdict=Verdict.DENY, text=f"the call cannot be judged: {why}", errors=(why,)
    )
