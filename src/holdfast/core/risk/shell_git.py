"""What a git command is worth: reading, changing, throwing away, publishing, running hooks."""

import re
from collections.abc import Callable

from holdfast.core.risk import shell_rules as tables
from holdfast.core.risk.shell_accounts import account_by
from holdfast.core.risk.shell_calls import Call, Findings
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_specs import GIT
from holdfast.core.risk.shell_words import UNKNOWN
from holdfast.core.risk.shell_wrappers import has_flag, operands, option_values

_GLOBAL_VALUES = words("-C -c --git-dir --work-tree --namespace --exec-path --config-env")
_HARMLESS_SETTINGS = (
    "user.name",
    "user.email",
    "color.",
    "core.quotepath",
    "advice.",
    "init.defaultbranch",
)
_LISTS = {
    "branch": words("-a -r -v -vv --list --show-current --all --remotes"),
    "tag": frozenset(["-l", "-n", "--list"]),
    "remote": words("-v --verbose show get-url"),
    "stash": frozenset(["list", "show"]),
    "worktree": frozenset(("list",)),
    "reflog": frozenset(("show",)),
    "config": words("--get --get-all -l --list --show-origin get list"),
    "notes": frozenset(("list", "show")),
    "bisect": frozenset(("log", "view")),
}
_RUNS = (
    "--ext-diff",
    "--textconv",
    "--open-files-in-pager",
    "--upload-pack",
    "--receive-pack",
    "--exec",
)


def judge_git(call: Call, found: Findings, inner: Callable[[tuple[str, ...]], None]) -> None:
    """``git [global options] verb …``; ``inner`` judges a command that git is told to run."""
    args = call.args
    at = 0
    while at < len(args) and args[at].startswith("-"):
        _global_option(args, at, call, found)
        at += 2 if args[at] in _GLOBAL_VALUES else 1
    if at < len(args):
        _judge_verb(args[at], args[at + 1 :], call, found, inner)


def _judge_verb(
    verb: str,
    rest: tuple[str, ...],
    call: Call,
    found: Findings,
    inner: Callable[[tuple[str, ...]], None],
) -> None:
    where = call.where
    if verb == "bisect" and rest[:1] == ("run",):
        found.add("shell.git_change", where)
        inner(rest[1:])
        return
    if verb == "config" and _only_shows(rest):
        return
    _judge_options(verb, rest, call, found)
    if UNKNOWN in verb:
        found.add("shell.dynamic_program", where, opaque=True)
    elif verb in tables.GIT_READS:
        return
    elif (
        verb in _LISTS
        and (not rest or rest[0] in _LISTS[verb])
        and not (verb == "stash" and not rest)
    ):
        if len(operands(rest)) > 1 and verb == "branch":
            found.add("shell.git_change", where)
    elif verb in {"push", "send-email"}:
        found.add("shell.publishes", where)
        if has_flag(rest, "fd", "force", "force-with-lease", "delete", "mirror", "prune"):
            found.add("shell.discards_work", where)
        _hosts(rest, found)
    elif verb in tables.GIT_REMOTE:
        code = "shell.remote_read" if _only_fetches(verb, rest) else "shell.network"
        found.add(code, where)
        _hosts(rest, found)
    else:
        found.add("shell.git_change", where)
        if verb not in _CHANGES:
            found.add("shell.unknown_reach", where)
        _discards(verb, rest, where, found)


def _judge_options(verb: str, rest: tuple[str, ...], call: Call, found: Findings) -> None:
    """What any verb may be given: paths, programs to run, files to write."""
    where = call.where
    if verb in GIT:
        account_by(GIT[verb], rest, call, found)
    for arg in rest:
        found.touch(arg.rpartition(":")[2], where)
    if any(arg.startswith(_RUNS) for arg in rest) or (
        verb in ("grep", "diff", "log") and has_flag(rest, "O")
    ):
        found.add("shell.loader_variable", where)
    outputs = ("--output", "-o") if verb in ("archive", "format-patch", "bundle") else ("--output",)
    for path in option_values(rest, *outputs, "--output-directory"):
        found.write(path, where)
    for path in _makes(verb, rest):
        found.write(path, where)
    if verb == "bundle" and rest[:1] == ("create",):
        for path in operands(rest[1:])[:1]:
            found.write(path, where)
    if verb == "apply" and "--unsafe-paths" in rest:
        found.add("shell.outside_write", where)


def _makes(verb: str, rest: tuple[str, ...]) -> list[str]:
    """Folders that a verb makes and fills."""
    named = operands(rest, words("-b -B -o -j --branch --depth --origin --reason --initial-branch"))
    if verb == "init":
        return named
    if verb == "clone":
        return named[1:]
    if verb != "worktree" or named[:1] not in (["add"], ["move"]):
        return []
    # A work tree mostly lies beside the project.
    return [path for path in named[1:2] if not re.fullmatch(r"\.\./[\w-][\w.-]*", path)]


