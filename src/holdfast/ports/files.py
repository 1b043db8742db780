"""Files on this machine: which are the operator's own, and where paths lead."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class OwnFiles(Protocol):
    """Roots whose files the operator vouched for, commit by commit.

    Files are compared by digest: `also` maps absolute paths to the digest that a session of the
    same user was seen to leave there, which counts as own too.
    """

    @property
    def roots(self) -> tuple[str, ...]:
        """The checkouts that were declared, absolute."""
        ...

    def commits(self, root: str) -> tuple[str, ...]:
        """The commits of a root that are trusted."""
        ...

    async def resolved(self, root: str, ref: str) -> str:
        """The commit that a ref names now. Errors: InvalidRequest."""
        ...

    async def trust(self, root: str, ref: str) -> str:
        """From now on what stands in this commit is own; its id. Errors: InvalidRequest."""
        ...

    def distrust(self, root: str, commit: str) -> bool:
        """What stands in this commit alone is own no longer; False where it was not trusted."""
        ...

    async def own(self, paths: Sequence[str], also: Mapping[str, str]) -> bool:
        """Whether each of these files, and all below each of these folders, is own.

        Paths are absolute. `.git/HEAD` of a root stands for the history that is checked out: own
        where a trusted commit, or the one that `also` names, comes from it. `.git/:main` stands for
        what git takes that name for, `.git/?:main` for the file of that name where there is no such
        ref, `.git/*` for every branch and tag. `.git/index` of a folder stands for all below it
        that git does not ignore, `.git/others` for the history there and what git neither knows nor
        ignores. False for whatever cannot be told.
        """
        ...

    async def held(self, paths: Sequence[str]) -> Mapping[str, str] | None:
        """Digests of these files, and of all below these folders but dependencies, by path.

        Empty for what is no plain file, or too large. None where it is too much in all.
        """
        ...

    def knows(self, path: str, digest: str, also: Mapping[str, str]) -> bool:
        """Whether a file with this digest at this path is own."""
        ...

    async def absent(self, path: str) -> bool:
        """Whether nothing stands at an absolute path below a root."""
        ...


class Links(Protocol):
    """Where paths lead on this machine."""

    async def resolved(
        self, folder: str, paths: Sequence[str], *, globs: bool = False
    ) -> Mapping[str, tuple[str, ...]] | None:
        """Real places, absolute, of those paths that lead elsewhere than they say.

        `folder` is absolute: relative paths begin there, and what lies in it is called by its name,
        also where a link leads to it. Empty where there is no such folder here. `globs`: marks of a
        shell's patterns stand for every name that fits. None where it cannot be told in time and
        number.
        """
        ...
