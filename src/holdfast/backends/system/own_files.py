"""The operator's own files: those whose text stands in a trusted commit, byte for byte.

By whatever name: a file that was moved or copied tells what it told before, and one that is not
there tells nothing. Git is asked for the tree of a commit and nothing else: no hook, no filter and
no file system monitor of the repository runs. What a file holds is compared here. Untracked and
ignored files, dependency folders, logs, other refs and links are never own, and neither is what is
too large.
"""

import asyncio
import contextlib
import hashlib
import os
import posixpath
import re
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_LOG = ".log"
_CODE, _RUN = "/.git/index", "/.git/others"
_LINK = "link "
# Commits that an operation under way takes in, and operations that come of no commit.
_STATE: tuple[str, ...] = (
    *("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge/onto"),
    *("rebase-merge/orig-head", "rebase-apply/orig-head"),
)
_FOREIGN_STATE = ("rebase-apply/applying",)
# As `core/history_words` spells them.
_HEAD, _EVERY = ".git/HEAD", ".git/*"
_REFS = (".git/:", ".git/?:", ".git/!:", ".git/=:")
_UNDERWAY, _NOTES = "/.git/MERGE_HEAD", ".git/notes"
_STASH = ".git/refs/stash"
_MESSAGE = ".git/MERGE_MSG"
# What git itself writes there when a merge stops, and what it took of the picked commit.
_MERGED = re.compile(r"Merge (?:branch|tag|commit) '([^'\s]+)'(?: into ([^'\s]+))?")
_CONFLICTS, _CONFLICT = "# Conflicts:", "#\t"
_SCRATCH = ("/tmp/", "/var/tmp/")  # noqa: S108 -- judged, not used
# Of a folder as a whole these say nothing: caches, and git's own files.
_SILENT = frozenset(
    {".git", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".holdfast"}
)


# What pytest puts together beside its cache before it moves it there; no code among it.
_BEGUN_CACHE = re.compile(
    r"(?:.*/)?pytest-cache-files-\w+/(?:README\.md|\.gitignore|CACHEDIR\.TAG)"
)


