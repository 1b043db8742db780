"""Which calls only read: an allow-list of programs, and of the options of each.

What is not listed here does more than read. A word that is only known at run time may turn out
to be an option, so only programs none of whose options write or run take such words. Hosts,
redirections and assignments are judged elsewhere; here it is one program and its arguments.
"""

import re
from collections.abc import Callable

import msgspec

from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_words import UNKNOWN

# None of their options writes a file, runs a program or reaches a host.
PURE = words(
    """
    ls cat head tail wc echo grep egrep fgrep zgrep cut tr nl tac rev fold fmt expand unexpand
    column paste comm cmp diff join od hexdump strings md5sum sha1sum sha224sum sha256sum
    sha384sum sha512sum cksum b2sum sum basename dirname realpath readlink stat du df free uptime
    pwd whoami id groups nproc arch uname which seq expr true false : sleep test [ base64 base32
    zcat bzcat xzcat jq pgrep ps factor numfmt tsort cd pushd popd dirs exit return break continue
    lsof type logname tty getconf
    """
)
# Neutral: what they run is judged as a call of its own.
_CARRIERS = words("time timeout gtimeout nice stdbuf xargs command builtin")
_VERSIONS = words("--version -V --help -v")


class _Listed(msgspec.Struct, frozen=True):
    """Short options as letters, long ones by name (an end in ``=`` takes a value), operands."""

    letters: str = ""
    longs: frozenset[str] = frozenset()
    operands_max: int = 10_000


_LISTED: dict[str, _Listed] = {
    "sort": _Listed("bdfghinrRVucmzsk0123456789,.t:|", words("--numeric-sort --reverse --unique")),
    "uniq": _Listed("cdDiuz0123456789fsw", words("--count --repeated"), 1),
    "xxd": _Listed("abceEgilopsu0123456789", frozenset(), 1),
    "tree": _Listed("adfLIPhspugDFqNQitrcvUAnCSJX0123456789", words("--gitignore --dirsfirst")),
    "file": _Listed("bikLhNrsSz", words("--brief --mime --mime-type")),
    "printf": _Listed(),
    "date": _Listed("uRI", words("--utc --iso-8601 --rfc-3339=")),
    "ss": _Listed("ltnuapx46emosi", words("--listening --tcp --numeric")),
    "rg": _Listed(
        "nilLcvwxFsSoUPNHIuA0B1C23456789mgteTfa.jr",
        words(
            "--type= --type --glob= --glob --files --hidden --no-ignore --count --line-number "
            "--json --no-heading --files-with-matches --max-count --max-count= --context= --sort "
            "--sort= --stats --multiline --fixed-strings --ignore-case --word-regexp --color=never"
        ),
    ),
    "fd": _Listed("eHIdtEgisaLpF0123456789", words("--extension --hidden --type --max-depth")),
}
_FIND = words(
    """
    -name -iname -path -ipath -wholename -regex -iregex -type -size -mtime -mmin -ctime -atime
    -newer -maxdepth -mindepth -not -o -a -or -and ! ( ) -print -print0 -printf -ls -empty -prune
    -perm -user -group -links -depth -xdev -mount -follow -L -H -P -exec -execdir , -true -false
    -readable -writable -executable -quit ; + -daystart -regextype
    """
)
_SED_SCRIPT = re.compile(
    r"(?:(?:\d+|\$|/(?:[^/\\\n]|\\.)*/)(?:,(?:[+~]?\d+|\$|/(?:[^/\\\n]|\\.)*/))?)?\s*!?\s*[pdq=]"
    r"|s/(?:[^/\\\n]|\\.)*/(?:[^/\\\n]|\\.)*/[gpiI0-9]{0,4}"
)
_AWK_NOT = re.compile(r"system|\||getline|@|ENVIRON|\bprintf?\b[^;}]*>|close|fflush|/inet/")

