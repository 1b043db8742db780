"""Which files on this machine are the operator's own."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol


class OwnFiles(Protocol):
    """Roots whose files the operator vouched for, commit by commit."""

    @property
    def roots(self) -> tuple[str, ...]:
        """The checkouts that were declared, absolute."""
        ...

    async def trust(self, root: str, ref: str) -> str:
        """From now on what stands in this commit is own; its id. Errors: InvalidRequest."""
        ...

    async def own(self, paths: Sequence[str], also: AbstractSet[str]) -> bool:
        """Whether each of these files, and all below each of these folders, is as it was trusted.

        Paths are absolute; those in `also` count as own. `.git/HEAD` of a root stands for the
        history that is checked out. False for whatever cannot be told.
        """
        ...

    async def absent(self, path: str) -> bool:
        """Whether nothing stands at an absolute path below a root."""
        ...
