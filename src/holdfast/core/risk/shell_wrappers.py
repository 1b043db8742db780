"""Programs that run another program: where, in their arguments, the other one begins.

Everything here is about argument shapes; what the inner program is worth is not decided here.
"""

import re

import msgspec

from holdfast.core.risk.shell_rules import words

_ASSIGNMENT = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)\+?=", re.DOTALL)
RESERVED = words("{ } ! then do else elif if while until fi done esac in coproc time")


class Wrapper(msgspec.Struct, frozen=True):
    """``values``: options that take the next word; ``skip``: operands before the program."""

    values: frozenset[str] = frozenset()
    skip: int = 0
    assignments: bool = False


def _wrapper(values: str = "", *, skip: int = 0, assignments: bool = False) -> Wrapper:
    return Wrapper(frozenset(values.split()), skip, assignments)


WRAPPERS: dict[str, Wrapper] = {
    "sudo": _wrapper(
        "-u -g -h -p -C -r -t -T -U -D -R -a -c --user --group --host --prompt --chdir "
        "--chroot --role --type "
        "--close-from --command-timeout --other-user",
        assignments=True,
    ),
    "doas": _wrapper("-u -C"),
    "run0": _wrapper("-u -g -D --user --group --chdir --unit --property --nice --setenv"),
    "pkexec": _wrapper("--user"),
    "gosu": _wrapper(skip=1),
    "su-exec": _wrapper(skip=1),
    "setpriv": _wrapper("--reuid --regid --groups"),
    "env": _wrapper("-u -C -P -S --unset --chdir --split-string", assignments=True),
    "command": _wrapper(),
    "builtin": _wrapper(),
    "exec": _wrapper("-a"),
    "nohup": _wrapper(),
    "nice": _wrapper("-n --adjustment"),
    "ionice": _wrapper("-c -n -p --class --classdata"),
    "chrt": _wrapper("-T -P -D", skip=1),
    "taskset": _wrapper(skip=1),
    "numactl": _wrapper("-N -m -i -C -p"),
    "time": _wrapper("-f -o --format --output"),
    "gtime": _wrapper("-f -o"),
    "timeout": _wrapper("-s -k --signal --kill-after", skip=1),
    "gtimeout": _wrapper("-s -k", skip=1),
    "setsid": _wrapper(),
    "stdbuf": _wrapper("-i -o -e --input --output --error"),
    "unbuffer": _wrapper(),
    "chronic": _wrapper(),
    "caffeinate": _wrapper("-t -w"),
    "catchsegv": _wrapper(),
    "dbus-run-session": _wrapper(),
    "xvfb-run": _wrapper("-e -f -n -p -s -w"),
    "faketime": _wrapper("-f", skip=1),
    "proxychains": _wrapper("-f"),
    "proxychains4": _wrapper("-f"),
    "torsocks": _wrapper(),
    "chroot": _wrapper("--userspec --groups", skip=1),
    "unshare": _wrapper("-R -w -S -G --root --wd --map-user --map-group"),
    "nsenter": _wrapper("-t -S -G --target --setuid --setgid"),
    "systemd-run": _wrapper("-p -u -E -t -M -H --property --unit --setenv --slice --description"),
    "setarch": _wrapper(),
    "linux32": _wrapper(),
    "linux64": _wrapper(),
    "strace": _wrapper("-e -o -p -s -a -b -E -I -O -P -S -u -X"),
    "ltrace": _wrapper("-e -o -p -s -a -l -n -u -x"),
    "valgrind": _wrapper(),
    "perf": _wrapper("-e -o -F -C", skip=1),
    "busybox": _wrapper(),
    "toybox": _wrapper(),
    "coproc": _wrapper(),
    "xargs": _wrapper(
        "-I -n -P -L -d -a -E -s --replace --max-args --max-procs --max-lines --delimiter "
        "--arg-file "
        "--max-chars --process-slot-var"
    ),
    "flock": _wrapper("-w -E --timeout", skip=1),
    "entr": _wrapper(),
    "firejail": _wrapper(),
    "bwrap": _wrapper(
        "--chdir --setenv --unsetenv --bind --ro-bind --dev --proc --tmpfs --dir --uid "
        "--gid --symlink"
    ),
    "sg": _wrapper(skip=1),
    "runuser": _wrapper("-u -g -G -s"),
    "dotenv": _wrapper("-f"),
    "direnv": _wrapper(skip=2),
    "uvx": _wrapper("--from --with --python"),
    "npx": _wrapper("-p --package"),
    "pnpx": _wrapper(),
    "bunx": _wrapper(),
}
RUN_VERBS: dict[str, frozenset[str]] = {
    "uv": frozenset(("run",)),
    "poetry": frozenset(("run",)),
    "pdm": frozenset(("run",)),
    "hatch": frozenset(("run",)),
    "rye": frozenset(("run",)),
    "pipenv": frozenset(("run",)),
    "bundle": frozenset(("exec",)),
    "pnpm": frozenset(("exec",)),
    "yarn": frozenset(("exec",)),
    "conda": frozenset(("run",)),
}


