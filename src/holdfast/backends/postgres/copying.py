"""A whole store out of and into Postgres. Not here: what is moved."""

from holdfast.backends.postgres.owning import Owned, owning
from holdfast.backends.sql.copying import SqlCopy
from holdfast.ports.clock import Clock


class PostgresCopy(SqlCopy):
    """One transaction over an owned store; made by `open`."""

    def __init__(self, owned: Owned) -> None:
        super().__init__(*owned)
        self._raw = owned.connection.raw

    @classmethod
    async def open(cls, url: str, *, clock: Clock) -> "PostgresCopy":
        """Errors: as of `PostgresStore.open`."""
        async with owning(url, clock) as owned:
            found = cls(owned)
            await found._transaction.start()
        return found

    async def close(self) -> None:
        """Let go; what was not kept is as if it had not been."""
        self._raw.terminate()