_GIT_VERBS = words(
    """
    status log diff show rev-parse ls-files ls-tree blame shortlog describe cat-file rev-list
    name-rev merge-base for-each-ref show-ref grep whatchanged version count-objects diff-tree
    diff-index check-ignore
    """
)
_GIT_LISTS: dict[str, frozenset[str]] = {
    "branch": words("-a -r -v -vv --list --show-current --all --remotes"),
    "tag": words("-l -n --list"),
    "remote": words("-v --verbose get-url"),
    "stash": words("list show"),
    "worktree": words("list"),
    "reflog": words("show -5 -10 -20"),
    "config": words("--get --get-all -l --list"),
    "bisect": words("log"),
}
_GIT_BARE = words("branch tag remote reflog")
_GIT_OPTION = re.compile(
    r"-(?:[0-9]+|[nUCMABSGL].{0,200}|[a-zR]{1,5})|--"
    r"|--(?:stat|shortstat|numstat|short|porcelain|branch|name-only|name-status|oneline|graph|all"
    r"|cached|staged|patch|no-patch|decorate|no-color|color=never|merges|no-merges|first-parent"
    r"|follow|reverse|tags|long|always|dirty|abbrev-ref|show-toplevel|verify|git-dir|is-inside-\w+"
    r"|word-diff|ignore-all-space|ignore-space-change|summary|raw|count|heads|others|modified"
    r"|exclude-standard|error-unmatch|abbrev|untracked-files|ignored|verbose|quiet|exit-code"
    r"|no-index|check|left-right|cherry-pick|line-number|files-with-matches|ignore-case|full-tree"
    r"|no-renames|no-ext-diff|no-textconv|list|show-current|remotes|get|get-all"
    r"|(?:since|until|after|before|author|committer|grep|format|pretty|date|max-count|skip"
    r"|abbrev|unified|diff-filter|sort|contains|merged|no-merged|points-at|stat|decorate"
    r"|untracked-files|porcelain|word-diff|find-renames|exclude|match)(?:=.{0,300})?)",
    re.DOTALL,
)
_GIT_GLOBAL = words("--no-pager --no-optional-locks -P")


def only_reads(name: str, args: tuple[str, ...]) -> bool:
    """Whether a call of this program, found where the system keeps it, only reads."""
    if name in PURE or name in _CARRIERS:
        return True
    if len(args) == 1 and args[0] in _VERSIONS and name in _ASKED:
        return True
    if name in _LISTED:
        return _within(_LISTED[name], args)
    special = _SPECIAL.get(name)
    return special is not None and special(args)


def _dynamic(word: str) -> bool:
    """Whether a word may turn out to be an option when it runs."""
    return word[:1] in (UNKNOWN, "*", "?", "[")


def _within(listed: _Listed, args: tuple[str, ...]) -> bool:
    operands, ended = 0, False
    for arg in args:
        if ended or len(arg) < 2 or arg[0] != "-":
            operands += 1
            if _dynamic(arg) and not ended:
                return False
        elif arg == "--":
            ended = True
        elif arg.startswith("--"):
            head, equals, _ = arg.partition("=")
            if arg not in listed.longs and head + equals not in listed.longs:
                return False
        elif not set(arg[1:]) <= set(listed.letters):
            return False
    return operands <= listed.operands_max


def _find(args: tuple[str, ...]) -> bool:
    """``-exec`` is judged as a call of its own; any other predicate has to be listed."""
    inside = False
    for arg in args:
        if inside:
            inside = arg not in (";", "+")
        elif arg[:1] == UNKNOWN or (arg[:1] == "-" and arg not in _FIND):
            return False
        else:
            inside = arg in ("-exec", "-execdir")
    return True


