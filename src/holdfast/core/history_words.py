"""What of a git command has to be the operator's own: the history, and the refs that it names.

Read by allow-list: a verb or a word that is not known here is nobody's own. Whether there is such a
ref is known where the repository is (`ports/files`).
"""

import re
from collections.abc import Iterator

from holdfast.core.history_options import (
    apart,
    is_listed,
    leaves_message,
    shows_notes,
    tells_message,
)
from holdfast.core.place import Place, absolute

HEAD = ".git/HEAD"
"""Stands for the history of the checkout: own where its commits are."""
REF, REF_OR_FILE = ".git/:", ".git/?:"
"""Followed by a word: that branch or tag, or that file where there is no such ref."""

UNDERWAY, NOTES = ".git/MERGE_HEAD", ".git/notes"
"""Stand for a merge or rebase that is under way, and for notes: own where there is none of others.
"""
MESSAGE = ".git/MERGE_MSG"
"""Stands for the message that git left for the commit that ends a merge or a pick: own where git
itself made it of what is own."""
STASH = ".git/refs/stash"
"""Stands for what was put aside: own where nothing is, or where it was made of own files."""
REF_SHOWN, REF_OR_FILES = ".git/!:", ".git/=:"
"""As `REF_OR_FILE`: a tag object is never own, as its text is shown; a commit is compared with all
files that stand there."""

_ONE = r"(?:\"(?:\\.|[^\"\\])*\"|'[^']*'|[^\s;&|<>()\"'])+"
_GIT = re.compile(rf"\bgit\b((?:[ \t]+{_ONE})*)[ \t]*(?P<end>.?)", re.DOTALL)
_EACH = re.compile(_ONE)
# What may follow a git command; another character means that it was not read to its end.
_ENDS = frozenset({"", "\n", ";", "&", "|", ")"})
REDIRECTED = re.compile(rf"[ \t]*(?:\d|&)?(?:>>?|<<<|<)[ \t]*(?:&\d|(?!<){_ONE})")
# A message in a document, as models write it; what it holds is typed in the command.
_DOCUMENT = re.compile(
    r"\"\$\(cat <<-?[ \t]*(['\"])(\w+)\1[ \t]*\n.*?\n[ \t]*\2[ \t]*\n?[ \t]*\)\"", re.DOTALL
)
_QUOTES = re.compile(r"'([^']*)'|\"((?:\\.|[^\"\\])*)\"", re.DOTALL)
# A word that a shell makes others of: which options come of it nobody can say.
_MADE = re.compile(r"[$`\\{]|^[*?\[]")
_MESSAGE = re.compile(r"-[a-z]*m|--message")
_OWN_REF = re.compile(r"(?:HEAD|@)(?:[~^]\d*)*")
_WORD = re.compile(r"[A-Za-z0-9_][\w./+-]*")
_SPAN = re.compile(r"\d+,\+?\d+")
_BACK = re.compile(r"(?:[~^]\d*)+\Z")
EVERY = ".git/*"
"""Stands for every branch and tag, those of remotes included: names and commits."""
_TELLING = frozenset({"log", "show", "diff", "blame", "shortlog", "rev-list", "ls-tree", "branch"})
# They tell of the index and of names alone.
_QUIET = frozenset(
    {"status", "add", "commit", "mv", "rm", "ls-files", "rev-parse", "merge-base"}
) | {
    "stash",
    "tag",
}
_MOVING = frozenset({"merge", "cherry-pick", "rebase", "reset", "switch", "checkout", "bisect"})
"""They make the checkout what other commits of it say."""
_ALL = frozenset({"--all", "--remotes", "--branches", "--tags"})
_GO_BACK = frozenset({"--abort", "--quit"})
_BISECTS = frozenset({"start", "good", "bad", "reset", "log", "run", "skip", "old", "new"})
# Options that take the next word, which is no ref: a new branch, a message, a number, lines.
_TAKE = {
    **dict.fromkeys(("switch", "checkout"), frozenset({"-b", "-B", "-c", "-C"})),
    **dict.fromkeys(("merge", "cherry-pick"), frozenset({"-m"})),
    "tag": frozenset({"-m", "--message"}),
    **dict.fromkeys(("log", "shortlog", "rev-list"), frozenset({"-n", "--author"})),
}
_LINES = "-L"
# Without a word they take what the branch follows, which others write.
_FOLLOW = frozenset({"merge", "rebase"})
_FILES_TOO = _TELLING | {"checkout", "reset"}
_BEFORE_THE_VERB = frozenset({"--no-pager", "--no-optional-locks", "--literal-pathspecs"})
# How the clone is set up, which is its operator's.
_OF_THE_CLONE = {"remote": [["-v"], []], "config": [["user.name"]]}
_VERBS = _QUIET | _TELLING | _MOVING | frozenset(_OF_THE_CLONE)
_AT_HAND = frozenset({"--", "."})


