"""Programs whose arguments decide their risk: files, permissions, git, network, packages.

Each handler reads the arguments of one family and adds findings. Options are read as the
usual implementations read them; where they differ, the more dangerous reading counts.
"""

import re
from collections.abc import Callable

from holdfast.core.risk import shell_paths as paths
from holdfast.core.risk import shell_rules as tables
from holdfast.core.risk.shell_calls import Call, Findings
from holdfast.core.risk.shell_git import judge_git
from holdfast.core.risk.shell_rules import words
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
_RECURSIVE_READERS = words("rg tree tar zip 7z rsync")
_SED_RUNS = re.compile(
    r"(?:^|[;{}\n\s0-9$/!,])[ewWrR](?:\s+\S|$)|s(.)(?:(?!\1).)*\1(?:(?!\1).)*\1[gpimIM0-9]*[ew]"
)
_AWK_RUNS = re.compile(r"system\s*\(|\||getline|>")


def judge_operands(name: str, args: Args, call: Call, found: Findings) -> None:
    """Every path an ordinary program is given; contents count as read for known readers."""
    if name in _NO_PATHS:
        _no_paths(name, args, call, found)
        return
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
            found.read(word, call.where, recursive=recursive)
        elif name == "" or word.startswith(UNKNOWN):
            found.touch(word, call.where)
    touch_all(args if name not in _PATTERN_FIRST else tuple(rest), call, found)


def touch_all(args: Args, call: Call, found: Findings) -> None:
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
    if name in ("export", "declare", "typeset", "readonly") and (not args or has_flag(args, "p")):
        found.add("shell.environment_read", call.where)
    for arg in args if name in ("export", "declare", "typeset", "readonly", "local") else ():
        if arg.partition("=")[0] in tables.LOADER_VARIABLES:
            found.add("shell.loader_variable", call.where)
        if arg.partition("=")[0] in tables.HISTORY_VARIABLES:
            found.add("shell.history_tampering", call.where)
    if name == "unset" and any(arg in tables.HISTORY_VARIABLES for arg in args):
        found.add("shell.history_tampering", call.where)
    if name == "ps" and any("e" in arg for arg in args if not arg.startswith("-")):
        found.add("shell.environment_read", call.where)


def _set(call: Call, found: Findings) -> None:
    args = call.args
    if not args:
        found.add("shell.environment_read", call.where)
    if "history" in args:
        found.add("shell.history_tampering", call.where)


def _rm(call: Call, found: Findings) -> None:
    name, args = call.name, call.args
    forced = has_flag(args, "rRf", "recursive", "force", "no-preserve-root") or name in (
        "shred",
        "srm",
        "wipe",
    )
    if forced:
        found.add("shell.recursive_delete", call.where)
    targets = operands(args)
    # An unknown word may hold the flags.
    perhaps = any(word.startswith(UNKNOWN) for word in targets)
    for word in targets:
        found.delete(word, call.where, forced=forced)
        if (
            perhaps
            and not forced
            and any(map(paths.is_beyond_repair, paths.views(word, found.bases)))
        ):
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
    for path in words[1:]:
        found.write(path, call.where)
        if any(
            paths.is_system(view) or view in ("/", "~") for view in paths.views(path, found.bases)
        ):
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
    for path in rest:
        found.read(path, call.where, recursive=recursive or name == "mv")
        if name == "mv":
            found.write(path, call.where)
    for path in targets:
        found.write(path, call.where)
    for mode in option_values(args, "-m", "--mode") if name == "install" else ():
        _chmod(call.inner(("chmod", mode)), found)
    touch_all(args, call, found)


def _writes_operands(call: Call, found: Findings) -> None:
    args = call.args
    values = words(
        """
    -s -r -t -d -m -p --mode --size --reference --date --suffix --tmpdir -b -l -n -a
    """
    )
    for path in operands(args, values):
        found.write(path, call.where)
    for path in option_values(args, "-o", "--output", "-d"):
        found.write(path, call.where)
    touch_all(args, call, found)


def _editor(call: Call, found: Findings) -> None:
    if any(arg.startswith(("-c", "+", "--cmd", "-S", "--eval", "-s", "-l")) for arg in call.args):
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