class GitOwnFiles:
    """Own files below declared roots; `roots` are absolute, without links."""

    def __init__(self, roots: Sequence[str]) -> None:
        # Of each root and each commit of it that was trusted, every file with its digest.
        self._trees: dict[str, dict[str, dict[str, str]]] = {root: {} for root in roots}
        # The digests of those that are no dependency and no log.
        self._texts: dict[str, dict[str, frozenset[str]]] = {root: {} for root in roots}

    @property
    def roots(self) -> tuple[str, ...]:
        """The checkouts that were declared."""
        return tuple(self._trees)

    def commits(self, root: str) -> tuple[str, ...]:
        """The commits of a root that are trusted."""
        return tuple(self._trees.get(root, ()))

    async def resolved(self, root: str, ref: str) -> str:
        """The commit that a ref names now. Errors: InvalidRequest."""
        if root not in self._trees:
            raise InvalidRequest(f"`{root}` is not among the roots of `files.own`")
        if not ref or ref.startswith("-") or not ref.isprintable():
            raise InvalidRequest("a ref is a branch, a tag or a commit")
        return (await _git(root, "rev-parse", "--verify", f"{ref}^{{commit}}")).strip()

    async def trust(self, root: str, ref: str) -> str:
        """Take in the tree of a commit; its id. Errors: InvalidRequest."""
        commit = await self.resolved(root, ref)
        listed = await _git(root, "ls-tree", "-r", "-z", commit)
        tree: dict[str, str] = {}
        for entry in filter(None, listed.split("\0")):
            told, _, path = entry.partition("\t")
            mode, kind, digest = told.split()
            if kind == "blob":
                # What a link points at is judged by itself, and never through the link.
                tree[path] = digest if mode.startswith("100") else f"{_LINK}{digest}"
        self._trees[root][commit] = tree
        self._texts[root][commit] = frozenset(
            digest for path, digest in tree.items() if not _is_others(path)
        )
        return commit

    def distrust(self, root: str, commit: str) -> bool:
        """Let go of the tree of a commit; False where it was not trusted."""
        self._texts.get(root, {}).pop(commit, None)
        return self._trees.get(root, {}).pop(commit, None) is not None

    async def own(self, paths: Sequence[str], also: Mapping[str, str]) -> bool:
        """Whether all of these are as they were trusted, or as `also` says."""
        for path in (path for path in paths if path.endswith(_CODE)):
            if not await self._code_is_own(path.removesuffix(_CODE), also, "-c", "-o"):
                return False
        for path in (path for path in paths if path.endswith(_RUN)):
            if not await self._run_is_own(path.removesuffix(_RUN), also):
                return False
        kept = tuple(path for path in paths if not path.endswith((_CODE, _RUN)))
        return await asyncio.to_thread(self._all_own, kept, also)

    async def _run_is_own(self, folder: str, also: Mapping[str, str]) -> bool:
        """Whether the history there is own, and all that git does not know of the folder.

        A folder of which git knows nothing holds no code of the project.
        """
        root = self._root_of(folder)
        if root is None or not await self.own([f"{root}/{_HEAD}"], also):
            return False
        try:
            known = await _git(folder, "ls-files", "-c", "-z")
            same = (await _git(folder, "rev-parse", "--show-toplevel")).strip() == root
        except InvalidRequest:
            return False
        if not same or not (known or folder == root):
            return False
        return await self._code_is_own(folder, also, "-o")

    async def _code_is_own(self, folder: str, also: Mapping[str, str], *of: str) -> bool:
        """Whether all below a folder is own that git does not ignore, but caches and dependencies.

        What is ignored is built or installed; the project's code decides what it reads of that. A
        folder that is ignored whole holds no code of the project.
        """
        root = self._root_of(folder)
        if root is None:
            return False
        try:
            told = await _git(folder, "ls-files", *of, "--exclude-standard", "-z")
        except InvalidRequest:
            return False
        listed = {path for path in told.split("\0") if path and not _silent(path)}
        if len(listed) > _MOST_FILES or not (listed or folder == root or "-c" not in of):
            return False
        return await asyncio.to_thread(self._all_known, folder, listed, also)

    def _all_known(self, folder: str, below: Iterable[str], also: Mapping[str, str]) -> bool:
        for path in (f"{folder}/{one}" for one in below):
            if Path(path).is_symlink():
                if not self._link_is_own(path):
                    return False
            elif os.path.lexists(path) and not self._all_own((path.rstrip("/"),), also):
                return False
        return True

    def _link_is_own(self, path: str) -> bool:
        """Whether a link is as it was trusted and stays below its root, where files are judged."""
        target = os.path.realpath(path)
        for root, trees in self._trees.items():
            if path.startswith(f"{root}/") and target.startswith(f"{root}/"):
                told = os.fsencode(Path(path).readlink())
                held = f"{_LINK}{_blob(told, len(next(iter(trees), '')) or _SHA1_CHARACTERS)}"
                below = path.removeprefix(f"{root}/")
                return any(tree.get(below) == held for tree in trees.values())
        return False

    async def held(self, paths: Sequence[str]) -> Mapping[str, str] | None:
        """Digests by path of what stands there; None where it is too much."""
        return await asyncio.to_thread(self._held, tuple(paths))

    def knows(self, path: str, digest: str, also: Mapping[str, str]) -> bool:
        """Whether a file with this digest at this path is own."""
        root = self._root_of(path)
        if root is None or not digest:
            return False
        if also.get(path) == digest:
            return True
        if _is_others(path.removeprefix(f"{root}/")):
            return False
        return any(digest in texts for texts in self._texts[root].values())

    async def absent(self, path: str) -> bool:
        """Whether nothing stands there."""
        return await asyncio.to_thread(self._absent, path)

    def _absent(self, path: str) -> bool:
        # What this session makes where anybody may write is its own as well.
        placed = self._root_of(path) is not None or _is_scratch(path)
        return placed and not os.path.lexists(path)

    def _all_own(self, paths: Sequence[str], also: Mapping[str, str]) -> bool:
        try:
            return all(self._is_own(path, also) for path in paths)
        except (OSError, ValueError):
            return False

    def _is_own(self, path: str, also: Mapping[str, str]) -> bool:
        if path.endswith(_UNDERWAY):
            return self._is_own_state(path.removesuffix(_UNDERWAY), also)
        root = self._root_of(path)
        if root is None:
            return _is_scratch(path) and self._is_own_scratch(path, also)
        mark = path.removeprefix(f"{root}/")
        if mark.startswith(".git/"):
            return self._is_own_mark(root, mark, also)
        if not os.path.lexists(path):
            return ".git" not in path.split("/")
        if not Path(path).is_dir():
            return self.knows(path, self._digest(root, path), also)
        for count, found in enumerate(_below(path)):
            if count >= _MOST_FILES:
                return False
            if not self.knows(found, self._digest(root, found), also):
                return False
        return True

    def _is_own_mark(self, root: str, mark: str, also: Mapping[str, str]) -> bool:
        """What stands for history, refs, notes or a stash. Errors: OSError, ValueError."""
        if mark == _HEAD:
            return self._is_own_commit(root, _checked_out(root), also)
        if mark == _EVERY:
            return self._are_own_refs(root, also)
        if mark == _NOTES:
            return not _ask_git(root, "for-each-ref", "--count=1", "refs/notes").strip()
        if mark == _STASH:
            return self._is_own_ref(root, "", "stash", also)
        if mark == _MESSAGE:
            return self._is_own_message(root, also)
        if mark.startswith(_REFS):
            kind, _, word = mark.removeprefix(".git/").partition(":")
            return self._is_own_ref(root, kind, word, also)
        return False

    def _is_own_scratch(self, path: str, also: Mapping[str, str]) -> bool:
        """Whether a file where anybody may write is as it was left, or is none. Errors: OSError."""
        if not os.path.lexists(path):
            return True
        held = _digest(path, _SHA1_CHARACTERS)
        return bool(held) and also.get(path) == held

    def _held(self, paths: Sequence[str]) -> Mapping[str, str] | None:
        found: dict[str, str] = {}
        for path in paths:
            root = self._root_of(path)
            if root is None:
                if _is_scratch(path) and os.path.lexists(path):
                    with contextlib.suppress(OSError, ValueError):
                        found[path] = _digest(path, _SHA1_CHARACTERS)
                continue
            if path == f"{root}/{_HEAD}":
                with contextlib.suppress(OSError):
                    found[path] = _checked_out(root)
                continue
            if path == f"{root}/{_STASH}":
                with contextlib.suppress(OSError):
                    found[path] = Path(path).read_text(encoding="utf-8").strip()
                continue
            below = _below(path, _SILENT | _DEPENDENCIES) if Path(path).is_dir() else (path,)
            for one in below:
                if len(found) >= _MOST_FILES:
                    return None
                if not os.path.lexists(one):
                    continue
                found[one] = ""
                with contextlib.suppress(OSError, ValueError):
                    found[one] = self._digest(root, one)
        return found

    def _is_own_ref(self, root: str, kind: str, word: str, also: Mapping[str, str]) -> bool:
        """`kind` is empty where the word is no file. Errors: OSError, ValueError.

        What is neither there nor a file tells nothing, unless a remote has it: git takes it then.
        """
        if word.startswith("-"):
            return False
        if commit := _commit_of(root, word):
            if kind == "!" and _object_of(root, word) != commit:
                return False
            own = self._is_own_commit(root, commit, also)
            return own and (kind != "=" or self._tracked_are_own(root, also))
        file = posixpath.normpath(f"{root}/{word}")
        if kind and os.path.lexists(file):
            return self._is_own(file, also)
        remote = _ask_git(root, "for-each-ref", "--format=%(refname)", "refs/remotes").split()
        return not any(name.endswith(f"/{word}") for name in remote)

    def _tracked_are_own(self, root: str, also: Mapping[str, str]) -> bool:
        """Whether what git compares with a commit is: the files that stand there of its index."""
        tracked = set(filter(None, _ask_git(root, "ls-files", "-z").split("\0")))
        return len(tracked) <= _MOST_FILES and self._all_known(root, tracked, also)

    def _is_own_state(self, folder: str, also: Mapping[str, str]) -> bool:
        """Whether git there is amid no merge, pick or rebase of commits that are others'."""
        root = self._root_of(folder)
        at = Path(root or folder, ".git")
        if not at.is_dir():
            # A work tree of its own says where its state lies; elsewhere nothing can be under way.
            return not os.path.lexists(at)
        if any(os.path.lexists(at / name) for name in _FOREIGN_STATE):
            return False
        for name in _STATE:
            if not os.path.lexists(at / name):
                continue
            told = (at / name).read_text(encoding="utf-8").split()
            if root is None or not all(self._is_own_commit(root, one, also) for one in told):
                return False
        return True

    def _is_own_message(self, root: str, also: Mapping[str, str]) -> bool:
        """Whether git made the message for the next commit, of own names and commits alone.

        Anybody's words may stand there: `merge -m` and `merge --squash` leave what they were given.
        Errors: OSError, ValueError.
        """
        at = Path(root, ".git")
        if not at.is_dir() or os.path.lexists(at / "SQUASH_MSG"):
            return False
        if not os.path.lexists(at / "MERGE_MSG"):
            return True  # Git refuses to commit without one.
        told = (at / "MERGE_MSG").read_text(encoding="utf-8")
        lines = [line for line in told.splitlines() if line]
        conflicts = [line for line in lines if line.startswith(_CONFLICT)]
        said = [line for line in lines if line not in {*conflicts, _CONFLICTS}]
        tracked = set(filter(None, _ask_git(root, "ls-files", "-z").split("\0")))
        if not {line.removeprefix(_CONFLICT) for line in conflicts} <= tracked:
            return False
        if os.path.lexists(at / "MERGE_HEAD"):
            merged = _MERGED.fullmatch(said[0]) if len(said) == 1 else None
            names = filter(None, merged.groups()) if merged else ()
            return bool(merged) and all(self._is_own_ref(root, "", one, also) for one in names)
        if not os.path.lexists(at / "CHERRY_PICK_HEAD"):
            return False
        picked = (at / "CHERRY_PICK_HEAD").read_text(encoding="utf-8").strip()
        if not self._is_own_commit(root, picked, also):
            return False
        whole = _ask_git(root, "show", "--no-patch", "--format=%B", picked, "--")
        return said == [line for line in whole.splitlines() if line]

    def _are_own_refs(self, root: str, also: Mapping[str, str]) -> bool:
        """A remote's branch has to have a name that a local one has: others chose it."""
        listed = _ask_git(root, "for-each-ref", "--format=%(objecttype) %(objectname) %(refname)")
        refs = [line.split(" ", 2) for line in listed.splitlines()]
        local = {name.removeprefix("refs/heads/") for _, _, name in refs} | {"HEAD"}
        for kind, commit, name in refs:
            remote = name.startswith("refs/remotes/")
            if kind != "commit" or (remote and name.split("/", 3)[-1] not in local):
                return False
            if not self._is_own_commit(root, commit, also):
                return False
        return True

    def _is_own_commit(self, root: str, commit: str, also: Mapping[str, str]) -> bool:
        """Whether it is part of a history that was trusted, or left by a session that heard nobody.

        Errors: OSError.
        """
        left = {also.get(f"{root}/{mark}", "") for mark in (_HEAD, _STASH)}
        own = {*self._trees[root], *left} - {""}
        if commit in own:
            return True
        if not commit or not own:
            return False
        # `--` so that no name of a file is meant.
        return not _ask_git(root, "rev-list", "--max-count=1", commit, "--not", *own, "--").strip()

    def _root_of(self, path: str) -> str | None:
        if os.path.realpath(path) != path:
            return None
        return next((r for r in self._trees if path == r or path.startswith(f"{r}/")), None)

    def _digest(self, root: str, path: str) -> str:
        """The id that git gives a file there, empty where it is none. Errors: OSError."""
        commit = next(iter(self._trees[root]), "")
        return _digest(path, len(commit) or _SHA1_CHARACTERS)


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