def own_history(command: str, place: Place) -> list[str] | None:
    """What has to be own of each git command in it; None where it tells of others or elsewhere.

    Names are relative to the folder of the place, or absolute.
    """
    found: list[str] = []
    for words in _commands(command):
        named = _named(words, place) if words is not None else None
        if named is None:
            return None
        found += named
    return found


def moves(command: str) -> bool:
    """Whether git makes files or history there another: a commit, a merge, another branch."""
    for given in _commands(command):
        words = [word for word in given or () if not word.startswith("-")]
        if set(words[:2]) & (_MOVING | {"commit", "mv", "rm", "stash"}):
            return True
    return False


def _commands(command: str) -> Iterator[list[str] | None]:
    """The words of each git command without quotes; None for one that cannot be read whole."""
    shown = REDIRECTED.sub(" ", _DOCUMENT.sub("''", command))
    for found in _GIT.finditer(shown):
        raw = _EACH.findall(found.group(1))
        before = ["", *raw]
        made = any(
            _MADE.search(word) and not _MESSAGE.fullmatch(last) and not _typed(word)
            for last, word in zip(before, raw, strict=False)
        )
        whole = found["end"] in _ENDS and not made
        yield [_QUOTES.sub(r"\1\2", word) for word in raw] if whole else None


def _typed(word: str) -> bool:
    """Whether a word has what a shell reads only where it does not: between single quotes."""
    return not _MADE.search(re.sub(r"'[^']*'", "x", word)) or word.startswith("--message=")


def _named(words: list[str], place: Place) -> list[str] | None:
    rest = _after_globals(words, place)
    if not rest:
        return None
    verb, *given = rest
    given = apart(verb, given)
    if verb not in _VERBS or not all(is_listed(verb, word) for word in _options(verb, given)):
        return None
    if verb in _OF_THE_CLONE:
        return [] if given in _OF_THE_CLONE[verb] else None
    if verb in _QUIET:
        return _of_quiet(verb, given)
    if verb == "bisect":
        if given[:1] and given[0] not in _BISECTS:
            return None
        given = [] if given[:1] == ["run"] else given[1:]
    operands = _operands(verb, given)
    back = bool(_GO_BACK.intersection(given))
    if "-" in given or (verb in _FOLLOW and not operands and not back):
        return None
    return _of_history(verb, given, operands, back=back)


def _options(verb: str, given: list[str]) -> list[str]:
    """The words that git takes for options: none after `--`, no message, no command of bisect."""
    if verb == "bisect" and given[:1] == ["run"]:
        return []
    found, last = [], ""
    for word in given:
        if word == "--":
            break
        if not (verb in {"commit", "tag", "merge"} and _MESSAGE.fullmatch(last)):
            found.append(word)
        last = "" if last and _MESSAGE.fullmatch(last) else word
    return found


def _of_quiet(verb: str, given: list[str]) -> list[str] | None:
    if verb == "commit":
        options = _options(verb, given)
        if leaves_message(options):
            return [UNDERWAY, MESSAGE]
        if not tells_message(options):
            return None
        return [HEAD, UNDERWAY] if "--amend" in options else [UNDERWAY]
    if verb == "stash":
        return _of_stash(_operands(verb, given))
    if verb == "tag":
        # Without a name it tells those of others.
        _, *marked = _operands(verb, given) or [""]
        return _refs_of(marked, REF) if _operands(verb, given) else [EVERY]
    brief = any(word.startswith(("-s", "--short", "--porcelain")) for word in given)
    return [UNDERWAY] if verb == "status" and not brief else []


def _of_stash(operands: list[str]) -> list[str] | None:
    if operands in (["pop"], ["apply"], ["drop"]):
        # What was put aside comes back, or it is named; where nothing was, this command put it.
        return [HEAD, f"{REF}stash"]
    # It tells the subject of the commit that is checked out.
    return [HEAD] if set(operands) <= {"push"} else None


def _of_history(
    verb: str, given: list[str], operands: list[str], *, back: bool
) -> list[str] | None:
    mark = REF_OR_FILE if verb in _FILES_TOO else REF
    if verb in {"show", "merge"}:
        mark = REF_SHOWN
    staged = {"--cached", "--staged"}.intersection(given)
    if verb == "diff" and len(operands) == 1 and not staged and ".." not in operands[0]:
        mark = REF_OR_FILES
    refs = _refs_of(operands, mark)
    if refs is None:
        return None
    whole = ["."] if verb == "diff" and not refs else []
    lists = verb == "branch" or any(word.partition("=")[0] in _ALL for word in given)
    beside = [NOTES] if shows_notes(verb, given) else []
    beside += [UNDERWAY] if back else []
    return [HEAD, *refs, *whole, *([EVERY] if lists else []), *beside]


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


def _refs_of(operands: list[str], mark: str) -> list[str] | None:
    refs: list[str] = []
    for operand in operands:
        named = _refs(operand, mark)
        if named is None:
            return None
        refs += named
    return refs


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
        found.append((REF if bare != part and mark != REF_OR_FILES else mark) + bare)
    return found
