"""Programs whose arguments decide their risk: files, permissions, git, network, packages.

Each handler reads the arguments of one family and adds findings. Options are read as the
usual implementations read them; where they differ, the more dangerous reading counts.
"""

import re
from collections.abc import Callable, Sequence

from holdfast.core.risk import shell_paths as paths
from holdfast.core.risk.shell_calls import Call, Findings
from holdfast.core.risk.shell_environment import sets
from holdfast.core.risk.shell_languages import judge_awk, judge_jq, judge_sed
from holdfast.core.risk.shell_options import make_variables
from holdfast.core.risk.shell_remote import named_packages, package_use
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_whole import judge_copy, judge_search
from holdfast.core.risk.shell_words import UNKNOWN
from holdfast.core.risk.shell_wrappers import has_flag, operands, option_values

Args = tuple[str, ...]
Handler = Callable[[Call, Findings], None]

_NO_PATHS = words(
    """
    echo printf true false : sleep seq expr tr exit break continue wait shift read let local
    declare typeset export readonly unset jobs times hash help users logname tty nproc arch
    uname whoami id groups uptime basename dirname kill which type command pgrep ps factor
    numfmt cal locale
    """
)
_PATTERN_FIRST = words("grep egrep fgrep rg zgrep sed awk gawk mawk nawk jq")
_NAMES_ONLY = words("ls tree stat test [ du df realpath readlink cd pushd namei")
_RECURSIVE_READERS = words("rg tree tar zip 7z rsync")


def judge_operands(name: str, args: Args, call: Call, found: Findings) -> None:
    """Every path an ordinary program is given; contents count as read for known readers."""
    if name in _NO_PATHS:
        _no_paths(name, args, call, found)
        return
    judge_search(name, args, call, found)
    reads = name in found.rules.safe
    recursive = name in _RECURSIVE_READERS or (
        has_flag(args, "rR", "recursive", "dereference-recursive")
        and name not in ("sort", "ls", "xxd")
    )
    rest = operands(args)
    if name in _PATTERN_FIRST and not has_flag(args, "ef", "regexp", "file", "expression"):
        rest = rest[1:]
    for word in rest:
        if reads:
            found.read(word, call.where, recursive=recursive, contents=name not in _NAMES_ONLY)
        elif name == "" or word.startswith(UNKNOWN):
            found.touch(word, call.where)
    touch_all(args if name not in _PATTERN_FIRST else tuple(rest), call, found)


def touch_all(args: Sequence[str], call: Call, found: Findings) -> None:
    """Paths inside arguments: whole, after ``=``, ``@`` or ``:``, or behind a short option."""
    for arg in args[:500]:
        pieces = {arg}
        for mark in "=@:":
            if mark in arg:
                pieces.add(arg.partition(mark)[2])
                pieces.add(arg.rpartition(mark)[2])
        if len(arg) > 2 and arg[0] == "-" and arg[1] != "-":
            pieces.add(arg[2:])
        for piece in sorted(pieces):
            if piece and piece != UNKNOWN:
                found.touch(piece, call.where)


def _no_paths(name: str, args: Args, call: Call, found: Findings) -> None:
    if name == "ps" and any("e" in arg for arg in args if not arg.startswith("-")):
        found.add("shell.environment_read", call.where)


def _is_plain_file(word: str) -> bool:
    return not re.search(r"[*?\[{\0]|(?:^|/)\.{1,2}/?$|/$|^~", word) and word != "/"


def _rm(call: Call, found: Findings) -> None:
    name, args = call.name, call.args
    targets = operands(args)
    forced = has_flag(args, "rR", "recursive", "no-preserve-root") or name in (
        "shred",
        "srm",
        "wipe",
    )
    if has_flag(args, "f", "force") and not all(map(_is_plain_file, targets)):
        # By force only what is named: a pattern or an unknown word may take anything.
        forced = True
    if forced:
        found.add("shell.recursive_delete", call.where)
    # An unknown word may hold the flags.
    perhaps = any(word.startswith(UNKNOWN) for word in targets)
    for word in targets:
        found.delete(word, call.where, forced=forced)
        if perhaps and not forced and any(map(paths.is_beyond_repair, found.views(word))):
            found.add("shell.system_delete", call.where)