def _sed(call: Call, found: Findings) -> None:
    args = call.args
    scripts = option_values(args, "-e", "--expression")
    files = operands(args, words("-e -f --expression --file -l"))
    if not scripts and not option_values(args, "-f", "--file"):
        scripts, files = files[:1], files[1:]
    if option_values(args, "-f", "--file"):
        found.add("shell.runs_script", call.where)
    for script in scripts:
        if UNKNOWN in script:
            found.add("shell.dynamic_path", call.where, opaque=True)
        if len(script) > 2_000 or _SED_RUNS.search(script):
            found.add("shell.interpreter_code", call.where, opaque=True)
    in_place = has_flag(args, "i", "in-place")
    for path in files:
        found.read(path, call.where)
        if in_place:
            found.write(path, call.where)


def _awk(call: Call, found: Findings) -> None:
    args = call.args
    values = words("-F -v -f --file --assign -i -e --source")
    rest = operands(args, values)
    programs = option_values(args, "-e", "--source")
    if option_values(args, "-f", "--file", "-i"):
        found.add("shell.runs_script", call.where)
    elif not programs:
        programs, rest = rest[:1], rest[1:]
    for program in programs:
        text = re.sub(r'"[^"]*"|/[^/]*/', "", program) if "system" not in program else program
        if UNKNOWN in program or _AWK_RUNS.search(text):
            found.add("shell.interpreter_code", call.where, opaque=True)
        if "ENVIRON" in program:
            found.add("shell.environment_read", call.where)
    for path in rest:
        found.read(path, call.where)


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
            found.read(word, call.where, recursive=True)
    for path in option_values(args, "-o", "--output", "-O", "--output-document"):
        if name in ("curl", "wget", "aria2c"):
            found.write(path, call.where)
    if name in ("scp", "rsync") and len(rest) > 1 and ":" not in rest[-1]:
        found.write(rest[-1], call.where)
    touch_all(args, call, found)


_INSTALLS = words(
    """
    install i add ci update upgrade up exec dlx x create init-from get sync download global link
    """
)


def _packages(call: Call, found: Findings) -> None:
    name, args = call.name, call.args
    verbs = operands(args, words("--prefix -C --cwd --manifest-path --directory"))
    verb = verbs[0] if verbs else ""
    if verb in ("publish", "login", "deploy", "release"):
        found.add("shell.publishes", call.where)
    elif (
        verb in _INSTALLS
        or (name == "yarn" and not verb)
        or verbs[:2] in (["tool", "run"], ["pip", "install"])
    ) or UNKNOWN in verb:
        found.add("shell.package_install", call.where)
    touch_all(args, call, found)


def _pip(call: Call, found: Findings) -> None:
    args = call.args
    verbs = operands(args)
    if verbs[:1] and verbs[0] not in (
        "list",
        "show",
        "freeze",
        "check",
        "help",
        "debug",
        "inspect",
    ):
        found.add("shell.package_install", call.where)
    touch_all(args, call, found)


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
    for word in operands(args):
        found.read(word, call.where, recursive=True)
    touch_all(args, call, found)


def _jq(call: Call, found: Findings) -> None:
    args = call.args
    if any(re.search(r"\benv\b|\$ENV", arg) for arg in args):
        found.add("shell.environment_read", call.where)
    judge_operands("jq", args, call, found)


def _cd(call: Call, found: Findings) -> None:
    args = call.args
    rest = operands(args)
    target = rest[0] if rest else "~"
    if target != "-":
        found.change_directory(target)
        found.touch(target, call.where)


def _date(call: Call, found: Findings) -> None:
    name, args = call.name, call.args
    changes = has_flag(args, "s", "set") if name == "date" else bool(operands(args))
    if changes:
        found.add("shell.system_control", call.where)


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
    **_family("npm yarn pnpm bun uv poetry cargo go hatch pdm bundle rake pre-commit", _packages),
    **_family("ed ex vi vim nvim nano emacs", _editor),
    **_family("pip pip2 pip3", _pip),
    **_family("kill pkill killall skill", _kill),
    **_family("systemctl service launchctl rc-service initctl loginctl", _control),
    **_family("init telinit", _init),
    **_family("tar zip unzip 7z cpio", _archive),
    **_family("awk gawk mawk nawk", _awk),
    **_family("sort uniq xxd rg tree", _sort),
    **_family("cd pushd", _cd),
    **_family("date hostname", _date),
    "dd": _dd,
    "sed": _sed,
    "git": judge_git,
    "jq": _jq,
    "set": _set,
}
