"""Bytes in memory that belongs to no process: handed over as a descriptor, without a copy.

What is handed over is sealed: whoever is given it may map it, and nobody can shorten it under them.
"""

import contextlib
import fcntl
import mmap
import os

from holdfast.errors import Unavailable

NUMBER_BYTES = 8
"""Of a packet between a server and its reader."""
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class HeldFile:
    """See `ports.readers.Held`."""

    def __init__(self, fd: int, size_bytes: int = 0) -> None:
        self.fd = fd
        self._size_bytes = size_bytes

    @classmethod
    def new(cls) -> "HeldFile":
        """An empty one. Errors: Unavailable."""
        try:
            return cls(os.memfd_create("holdfast", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
        except OSError as error:
            raise _no_room() from error

    @classmethod
    def of(cls, content: bytes) -> "HeldFile":
        """One with this content, sealed. Errors: Unavailable."""
        held = cls.new()
        try:
            held.append(content)
            held.seal()
        except BaseException:
            held.close()
            raise
        return held

    @classmethod
    def given(cls, fd: int, most_bytes: int) -> "HeldFile":
        """One that another process made. Errors: ValueError unless it is sealed, and no larger."""
        size = os.fstat(fd).st_size
        try:
            sealed = fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS == _SEALS
        except OSError:
            sealed = False
        if not sealed or size > most_bytes:
            raise ValueError("what was handed over is not sealed, or too large")
        return cls(fd, size)

    @property
    def size_bytes(self) -> int:
        """What was appended so far."""
        return self._size_bytes

    def append(self, piece: bytes) -> None:
        """Take one more piece. Errors: Unavailable where there is no room."""
        left = memoryview(piece)
        try:
            while left:
                left = left[os.write(self.fd, left) :]
        except OSError as error:
            raise _no_room() from error
        self._size_bytes += len(piece)

    def seal(self) -> None:
        """Nothing of it changes any more; idempotent."""
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, _SEALS)

    def view(self) -> memoryview:
        """Its bytes without a copy."""
        if self._size_bytes == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(self.fd, self._size_bytes, prot=mmap.PROT_READ))

    def read(self) -> bytes:
        """Its bytes."""
        return bytes(self.view())

    def close(self) -> None:
        """Let go of it; idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def __del__(self) -> None:
        self.close()


def _no_room() -> Unavailable:
    return Unavailable("there is no room for a large request; try again", retry_after_s=1)
