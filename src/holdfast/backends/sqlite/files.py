"""The database's files on disk: who may read them, and which one server owns them.

Not here: anything inside the files.
"""

import contextlib
import fcntl
import os
from pathlib import Path

from holdfast.errors import Conflict, StoreUnavailable


class Ownership:
    """An operating system lock beside the database; ends with the process, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, path: Path) -> "Ownership":
        """Own the database at `path`.

        Errors: Conflict when another server owns it, StoreUnavailable when the lock file cannot
        be written.
        """
        try:
            descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"the lock beside {path} cannot be written: {error}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise Conflict(f"another server (process {owner}) owns the database {path}") from None
        except OSError as error:
            os.close(descriptor)
            raise StoreUnavailable(f"the lock beside {path} does not work: {error}") from error
        # The process number only serves the other side's message: the lock is the truth.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Give the database free; idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def prepare(path: Path) -> Path:
    """The real path of the database, its folder made (0700) where missing.

    Errors: StoreUnavailable when the folder cannot be made or is none.
    """
    try:
        real = path.expanduser().resolve()
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise StoreUnavailable(f"the folder of {path} cannot be made: {error}") from error
    return real


def make_private(path: Path) -> None:
    """Create the file durably when it is missing; only its owner may read it and its siblings.

    Errors: StoreUnavailable when the file cannot be opened for writing.
    """
    try:
        missing = not path.exists()
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if missing:
            folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                file = path.with_name(path.name + suffix)
                if file.stat().st_mode & 0o077:
                    file.chmod(0o600)
    except OSError as error:
        raise StoreUnavailable(f"the database {path} cannot be written: {error}") from error
