"""Large bodies and the process that reads them, so that nobody else waits for either.

A small body is bytes, read where it arrived. A large one never stands in this process's memory as
one piece: it is `Held`, and what is asked about it (`core/large`) is done elsewhere.
"""

from typing import Protocol

from holdfast.core.large import Answer, Job

LARGE_BYTES = 256 * 1024
"""Bodies up to this are read where they arrived: some milliseconds at most."""


class Held(Protocol):
    """A body outside of the interpreter's memory; closed by whoever made it, or was given it."""

    @property
    def size_bytes(self) -> int:
        """What was appended so far."""
        ...

    def append(self, piece: bytes) -> None:
        """Take one more piece of it. Errors: Unavailable where there is no room."""
        ...

    def view(self) -> memoryview:
        """Its bytes without a copy; valid while the view is referred to, also after `close`."""
        ...

    def close(self) -> None:
        """Let go of it; idempotent."""
        ...


Body = bytes | Held


class Readers(Protocol):
    """Reads large bodies, one at a time."""

    def hold(self) -> Held:
        """A place for a body that arrives in pieces. Errors: Unavailable."""
        ...

    async def ask(self, job: Job, body: Held) -> tuple[Answer, Held | None]:
        """Do one job; beside the answer, a body that was written.

        Errors: Unavailable when no answer came: the process cannot be started, ended, took too
        long or answered nonsense; TooLarge when reading it takes more memory than there may be.
        """
        ...