def _chmod(call: Call, found: Findings) -> None:
    name, args = call.name, call.args
    words = [arg for arg in args if not re.match(r"-(?:[Rvcfh]+|-.*)$", arg)]
    if name == "chmod" and words and not option_values(args, "--reference"):
        mode = words[0]
        digits = mode.lstrip("0") if mode.isdigit() else ""
        loose = bool(digits) and (int(digits[-1]) & 2 > 0 or len(digits) > 3)
        for clause in mode.split(",") if not mode.isdigit() else ():
            match = re.match(r"([ugoa]*)([-+=])([rwxXstugo]*)", clause)
            if match and match.group(2) != "-":
                who, _, what = match.groups()
                loose |= "s" in what or ("w" in what and bool(set(who) & set("oa")))
                loose |= who == "" and "w" in what and match.group(2) == "="
        if loose or UNKNOWN in mode:
            found.add("shell.loose_permissions", call.where)
    if name in ("chown", "chgrp") and has_flag(args, "R", "recursive"):
        found.add("shell.system_ownership", call.where)
    for path in words[1:]:
        found.write(path, call.where)
        if any(paths.is_system(view) or view in ("/", "~") for view in found.views(path)):
            found.add("shell.system_ownership", call.where)


def _copy(call: Call, found: Findings) -> None:
    name, args = call.name, call.args
    values = words("-t -S -m -o -g --target-directory --suffix --mode --owner --group")
    rest = operands(args, values)
    targets = option_values(args, "-t", "--target-directory")
    if not targets and len(rest) > 1:
        targets, rest = [rest[-1]], rest[:-1]
    if name == "install" and has_flag(args, "d", "directory"):
        targets, rest = [*targets, *rest], []
    recursive = has_flag(args, "rRa", "recursive", "archive")
    judge_copy(name, args, rest, call, found)
    for path in rest:
        if name == "ln" or has_flag(args, "ls", "link", "symbolic-link"):
            # What it names is reached, and written, through the link from now on.
            found.write(path, call.where)
        found.read(path, call.where, recursive=recursive or name == "mv")
        if name == "mv":
            found.write(path, call.where)
    for path in targets:
        found.write(path, call.where)
    for mode in option_values(args, "-m", "--mode") if name == "install" else ():
        _chmod(call.inner(("chmod", mode)), found)
    touch_all(args, call, found)


# Options whose value is not a file, by program: a word taken for a value is not judged as a file.
_VALUE_OPTIONS = {
    "touch": words("-d -t -r --date --reference --time"),
    "mkdir": words("-m --mode"),
    "mkfifo": words("-m --mode"),
    "mknod": words("-m --mode"),
    "truncate": words("-s -r --size --reference"),
    "mktemp": words("-p --suffix"),
    "split": words("-b -l -n -C -a --bytes --lines --number --suffix-length"),
    "csplit": words("-b -f -n"),
    "patch": words("-p -F -i --strip --fuzz"),
    "zstd": words("-T"),
}


def _writes_operands(call: Call, found: Findings) -> None:
    args = call.args
    for path in operands(args, _VALUE_OPTIONS.get(call.name, frozenset())):
        found.write(path, call.where)
    if call.name == "mktemp":
        for folder in option_values(args, "-p", "--tmpdir"):
            found.write(folder, call.where)
    elif call.name not in ("touch", "tee", "mkdir"):
        for path in option_values(args, "-o", "--output"):
            found.write(path, call.where)
    touch_all(args, call, found)


# Options of editors that only show; any other may run or load something.
_PLAIN_EDIT = re.compile(r"-[RnbmMZ]|\+\d+|--|-|--(?:version|help|readonly)")


def _editor(call: Call, found: Findings) -> None:
    if not all(_PLAIN_EDIT.fullmatch(arg) for arg in call.args if arg[:1] in ("-", "+")):
        found.add("shell.interpreter_code", call.where, opaque=True)
    if call.feed.present:
        found.add("shell.code_from_stdin", call.where, opaque=True)
    _writes_operands(call, found)


def _dd(call: Call, found: Findings) -> None:
    args = call.args
    for arg in args:
        key, _, value = arg.partition("=")
        if key == "of":
            found.write(value, call.where)
        elif key == "if":
            found.read(value, call.where)
        elif UNKNOWN in arg:
            found.add("shell.dynamic_path", call.where, opaque=True)


def _sort(call: Call, found: Findings) -> None:
    name, args = call.name, call.args
    rest = operands(args, words("-o -k -t -S -T -n -s -w --output --key"))
    for path in option_values(args, "-o", "--output"):
        found.write(path, call.where)
    if name in ("uniq", "xxd") and len(rest) > 1:
        found.write(rest[1], call.where)
    if option_values(args, "--compress-program", "--pre"):
        found.add("shell.runs_script", call.where)
    judge_operands("cat", args, call, found)