class Unwrapped(msgspec.Struct, frozen=True):
    """The inner command, and what the wrapper itself was given."""

    argv: tuple[str, ...]
    assignments: tuple[str, ...]
    options: tuple[str, ...]


def unwrap(wrapper: Wrapper, args: tuple[str, ...]) -> Unwrapped:
    """Split a wrapper's arguments into its own and the command it runs."""
    at, skip = 0, wrapper.skip
    assignments: list[str] = []
    options: list[str] = []
    ended = False
    while at < len(args):
        arg = args[at]
        if not ended and arg == "--":
            ended = True
        elif not ended and len(arg) > 1 and arg[0] == "-":
            options.append(arg)
            if takes_next(arg, wrapper.values) and at + 1 < len(args):
                at += 1
                options.append(args[at])
        elif wrapper.assignments and _ASSIGNMENT.match(arg):
            assignments.append(arg)
        elif skip:
            skip -= 1
            options.append(arg)
        else:
            break
        at += 1
    return Unwrapped(args[at:], tuple(assignments), tuple(options))


def takes_next(option: str, values: frozenset[str]) -> bool:
    """Whether the next word is the option's value: ``-u``, ``-nu``, ``--user``, not ``-uroot``."""
    if option.startswith("--"):
        return option in values
    for at, letter in enumerate(option[1:], start=1):
        if "-" + letter in values:
            return at == len(option) - 1
    return False


def operands(args: tuple[str, ...], values: frozenset[str] = frozenset()) -> list[str]:
    """Arguments that are not options, in order; options may stand between them."""
    found: list[str] = []
    at, ended = 0, False
    while at < len(args):
        arg = args[at]
        if ended or len(arg) < 2 or arg[0] != "-":
            found.append(arg)
        elif arg == "--":
            ended = True
        elif takes_next(arg, values):
            at += 1
        at += 1
    return found


def has_flag(args: tuple[str, ...], letters: str, *longs: str) -> bool:
    """Whether a short flag (also in a cluster) or a long one (also shortened) is given."""
    for arg in args:
        if arg == "--":
            return False
        if arg.startswith("--"):
            name = arg[2:].partition("=")[0]
            if name and any(long.startswith(name) for long in longs):
                return True
        elif arg.startswith("-") and any(letter in arg for letter in letters):
            return True
    return False


def option_values(args: tuple[str, ...], *names: str) -> list[str]:
    """Values of an option in its four spellings: ``-o v``, ``-ov``, ``--out v``, ``--out=v``."""
    found: list[str] = []
    for at, arg in enumerate(args):
        for name in names:
            if arg == name:
                found.extend(args[at + 1 : at + 2])
            elif name.startswith("--"):
                if arg.startswith(name + "="):
                    found.append(arg[len(name) + 1 :])
            elif arg.startswith(name) and not arg.startswith("--"):
                found.append(arg[len(name) :])
            elif (
                len(name) == 2
                and len(arg) > 2
                and arg[0] == "-"
                and arg[1] != "-"
                and arg[-1] == name[1]
            ):
                found.extend(args[at + 1 : at + 2])
    return found