# What changes the repository and nothing else; a verb that is not listed may do anything.
_CHANGES = words(
    """
    add am apply archive bisect branch bundle checkout cherry-pick clean commit config difftool
    filter-branch format-patch gc hash-object init merge mergetool mv notes prune read-tree rebase
    reflog reset restore revert rm sparse-checkout stash switch tag update-index update-ref
    worktree write-tree commit-tree commit-graph repack pack-refs rerere fsck symbolic-ref
    range-diff merge-tree cherry merge-file diff-files archive interpret-trailers stripspace var
    check-attr check-ref-format fmt-merge-msg mktree mktag patch-id show-branch verify-commit
    verify-tag remote replace instaweb daemon hook filter-repo
    """
)
_CONFIG_SHOWS = words(
    "--get --get-all --get-regexp -l --list --show-origin get list --global --local"
)
_FETCH_OPTIONS = re.compile(
    r"--(?:all|prune|tags|no-tags|rebase|no-rebase|ff-only|no-ff|depth=\d+|quiet|verbose|init"
    r"|recursive|unshallow|autostash|no-edit|dry-run|force|heads|refs|progress|jobs=\d+)|-[vqpt46]"
)


def _only_shows(rest: tuple[str, ...]) -> bool:
    """``git config`` that prints: a listing option, or one key and no value."""
    names = [arg for arg in rest if not arg.startswith("-") and arg not in ("get", "list")]
    listed = all(arg in _CONFIG_SHOWS for arg in rest if arg not in names)
    return bool(rest) and listed and len(names) <= 1


def _only_fetches(verb: str, rest: tuple[str, ...]) -> bool:
    """Fetching from a remote that the project already has, by its name."""
    names = [arg for arg in rest if not arg.startswith("-")]
    if not all(_FETCH_OPTIONS.fullmatch(arg) for arg in rest if arg.startswith("-")):
        return False
    if verb in ("fetch", "pull", "ls-remote"):
        return all(re.fullmatch(r"[\w.-]+", name) for name in names[:1]) and not any(
            "://" in name or "@" in name or UNKNOWN in name for name in names
        )
    if verb == "submodule":
        return names[:1] in (["update"], ["init"], ["status"], ["sync"]) and len(names) == 1
    return verb == "remote" and names[:1] in (["show"], ["update"], ["prune"]) and len(names) <= 2


def _hosts(rest: tuple[str, ...], found: Findings) -> None:
    for word in operands(rest):
        if "://" in word or "@" in word:
            found.host(word)


def _global_option(args: tuple[str, ...], at: int, call: Call, found: Findings) -> None:
    option = args[at]
    value = args[at + 1] if at + 1 < len(args) else ""
    if option == "-c" or option.startswith(("--config-env", "--exec-path=")):
        if not value.lower().startswith(_HARMLESS_SETTINGS) or option != "-c":
            found.add("shell.loader_variable", call.where)
    elif option == "-C":
        found.touch(value, call.where)
        found.change_directory(value)
        if found.outside(value):
            found.add("shell.outside_run", call.where)


def _discards(verb: str, rest: tuple[str, ...], where: str, found: Findings) -> None:
    discards = (
        (verb == "reset" and has_flag(rest, "", "hard", "merge", "keep"))
        or (verb == "clean" and not has_flag(rest, "n", "dry-run"))
        or (verb == "checkout" and (has_flag(rest, "f", "force") or "--" in rest or "." in rest))
        or (verb == "restore" and not has_flag(rest, "", "staged"))
        or (verb == "switch" and has_flag(rest, "fC", "force", "discard-changes"))
        or (verb == "branch" and has_flag(rest, "DM", "force"))
        or (verb == "stash" and rest[:1] in (("drop",), ("clear",)))
        or (verb == "worktree" and rest[:1] == ("remove",))
        or (verb == "rm" and has_flag(rest, "rf", "force"))
        or (verb == "reflog" and rest[:1] in (("expire",), ("delete",)))
        or verb in ("filter-branch", "filter-repo", "update-ref", "gc", "prune", "replace")
    )
    if discards:
        found.add("shell.discards_work", where)
    runs = verb != "rebase" or has_flag(rest, "x", "exec")
    if runs and verb in (
        "config",
        "rebase",
        "difftool",
        "mergetool",
        "instaweb",
        "daemon",
        "hook",
        "filter-branch",
    ):
        found.add("shell.loader_variable", where)
