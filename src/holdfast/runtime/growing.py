"""A body while it arrives: bytes as long as it is small, held elsewhere from then on."""

from collections.abc import Callable

from holdfast.errors import TooLarge
from holdfast.ports.readers import LARGE_BYTES, Body, Held


class Growing:
    """Takes pieces; `hold` gives the place of a large body, without it all stay bytes."""

    def __init__(self, limit_bytes: int, hold: Callable[[], Held] | None = None) -> None:
        self._limit_bytes = limit_bytes
        self._hold = hold
        self._parts: list[bytes] = []
        self._size = 0
        self._held: Held | None = None

    def append(self, piece: bytes) -> None:
        """One more piece. Errors: TooLarge; Unavailable where there is no room for it."""
        self._size += len(piece)
        if self._size > self._limit_bytes:
            raise TooLarge(f"the body is larger than {self._limit_bytes} bytes")
        if self._held is not None:
            self._held.append(piece)
            return
        self._parts.append(piece)
        if self._hold is not None and self._size > LARGE_BYTES:
            self._held = self._hold()
            for part in self._parts:
                self._held.append(part)
            self._parts.clear()

    def whole(self) -> Body:
        """All of it; it is the caller's from now on."""
        held, self._held = self._held, None
        return b"".join(self._parts) if held is None else held

    def close(self) -> None:
        """Nobody wants it any more; idempotent."""
        self._parts.clear()
        if self._held is not None:
            self._held.close()


def let_go(body: Body) -> None:
    """Close a body that is held; idempotent."""
    if not isinstance(body, bytes):
        body.close()