def _sed(args: tuple[str, ...]) -> bool:
    scripts, rest = [], list(args)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "-e" and rest:
            scripts.append(rest.pop(0))
        elif option not in ("-n", "-E", "-r", "-s", "-ne", "-nE", "-nr"):
            return False
        elif option == "-ne" and rest:
            scripts.append(rest.pop(0))
    if not scripts:
        scripts = [rest.pop(0)] if rest else []
    if any(word.startswith("-") or _dynamic(word) for word in rest):
        return False
    parts = [part.strip() for script in scripts for part in script.split(";")]
    return bool(parts) and all(_SED_SCRIPT.fullmatch(part) for part in parts)


def _awk(args: tuple[str, ...]) -> bool:
    rest = list(args)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in ("-F", "-v") and rest:
            rest.pop(0)
        elif not option.startswith("-F"):
            return False
    if not rest or UNKNOWN in rest[0] or len(rest[0]) > 2_000 or _AWK_NOT.search(rest[0]):
        return False
    return not any(word.startswith("-") or _dynamic(word) for word in rest[1:])


def _git(args: tuple[str, ...]) -> bool:
    rest = list(args)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "-C" and rest:
            rest.pop(0)
        elif option not in _GIT_GLOBAL:
            return False
    if not rest:
        return False
    verb, rest = rest[0], rest[1:]
    if verb in _GIT_LISTS:
        if not rest:
            return verb in _GIT_BARE
        if verb == "config" and len(rest) == 1 and re.fullmatch(r"[A-Za-z][\w.-]*", rest[0]):
            return True
        return rest[0] in _GIT_LISTS[verb] and not any(map(_dynamic, rest)) and _quiet(verb, rest)
    if verb not in _GIT_VERBS:
        return False
    return not any(map(_dynamic, rest)) and all(
        _GIT_OPTION.fullmatch(arg) and not (verb == "grep" and arg[:2] == "-O")
        for arg in rest
        if arg[:1] == "-"
    )


def _quiet(verb: str, rest: list[str]) -> bool:
    """A listing verb that is given no name to make: ``branch -v new`` would make one."""
    names = [arg for arg in rest[1:] if not arg.startswith("-")]
    longs = [arg for arg in rest[1:] if arg.startswith("-") and not _GIT_OPTION.fullmatch(arg)]
    return not longs and (not names or verb in ("stash", "config", "remote", "tag"))


def _npm(args: tuple[str, ...]) -> bool:
    return args[:1] in (("ls",), ("list",)) and all(
        not arg.startswith("-") or arg in ("--depth=0", "--all", "--json", "-a") for arg in args[1:]
    )


def _pip(args: tuple[str, ...]) -> bool:
    return args[:1] in (("list",), ("show",), ("freeze",)) and all(
        not arg.startswith("-") or arg in ("-f", "--files", "-v", "--format=json")
        for arg in args[1:]
    )


def _tar(args: tuple[str, ...]) -> bool:
    letters = args[0].lstrip("-") if args else ""
    return set(letters) <= set("tvzjJf") and "t" in letters and not _options(args[1:])


def _unzip(args: tuple[str, ...]) -> bool:
    return args[:1] in (("-l",), ("-v",), ("-Z",)) and not _options(args[1:])


def _go(args: tuple[str, ...]) -> bool:
    return args == ("version",)


def _options(args: tuple[str, ...]) -> bool:
    return any(arg.startswith("-") or _dynamic(arg) for arg in args)


_SPECIAL: dict[str, Callable[[tuple[str, ...]], bool]] = {
    "find": _find,
    "sed": _sed,
    "awk": _awk,
    "gawk": _awk,
    "mawk": _awk,
    "git": _git,
    "npm": _npm,
    "pip": _pip,
    "pip3": _pip,
    "tar": _tar,
    "unzip": _unzip,
    "go": _go,
}
_ASKED = words(
    """
    python python2 python3 node npm yarn pnpm go cargo rustc git docker gcc g++ clang make cmake
    ruff mypy black pytest java ruby php perl bash jq rg fd uv poetry tsc eslint bun deno
    """
)
