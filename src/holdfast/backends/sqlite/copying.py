"""A whole store out of and into a file. It blocks: not for a server's loop."""

from pathlib import Path

from holdfast.backends.sql.copying import SqlCopy
from holdfast.backends.sqlite.owning import Owned, owning
from holdfast.ports.clock import Clock


class SqliteCopy(SqlCopy):
    """One transaction over an owned file; made by `open`."""

    def __init__(self, owned: Owned) -> None:
        super().__init__(owned.connection, "sqlite")
        self._owned = owned

    @classmethod
    async def open(cls, path: Path, *, clock: Clock) -> "SqliteCopy":
        """Errors: as of `SqliteStore.open`."""
        with owning(path, clock) as owned:
            found = cls(owned)
            await found._transaction.start()
        return found

    async def close(self) -> None:
        """Let go; what was not kept is as if it had not been."""
        self._owned.connection.raw.close(True)
        self._owned.ownership.release()