def _network(call: Call, found: Findings) -> None:
    name, args = call.name, call.args
    values = words(
        """
    -o -H -d -X -u -A -e -F -T -x -b -c -w -m -p -i -l -O -P -U --output --header --data
    --request --user --form --upload-file --data-binary --data-raw --url --post-data --post-file
    """
    )
    rest = operands(args, values) + option_values(args, "--url")
    for at, word in enumerate(rest):
        remote = "://" in word or ":" in word or "@" in word
        if (
            remote
            or (name in ("curl", "wget") and "." in word)
            or (at == 0 and name not in ("scp", "rsync"))
        ):
            found.host(word)
        elif name in ("scp", "rsync"):
            judge_copy(name, args, [word], call, found)
            found.read(word, call.where, recursive=True)
    for path in option_values(args, "-o", "--output", "-O", "--output-document", "-c", "-D"):
        if name in ("curl", "wget", "aria2c"):
            found.write(path, call.where)
    if name in ("scp", "rsync") and len(rest) > 1 and ":" not in rest[-1]:
        found.write(rest[-1], call.where)
    touch_all(args, call, found)


_INSTALLS = words(
    """
    install i add ci update upgrade up exec dlx x create init-from get sync download global link
    unlink remove rm audit require
    """
)
_REWIRES = words("config set pkg owner token access hook adduser whoami")


def _packages(call: Call, found: Findings) -> None:
    name, args = call.name, call.args
    verbs = operands(args, words("--prefix -C --cwd --manifest-path --directory"))
    verb = verbs[0] if verbs else ""
    if code := package_use(name, args):
        found.add(code, call.where)
    elif verb in ("publish", "login", "deploy", "release", "unpublish"):
        found.add("shell.publishes", call.where)
    elif named := named_packages(name, args):
        found.package(named, call.where)
    elif _installs(name, verbs):
        found.add("shell.package_install", call.where)
    elif name in ("npm", "yarn", "pnpm") and verb in _REWIRES and verbs[1:2] != ["get"]:
        found.add("shell.loader_variable", call.where)
    if name == "go" and any(map(_is_remote_package, verbs[1:])):
        found.add("shell.package_install", call.where)
    if name in ("bun", "deno") and has_flag(args, "e", "eval"):
        found.add("shell.interpreter_code", call.where, opaque=True)
    touch_all(args, call, found)


def _installs(name: str, verbs: list[str]) -> bool:
    verb = verbs[0] if verbs else ""
    if name in ("npm", "pnpm", "yarn") and verb == "init" and len(verbs) > 1:
        return True
    pairs = (["tool", "run"], ["tool", "install"], ["mod", "edit"], ["pip", "install"])
    return (
        verb in _INSTALLS or (name == "yarn" and not verb) or UNKNOWN in verb or verbs[:2] in pairs
    )


def _is_remote_package(word: str) -> bool:
    return "@" in word or bool(re.match(r"[\w-]+\.[a-z]{2,}/", word))


def _pip(call: Call, found: Findings) -> None:
    args = call.args
    verbs = operands(args)
    if code := package_use("pip", args):
        found.add(code, call.where)
    elif named := named_packages("pip", args):
        found.package(named, call.where)
    elif verbs[:1] and verbs[0] not in words("list show freeze check help debug inspect"):
        found.add("shell.package_install", call.where)
    touch_all([arg for arg in args if not re.fullmatch(r"\.\[[\w,. -]+\]", arg)], call, found)


def _make(call: Call, found: Findings) -> None:
    for name, value in make_variables(call, found):
        sets(name, value, call.where, found)
    touch_all(call.args, call, found)


_SQLITE_DOTS = words(
    ".tables .schema .headers .mode .databases .indexes .indices .width .dump .quit .exit .show "
    ".fullschema .stats .timer .nullvalue .separator .help .echo .changes"
)
_SQLITE_REACHES = re.compile(
    r"(?i)load_extension|writefile|readfile|edit\s*\(|attach|fts3_tokenizer|vacuum\s+\w*\s*into"
)


def _sqlite(call: Call, found: Findings) -> None:
    """The database is a file that is written; what is said to it may run and load."""
    rest = operands(call.args, words("-separator -nullvalue -newline -cmd -init -mode"))
    for path in rest[:1]:
        found.write(path, call.where)
    texts = list(rest[1:])
    if call.feed.present:
        if call.feed.text is None:
            found.add("shell.code_from_stdin", call.where, opaque=True)
        else:
            texts.append(call.feed.text)
    for text in texts:
        for line in text.splitlines():
            dot = line.strip().split(None, 1)[:1] if line.strip().startswith(".") else []
            if (dot and dot[0] not in _SQLITE_DOTS) or _SQLITE_REACHES.search(line):
                found.add("shell.interpreter_code", call.where, opaque=True)
        if UNKNOWN in text:
            found.add("shell.dynamic_code", call.where, opaque=True)


