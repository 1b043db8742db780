"""What the guard needs of a policy engine: one question, one answer, always closed on failure."""

from typing import Protocol

from holdfast.model.decisions import PolicyAnswer, PolicyRequest


class Policy(Protocol):
    """Decides over session, tenant and task at once."""

    async def decide(self, request: PolicyRequest) -> PolicyAnswer:
        """Answer one question.

        Errors: PolicyUnavailable when the engine is down, slow, or has no valid bundle. Callers
        treat that as a deny; an implementation never answers allow on a fault.
        """
        ...

    async def version(self) -> str:
        """Version of the bundle in force (`sha256:` of its files); PolicyUnavailable if none."""
        ...

    async def close(self) -> None:
        """Let go of the connection; idempotent."""
        ...
