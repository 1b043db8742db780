"""Which calls only read: an allow-list of programs, and of the options of each.

What is not listed here does more than read. A word that is only known at run time may turn out
to be an option, so only programs none of whose options write or run take such words. Hosts,
redirections and assignments are judged elsewhere; here it is one program and its arguments.
"""

import re
from collections.abc import Callable

import msgspec

from holdfast.core.risk.shell_awk import read_program
from holdfast.core.risk.shell_jq import only_computes
from holdfast.core.risk.shell_languages import awk_programs, jq_filters, sed_scripts
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_sed import read_script
from holdfast.core.risk.shell_spec import take
from holdfast.core.risk.shell_specs import PROGRAMS
from holdfast.core.risk.shell_words import UNKNOWN

_SED_READS = words(
    "-n -E -r -s -u -z -e --quiet --silent --regexp-extended --expression --separate --null-data"
)
_JQ_PAIRS = words("--arg --argjson --slurpfile --rawfile")
# None of their options writes a file, runs a program or reaches a host.
PURE = words(
    """
    ls cat head tail wc echo grep egrep fgrep zgrep cut tr nl tac rev fold fmt expand unexpand
    column paste comm cmp diff join od hexdump strings md5sum sha1sum sha224sum sha256sum
    sha384sum sha512sum cksum b2sum sum basename dirname realpath readlink stat du df free uptime
    pwd whoami id groups nproc arch uname which seq expr true false : sleep test [ base64 base32
    zcat bzcat xzcat pgrep ps factor numfmt tsort cd pushd popd dirs exit return break continue
    lsof type logname tty getconf bc dir vdir users hexyl cal locale
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
# What `find` may be given by `shell_judge`, where it does more than read.
FIND_PREDICATES = _FIND | words(
    """
    -delete -fprint -fprint0 -fprintf -fls -ok -okdir -cmin -amin -cnewer -anewer -newermt -newerct
    -newerat -inum -samefile -uid -gid -nouser -nogroup -lname -ilname -xtype -fstype -iwholename
    -noleaf -ignore_readdir_race -used -context -noignore_readdir_race -E -s -x -O1 -O2 -O3 -D -help
    --help --version -version -depth -d -X -f -Bmin -Bnewer -Btime -flags -mnewer -acl -newerBt -
    """
)
_GIT_GLOBAL = words("--no-pager --no-optional-locks -P")


def only_reads(name: str, args: tuple[str, ...]) -> bool:
    """Whether a call of this program, found where the system keeps it, only reads."""
    if name in PURE or name in _CARRIERS:
        return True
    if len(args) == 1 and args[0] in _VERSIONS and name in _ASKED:
        return True
    if name == "rg":
        taken = take(PROGRAMS["rg"].own, args)
        plain = all(one.kind in ("", "t") for one in taken.given)
        return plain and not any(word[:1] == UNKNOWN for word in taken.operands)
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
    taken = take(PROGRAMS["sed"].own, args)
    if any(one.kind is None or one.option not in _SED_READS for one in taken.given):
        return False
    scripts, files = sed_scripts(args)
    script = read_script("\n".join(scripts)) if scripts else None
    if script is None or script.runs or script.writes or script.dynamic:
        return False
    return not any(map(_dynamic, files))


def _awk(args: tuple[str, ...]) -> bool:
    taken = take(PROGRAMS["awk"].own, args, first_operand_ends=True)
    if any(one.kind is None or one.option not in ("-F", "-v") for one in taken.given):
        return False
    programs, files = awk_programs(args)
    read = [read_program(text) for text in programs]
    return (
        bool(read)
        and not any(program is None or program.writes for program in read)
        and not any(word.startswith("-") or _dynamic(word) for word in files)
    )


def _jq(args: tuple[str, ...]) -> bool:
    filters, files = jq_filters(args)
    known = take(PROGRAMS["jq"].own, tuple(arg for arg in args if arg not in _JQ_PAIRS))
    return (
        bool(filters)
        and all(one.kind == "" for one in known.given)
        and all(map(only_computes, filters))
        and not any(map(_dynamic, files))
    )


def _yq(args: tuple[str, ...]) -> bool:
    return "-i" not in args and "--inplace" not in args and _jq(args)


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
    if "--" in rest:
        rest = rest[: rest.index("--")]
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
    "jq": _jq,
    "yq": _yq,
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