def _is_others(path: str) -> bool:
    """Whether a path below a root is a dependency's or a log, which is nobody's own by a commit."""
    parts = path.split("/")
    return bool(_DEPENDENCIES & set(parts)) or parts[-1].endswith(_LOG)


def _silent(path: str) -> bool:
    """Whether a path below a root lies in a cache or among dependencies."""
    named = bool((_SILENT | _DEPENDENCIES) & set(path.split("/")))
    return named or _BEGUN_CACHE.fullmatch(path) is not None


def _below(folder: str, silent: frozenset[str] = _SILENT) -> Iterator[str]:
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in silent]
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
    return _blob(content, length)


def _blob(content: bytes, length: int) -> str:
    made = hashlib.sha1 if length == _SHA1_CHARACTERS else hashlib.sha256
    return made(b"blob %d\0" % len(content) + content).hexdigest()


def _commit_of(root: str, name: str) -> str:
    """The commit that git takes the name for; empty where it takes it for none. Errors: OSError."""
    asked = ("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
    return _ask_git(root, *asked, fails=True).strip()


def _object_of(root: str, name: str) -> str:
    """The object itself that git takes the name for. Errors: OSError."""
    return _ask_git(
        root, "rev-parse", "--quiet", "--verify", "--end-of-options", name, fails=True
    ).strip()


def _is_scratch(path: str) -> bool:
    return path.startswith(_SCRATCH) and os.path.realpath(path) == path


async def _git(root: str, *arguments: str) -> str:
    """What git says of a repository. Errors: InvalidRequest."""
    try:
        return await asyncio.to_thread(_ask_git, root, *arguments)
    except _Failed as error:
        raise InvalidRequest(str(error)) from None


class _Failed(OSError):
    """Git could not be asked, or said no; the message says why."""


def _ask_git(root: str, *arguments: str, fails: bool = False) -> str:
    """The same in this thread; with `fails` nothing where git says no. Errors: OSError."""
    environment: Mapping[str, str] = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_OPTIONAL_LOCKS": "0",
    }
    safe = ["-c", f"safe.directory={root}", "-c", "core.fsmonitor=false", "-c", "core.hooksPath="]
    try:
        done = subprocess.run(
            ["git", *safe, "-C", root, *arguments],  # noqa: S607 -- looked up on the path
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Failed(f"git could not be asked: {type(error).__name__}") from None
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines()
        if fails:
            return ""
        raise _Failed(f"git: {why[0][:200] if why else 'it failed'}")
    return done.stdout.decode("utf-8", "surrogateescape")


def whole(root: Path) -> str:
    """A root as paths are compared with it: absolute, without links."""
    return os.path.realpath(root)
