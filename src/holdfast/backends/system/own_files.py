"""The operator's own files: those that stand in a trusted commit, byte for byte.

Git is asked for the tree of a commit and nothing else: no hook, no filter and no file system
monitor of the repository runs. What a file holds is compared here. Untracked and ignored files,
dependency folders, logs, other refs and links are never own, and neither is what is too large.
"""

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from holdfast.errors import InvalidRequest

_GIT_TIMEOUT_S = 30
_MOST_BYTES = 8 * 1024 * 1024
_MOST_FILES = 5_000
_SHA1_CHARACTERS = 40
_DEPENDENCIES = frozenset(
    {
        *("node_modules", "bower_components", ".venv", "venv", "site-packages", "dist-packages"),
        *("vendor", "third_party", "Pods", ".tox", ".nox", ".eggs", "logs"),
    }
)
# Of a folder as a whole these say nothing: caches, and git's own files.
_SILENT = frozenset(
    {".git", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".holdfast"}
)


class GitOwnFiles:
    """Own files below declared roots; `roots` are absolute, without links."""

    def __init__(self, roots: Sequence[str]) -> None:
        # Of each root, every path that was trusted with the digests that it may have.
        self._trees: dict[str, dict[str, set[str]]] = {root: {} for root in roots}
        self._commits: dict[str, set[str]] = {root: set() for root in roots}

    @property
    def roots(self) -> tuple[str, ...]:
        """The checkouts that were declared."""
        return tuple(self._trees)

    async def trust(self, root: str, ref: str) -> str:
        """Take in the tree of a commit; its id. Errors: InvalidRequest."""
        if root not in self._trees:
            raise InvalidRequest(f"`{root}` is not among the roots of `files.own`")
        if not ref or ref.startswith("-") or not ref.isprintable():
            raise InvalidRequest("a ref is a branch, a tag or a commit")
        commit = (await _git(root, "rev-parse", "--verify", f"{ref}^{{commit}}")).strip()
        listed = await _git(root, "ls-tree", "-r", "-z", commit)
        tree = self._trees[root]
        for entry in filter(None, listed.split("\0")):
            told, _, path = entry.partition("\t")
            mode, kind, digest = told.split()
            if kind == "blob" and mode.startswith("100"):
                tree.setdefault(path, set()).add(digest)
        self._commits[root].add(commit)
        return commit

    async def own(self, paths: Sequence[str], also: AbstractSet[str]) -> bool:
        """Whether all of these are as they were trusted, or in `also`."""
        return await asyncio.to_thread(self._all_own, tuple(paths), frozenset(also))

    async def absent(self, path: str) -> bool:
        """Whether nothing stands there."""
        return await asyncio.to_thread(self._absent, path)

    def _absent(self, path: str) -> bool:
        return self._root_of(path) is not None and not os.path.lexists(path)

    def _all_own(self, paths: Sequence[str], also: AbstractSet[str]) -> bool:
        try:
            return all(self._is_own(path, also) for path in paths)
        except (OSError, ValueError):
            return False

    def _is_own(self, path: str, also: AbstractSet[str]) -> bool:
        root = self._root_of(path)
        if root is None:
            return False
        if path == f"{root}/.git/HEAD":
            return _checked_out(root) in self._commits[root]
        if not Path(path).is_dir():
            return path in also or self._file_is_own(root, path)
        for count, found in enumerate(_below(path)):
            if count >= _MOST_FILES:
                return False
            if found not in also and not self._file_is_own(root, found):
                return False
        return True

    def _root_of(self, path: str) -> str | None:
        if os.path.realpath(path) != path:
            return None
        return next((r for r in self._trees if path == r or path.startswith(f"{r}/")), None)

    def _file_is_own(self, root: str, path: str) -> bool:
        below = path.removeprefix(f"{root}/")
        trusted = self._trees[root].get(below)
        parts = below.split("/")
        if not trusted or _DEPENDENCIES & set(parts) or parts[-1].endswith(".log"):
            return False
        held = _digest(path, _length(trusted))
        return held in trusted


def _checked_out(root: str) -> str:
    """The commit that HEAD names, empty where it cannot be read. Errors: OSError."""
    told = Path(root, ".git", "HEAD").read_text(encoding="utf-8").strip()
    if not told.startswith("ref: "):
        return told
    ref = told.removeprefix("ref: ")
    if not ref.startswith("refs/") or ".." in ref:
        return ""
    try:
        return Path(root, ".git", ref).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        packed = Path(root, ".git", "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split(" ")[0] for line in packed if line.endswith(f" {ref}")), "")


def _length(trusted: set[str]) -> int:
    return len(next(iter(trusted)))


def _below(folder: str) -> Iterator[str]:
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SILENT]
        for name in files:
            yield f"{where}/{name}"


def _digest(path: str, length: int) -> str:
    """The id that git would give what a file holds. Errors: OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_size > _MOST_BYTES:
            return ""
        content = file.read(_MOST_BYTES + 1)
    made = hashlib.sha1 if length == _SHA1_CHARACTERS else hashlib.sha256
    return made(b"blob %d\0" % len(content) + content).hexdigest()


async def _git(root: str, *arguments: str) -> str:
    """What git says of a repository. Errors: InvalidRequest."""
    environment: Mapping[str, str] = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_OPTIONAL_LOCKS": "0",
    }
    safe = ["-c", f"safe.directory={root}", "-c", "core.fsmonitor=false", "-c", "core.hooksPath="]
    try:
        process = await asyncio.create_subprocess_exec(
            *("git", *safe, "-C", root, *arguments),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, said = await asyncio.wait_for(process.communicate(), _GIT_TIMEOUT_S)
    except (OSError, TimeoutError) as error:
        raise InvalidRequest(f"git could not be asked: {type(error).__name__}") from None
    if process.returncode != 0:
        why = said.decode("utf-8", "replace").strip().splitlines()
        raise InvalidRequest(f"git: {why[0][:200] if why else 'it failed'}")
    return out.decode("utf-8", "surrogateescape")


def whole(root: Path) -> str:
    """A root as paths are compared with it: absolute, without links."""
    return os.path.realpath(root)