def _kill(call: Call, found: Findings) -> None:
    args = call.args
    rest = [arg for arg in args if not re.match(r"-[A-Za-z]|-\d+$|--$", arg)]
    everything = "-1" in args[1:] or any(arg in ("0", "1", "-1") for arg in rest)
    if everything or (args[:1] == ("-1",) and not rest):
        found.add("shell.kills_processes", call.where)
    if "holdfast" in call.where.lower() or any("holdfast" in arg.lower() for arg in args):
        found.add("shell.touches_holdfast", call.where)


def _control(call: Call, found: Findings) -> None:
    name, args = call.name, call.args
    if name in ("systemctl", "loginctl") and set(args) & {
        "poweroff",
        "reboot",
        "halt",
        "kexec",
        "rescue",
        "emergency",
    }:
        found.add("shell.halts_machine", call.where)
    if any("holdfast" in arg.lower() for arg in args):
        found.add("shell.touches_holdfast", call.where)
    touch_all(args, call, found)


def _init(call: Call, found: Findings) -> None:
    args = call.args
    found.add("shell.system_control", call.where)
    if set(args) & {"0", "6"}:
        found.add("shell.halts_machine", call.where)


def _archive(call: Call, found: Findings) -> None:
    args = call.args
    for path in option_values(args, "-C", "--directory", "-d"):
        found.write(path, call.where)
    if any(
        arg.startswith(("--to-command", "--checkpoint-action", "--use-compress", "-I", "--rsh"))
        for arg in args
    ):
        found.add("shell.interpreter_code", call.where, opaque=True)
    if call.name == "tar" and _tar_leaves(args):
        found.add("shell.outside_write", call.where)
    judge_copy(call.name, args, operands(args), call, found)
    for word in operands(args):
        found.read(word, call.where, recursive=True)
    touch_all([arg for arg in args if not arg.startswith("--exclude")], call, found)


def _tar_leaves(args: Args) -> bool:
    """Names in the archive are taken as they are, so it may write anywhere."""
    first = args[0] if args and not args[0].startswith("-") else ""
    return has_flag(args, "P", "absolute-names") or "P" in first


def _cd(call: Call, found: Findings) -> None:
    args = call.args
    rest = operands(args)
    target = rest[0] if rest else "~"
    if target != "-":
        found.change_directory(target)
        found.touch(target, call.where)
    found.enter(target)


def _date(call: Call, found: Findings) -> None:
    name, args = call.name, call.args
    changes = has_flag(args, "s", "set") if name == "date" else bool(operands(args))
    if changes:
        found.add("shell.system_control", call.where)
    touch_all(args, call, found)


def _family(names: str, handler: Handler) -> dict[str, Handler]:
    return dict.fromkeys(names.split(), handler)


HANDLERS: dict[str, Handler] = {
    **_family("rm rmdir unlink shred srm wipe", _rm),
    **_family("chmod chown chgrp setfacl chattr", _chmod),
    **_family("cp mv install ln", _copy),
    **_family(
        "tee touch mkdir truncate sponge mkfifo mknod mktemp split csplit patch rename "
        "mkfs wipefs blkdiscard gzip gunzip bzip2 bunzip2 xz unxz "
        "zstd",
        _writes_operands,
    ),
    **_family(
        "curl wget nc ncat netcat socat scp rsync sftp ftp telnet http https ping dig nslookup "
        "host aria2c",
        _network,
    ),
    **_family(
        "npm yarn pnpm bun uv poetry cargo go hatch pdm bundle rake pre-commit composer", _packages
    ),
    **_family("ed ex vi vim nvim nano emacs", _editor),
    **_family("pip pip2 pip3", _pip),
    **_family("kill pkill killall skill", _kill),
    **_family("systemctl service launchctl rc-service initctl loginctl", _control),
    **_family("init telinit", _init),
    **_family("tar zip unzip 7z cpio", _archive),
    **_family("awk gawk mawk nawk", judge_awk),
    **_family("sort uniq xxd", _sort),
    **_family("cd pushd", _cd),
    **_family("date hostname", _date),
    "dd": _dd,
    "sed": judge_sed,
    "jq": judge_jq,
    "yq": judge_jq,
    "sqlite3": _sqlite,
    **_family("make gmake", _make),
}
