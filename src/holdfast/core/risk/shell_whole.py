"""Programs that read a folder whole, hidden files included, and so the state that lies below it.

What counts is what the program reads: ripgrep passes hidden and ignored files by unless it is told
to take them, `grep -r` and `tar` do not. A search that surely matches no token returns none.
"""

from collections.abc import Sequence

from holdfast.core.risk.searches import excludes_state, misses_tokens, reaches_state
from holdfast.core.risk.shell_calls import Call, Findings
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_wrappers import has_flag, operands, option_values

_GREPS = words("grep egrep fgrep zgrep rgrep")
_COPIES = words("cp tar zip 7z rsync scp")
_GUESSES = 16
_SHOWS_NAMES = ("lLcq", "files-with-matches", "files-without-match", "count", "quiet", "silent")
_VALUES = words("-A -B -C -D -d -e -f -m --exclude --include --exclude-dir --max-count --regexp")


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
    shown = not has_flag(args, *_SHOWS_NAMES) and not (named and not any(map(reaches_state, named)))
    folded = has_flag(args, "i", "ignore-case")
    sure = 0 < len(patterns) <= _GUESSES and not has_flag(
        args, "vaf", "invert-match", "text", "file"
    )
    sure = sure and all(misses_tokens(pattern, folded=folded) for pattern in patterns)
    if shown and not sure and any(map(found.covers_state, rest or ["."])):
        found.add("shell.secret_read", call.where)


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
    names = option_values(args, "-name", "-iname")
    told = any(".holdfast" in arg or arg in ("./.*", "*/.*", ".*", "*/.*/*") for arg in args)
    if (
        told
        or (names and not any(map(reaches_state, names)))
        or "d" in option_values(args, "-type")
    ):
        return
    if any(map(found.covers_state, starts)):
        found.add("shell.secret_read", call.where)


def _takes_folders(name: str, args: tuple[str, ...]) -> bool:
    """Whether it packs or copies what lies below a folder, and does not unpack or list."""
    if name == "tar":
        bundled = args[0] if args and not args[0].startswith("--") else ""
        makes = any(letter in bundled for letter in "cru") or has_flag(args, "cru", "create")
        return makes and not any(letter in bundled for letter in "xt")
    if name in ("cp", "scp", "rsync", "zip"):
        return has_flag(args, "rRa", "recursive", "recurse-paths", "archive")
    return name == "7z" and args[:1] in (("a",), ("u",))
