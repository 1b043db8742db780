"""Programs that read a folder whole, hidden files included, and so the state that lies below it.

What counts is what the program reads: ripgrep passes hidden and ignored files by unless it is told
to take them, `grep -r` and `tar` do not. A search that surely matches no token returns none.
"""

from collections.abc import Sequence
from itertools import pairwise

from holdfast.core.risk.searches import excludes_state, misses_tokens, reaches_state
from holdfast.core.risk.shell_calls import Call, Findings
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_wrappers import has_flag, operands, option_values, takes_next

_GREPS = words("grep egrep fgrep zgrep rgrep")
_COPIES = words("cp tar zip 7z rsync scp")
_GUESSES = 16
_HIDDEN = ("./.*", "*/.*", ".*", "*/.*/*")
_NOT = (("-not",), ("!",))
_SHOWS_NAMES = words("-l -c -q --files-with-matches --files-without-match --count --quiet --silent")
_VALUES = words(
    "-A -B -C -D -d -e -f -g -m --exclude --include --exclude-dir --max-count --regexp"
    " --file --glob"
)


def judge_search(name: str, args: tuple[str, ...], call: Call, found: Findings) -> None:
    """A recursive search that could return a token of the state folder below it."""
    unhides = has_flag(args, "u.", "hidden", "no-ignore", "unrestricted")
    if name in _GREPS and not has_flag(args, "rR", "recursive", "dereference-recursive"):
        return
    if (name not in _GREPS and not (name == "rg" and unhides)) or excludes_state(args):
        return
    patterns = option_values(args, "-e", "--regexp")
    rest = operands(args, _VALUES)
    if not patterns:
        patterns, rest = rest[:1], rest[1:]
    includes = option_values(args, "--include", "-g", "--glob")
    named = [glob for glob in includes if not glob.startswith("!")]
    shown = not (named and not any(map(reaches_state, named))) and not _shows_names(name, args)
    folded = has_flag(args, "i", "ignore-case")
    sure = 0 < len(patterns) <= _GUESSES and not has_flag(
        args, "vaf", "invert-match", "text", "file"
    )
    sure = sure and all(misses_tokens(pattern, folded=folded) for pattern in patterns)
    if shown and not sure and any(map(found.covers_state, rest or ["."])):
        found.add("shell.secret_read", call.where)


def _shows_names(name: str, args: tuple[str, ...]) -> bool:
    """Whether it is told to print names or numbers alone, by an option that is surely one."""
    given = iter(args)
    for arg in given:
        if arg == "--":
            return False
        if arg.startswith("--"):
            if arg in _SHOWS_NAMES:
                return True
        elif arg.startswith("-") and _is_told(name, arg):
            return True
        if takes_next(arg, _VALUES):
            next(given, "")
    return False


def _is_told(name: str, cluster: str) -> bool:
    for letter in cluster[1:]:
        # What follows is the value of this letter.
        if "-" + letter in _VALUES:
            return False
        # To ripgrep `-L` is to follow links.
        if "-" + letter in _SHOWS_NAMES or (letter == "L" and name != "rg"):
            return True
    return False


def judge_copy(
    name: str, args: tuple[str, ...], sources: Sequence[str], call: Call, found: Findings
) -> None:
    """A whole folder that is copied or packed, the state folder with it."""
    if name not in _COPIES or excludes_state(args) or not _takes_folders(name, args):
        return
    if any(map(found.covers_state, sources)):
        found.add("shell.secret_read", call.where)


def judge_found(args: tuple[str, ...], starts: Sequence[str], call: Call, found: Findings) -> None:
    """A program that `find` runs on files of a folder, those of the state below it included."""
    names = _names_taken(args)
    if (
        _leaves_hidden(args)
        or (names and not any(map(reaches_state, names)))
        or "d" in option_values(args, "-type")
    ):
        return
    if any(map(found.covers_state, starts)):
        found.add("shell.secret_read", call.where)


def _names_taken(args: tuple[str, ...]) -> list[str]:
    """The names that `find` is told to take, where each alternative of it names one."""
    names = [
        value
        for at, (option, value) in enumerate(pairwise(args))
        if option in ("-name", "-iname") and args[max(at - 1, 0)] not in ("-not", "!")
    ]
    alternatives = sum(arg in ("-o", "-or", ",") for arg in args)
    return names if "-prune" in args or alternatives < len(names) else []


def _leaves_hidden(args: tuple[str, ...]) -> bool:
    """Whether `find` passes the state folder by: its name behind a `!`, or before a `-prune`."""
    for at, arg in enumerate(args):
        if ".holdfast" in arg or arg in _HIDDEN:
            behind = tuple(one for one in args[at + 1 : at + 5] if one not in ("-type", "d", ")"))
            pruned, negated = behind[:1] == ("-prune",), args[max(at - 2, 0) : at - 1] in _NOT
            if pruned or (negated and not {"-o", "-or", ","} & set(args)):
                return True
    return False


def _takes_folders(name: str, args: tuple[str, ...]) -> bool:
    """Whether it packs or copies what lies below a folder, and does not unpack or list."""
    if name == "tar":
        bundled = args[0] if args and not args[0].startswith("--") else ""
        makes = any(letter in bundled for letter in "cru") or has_flag(args, "cru", "create")
        return makes and not any(letter in bundled for letter in "xt")
    if name in ("cp", "scp", "rsync", "zip"):
        return has_flag(args, "rRa", "recursive", "recurse-paths", "archive")
    return name == "7z" and args[:1] in (("a",), ("u",))
