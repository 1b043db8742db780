"""What of a git command has to be the operator's own: the history, and the refs that it names.

Read by allow-list: a verb or a word that is not known here is nobody's own. Whether there is such a
ref is known where the repository is (`ports/files`).
"""

import re

from holdfast.core.place import Place, absolute

HEAD = ".git/HEAD"
"""Stands for the history of the checkout: own where its commits are."""
REF, REF_OR_FILE = ".git/:", ".git/?:"
"""Followed by a word: that branch or tag, or that file where there is no such ref."""

_ONE = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s;&|<>()\"'])+"
_GIT = re.compile(rf"\bgit\b((?:[ \t]+{_ONE})*)")
_EACH = re.compile(_ONE)
_OWN_REF = re.compile(r"(?:HEAD|@)(?:[~^]\d*)*")
_WORD = re.compile(r"[A-Za-z0-9_][\w./+-]*")
_SPAN = re.compile(r"\d+,\+?\d+")
_BACK = re.compile(r"(?:[~^]\d*)+\Z")
EVERY = ".git/*"
"""Stands for every branch and tag, those of remotes included: names and commits."""
_TELLING = frozenset({"log", "show", "diff", "blame", "shortlog", "rev-list", "ls-tree", "branch"})
# They tell of the index and of names alone.
_QUIET = frozenset({"status", "add", "commit", "mv", "rm", "ls-files", "rev-parse", "merge-base"})
_MOVING = frozenset({"merge", "cherry-pick", "rebase", "reset", "switch", "checkout", "bisect"})
"""They make the checkout what other commits of it say."""
_ALL = frozenset({"--all", "--remotes", "--branches", "--tags"})
_OTHERS = frozenset({"--glob", "-g", "--walk-reflogs", "--reflog", "--stdin"})
_BISECTS = frozenset({"start", "good", "bad", "reset", "log", "run", "skip", "old", "new"})
# Options that take the next word, which is no ref: a new branch, a message, a number, lines.
_TAKE = {
    **dict.fromkeys(("switch", "checkout"), frozenset({"-b", "-B", "-c", "-C"})),
    **dict.fromkeys(("merge", "cherry-pick"), frozenset({"-m"})),
    **dict.fromkeys(("log", "shortlog", "rev-list"), frozenset({"-n", "--author"})),
}
_LINES = "-L"
# Without a word they take what the branch follows, which others write.
_FOLLOW = frozenset({"merge", "rebase"})
_GO_ON = frozenset({"--abort", "--continue", "--skip", "--quit"})
_FILES_TOO = _TELLING | {"checkout", "reset"}
_BEFORE_THE_VERB = frozenset({"--no-pager", "--no-optional-locks", "--literal-pathspecs"})
# How the clone is set up, which is its operator's.
_OF_THE_CLONE: tuple[tuple[str, list[str]], ...] = (
    ("remote", ["-v"]),
    ("remote", []),
    ("config", ["user.name"]),
)
_AT_HAND = frozenset({"--", "."})


def own_history(command: str, place: Place) -> list[str] | None:
    """What has to be own of each git command in it; None where it tells of others or elsewhere.

    Names are relative to the folder of the place, or absolute.
    """
    found: list[str] = []
    for arguments in _GIT.findall(command):
        named = _named([word.strip("\"'") for word in _EACH.findall(arguments)], place)
        if named is None:
            return None
        found += named
    return found


def moves(command: str) -> bool:
    """Whether git makes files or history there another: a commit, a merge, another branch."""
    for arguments in _GIT.findall(command):
        words = [word for word in _EACH.findall(arguments) if not word.startswith("-")]
        if set(words[:2]) & (_MOVING | {"commit", "mv", "rm"}):
            return True
    return False


def _named(words: list[str], place: Place) -> list[str] | None:
    rest = _after_globals(words, place)
    if not rest:
        return None
    verb, *given = rest
    known = verb in _QUIET | _TELLING | _MOVING or (verb, given) in _OF_THE_CLONE
    if not known or any(word.partition("=")[0] in _OTHERS for word in given):
        return None
    if verb in _QUIET or (verb, given) in _OF_THE_CLONE:
        return []
    if verb == "bisect":
        if given[:1] and given[0] not in _BISECTS:
            return None
        given = [] if given[:1] == ["run"] else given[1:]
    operands = _operands(verb, given)
    if "-" in given or (verb in _FOLLOW and not operands and not _GO_ON.intersection(given)):
        return None
    mark = REF_OR_FILE if verb in _FILES_TOO else REF
    refs: list[str] = []
    for operand in operands:
        named = _refs(operand, mark)
        if named is None:
            return None
        refs += named
    whole = ["."] if verb == "diff" and not refs else []
    lists = verb == "branch" or any(word.partition("=")[0] in _ALL for word in given)
    return [HEAD, *refs, *whole, *([EVERY] if lists else [])]


def _after_globals(words: list[str], place: Place) -> list[str]:
    """The verb and what follows; nothing where git is sent elsewhere."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "-C" and at + 1 < len(words):
            where = absolute(words[at + 1], place)
            if where != place.folder:
                return []
            at += 1
        elif words[at] not in _BEFORE_THE_VERB:
            return []
        at += 1
    return words[at:]


def _operands(verb: str, given: list[str]) -> list[str]:
    take, found, at = _TAKE.get(verb, frozenset()), [], 0
    while at < len(given):
        word = given[at]
        at += 1
        if word in take:
            at += 1
        elif word == _LINES and at < len(given):
            found.append(given[at].rpartition(":")[2])
            at += 1
        elif not word.startswith("-"):
            found.append(word)
    return [word for word in found if word not in _AT_HAND and not _SPAN.fullmatch(word)]


def _refs(operand: str, mark: str) -> list[str] | None:
    """What an operand names: nothing for one's own HEAD, refs or files; None for what is neither.

    `main..feature` names two, `main:docs/a.md` a file as that commit has it.
    """
    found = []
    for part in filter(None, re.split(r"\.{2,3}", operand)):
        ref = part.partition(":")[0]
        if _OWN_REF.fullmatch(ref):
            continue
        bare = _BACK.sub("", ref)
        if not _WORD.fullmatch(bare):
            return None
        found.append((REF if bare != part else mark) + bare)
    return found
