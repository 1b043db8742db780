"""Options that make a program run a string, load code or take another's settings, as tables.

``RUNS``: whatever is given is run, or decides what is run. ``LOADS``: a file or folder of code or
settings, which is the project's own business inside its folder and nobody's outside. ``WRITES``:
a file that is made. Long options may be shortened as GNU programs allow; the more dangerous
reading counts.
"""

import posixpath
import re

from holdfast.core.risk.shell_accounts import accounted, loads
from holdfast.core.risk.shell_calls import Call, Findings
from holdfast.core.risk.shell_hosts import is_local, names_host
from holdfast.core.risk.shell_rules import listed, words
from holdfast.core.risk.shell_words import UNKNOWN

_SHORTENED_MIN = 5


def _family(groups: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return {name: listed(options) for names, options in groups.items() for name in names.split()}


RUNS: dict[str, tuple[str, ...]] = _family(
    {
        "tar": "--checkpoint-action --to-command -I --use-compress-program --rsh-command -F "
        "--info-script --new-volume-script",
        "zip": "-TT --unzip-command",
        "7z unzip cpio": "--rsh-command",
        "rsync": "-e --rsh --rsync-path",
        "split": "--filter",
        "sort": "--compress-program",
        "rg": "--pre --hostname-bin",
        "ag ack": "--pager",
        "bat": "--pager",
        "man": "-C --config-file -P --pager -H --html -X",
        "less more": "+",
        "sqlite3": "-cmd -init",
        "gcc g++ cc c++ clang clang++": "-wrapper -fplugin -specs --specs -B -Xclang -fpass-plugin "
        "-load -fuse-ld -ld-path",
        "ld": "-plugin --plugin",
        "rustc": "-Clinker -C",
        "cargo": "--config",
        "go": "-toolexec -vettool -exec",
        "java javac": "-javaagent -agentlib -agentpath -processorpath --processor-path -XX:OnError",
        "npm pnpm yarn": "--script-shell --node-options --globalconfig --userconfig",
        "make gmake": "--eval -E",
        "pip pip3": "--index-url --extra-index-url --find-links --trusted-host --proxy "
        "--python --target --prefix --root",
        "uv": "--index-url --extra-index-url --index --default-index --with --python",
        "mypy": "--python-executable",
        "eslint": "--rulesdir --resolve-plugins-relative-to",
        "jest": "--globalSetup --globalTeardown",
        "fzf": "--preview --bind --execute",
        "hyperfine": "--prepare --setup --cleanup --conclude -p -s -c",
        "pandoc": "--filter -F --pdf-engine",
        "pdflatex latex xelatex lualatex tex": "--shell-escape -shell-escape --enable-write18",
        "tcpdump": "-z",
        "exiftool": "-if -config",
        "gawk": "-l --load",
        "hadolint shellcheck": "--external",
        "nano": "-s --speller",
        "node": "--experimental-loader",
        "cmake": "-E -DCMAKE_C_COMPILER -DCMAKE_CXX_COMPILER -DCMAKE_PROGRAM "
        "-DCMAKE_PROJECT_INCLUDE",
        "ssh-keygen": "-D",
        "tsx ts-node": "-e --eval -p --print",
    }
)
LOADS: dict[str, tuple[str, ...]] = _family(
    {
        "make gmake": "-f --file --makefile -C --directory -I --include-dir",
        "ninja": "-C -f",
        "cmake": "-P -C -S -B --build -DCMAKE_TOOLCHAIN_FILE",
        "ctest": "--test-dir",
        "pytest": "-c --rootdir --confcutdir --config-file --override-ini",
        "python python3": "-X",
        "awk gawk mawk nawk sed": "-f --file",
        "node": "-r --require --import --loader",
        "mocha": "-r --require --config",
        "jest vitest eslint prettier webpack vite tsc tsx playwright": "-c --config --plugin "
        "--require -r -p --project",
        "ruff mypy black isort flake8 pylint bandit coverage tox nox pre-commit": "--config "
        "--config-file --rcfile -c --settings-path --plugin",
        "java javac kotlinc": "-cp -classpath --class-path -jar --module-path",
        "npm pnpm": "--prefix -C --dir",
        "yarn bun": "--cwd",
        "cargo": "--manifest-path -Z -C",
        "go": "-C -modfile -overlay",
        "mvn": "-f --file -s --settings",
        "gradle": "-b -I --init-script -p --project-dir",
        "pip pip3": "-r --requirement -c --constraint -e --editable",
        "uv poetry pdm hatch": "--project --directory -C",
        "pandoc": "--lua-filter -L --defaults",
        "sqlite3": "-init",
        "screen": "-c",
        "tmux": "-f",
        "docker": "-f --file",
        "git": "--git-dir --work-tree -C --template",
        "uvicorn gunicorn flask": "--app-dir --config -c",
        "bundle rake": "--gemfile -f -r",
    }
)
WRITES: dict[str, tuple[str, ...]] = _family(
    {
        "gcc g++ cc c++ clang clang++ ld rustc as": "-o",
        "go": "-o",
        "javac": "-d",
        "npm": "--pack-destination",
        "python -m": "-o",
        "coverage": "-o --data-file",
        "pytest": "--junitxml --basetemp",
        "prettier eslint tsc": "--output-file -o --outDir --outFile",
        "tar": "--one-top-level",
        "git": "--output -o --output-directory",
        "rg fd tree jq": "-o",
    }
)
# Operands that are code, and so the project's own or another's.
_CODE_OPERANDS = words(
    """
    pytest node mocha jest vitest cmake ninja mvn gradle java python python3 ruby perl php tsc
    eslint prettier go cargo bash sh tox nox gcc g++ cc clang ld pip pip3 npm pnpm yarn mypy
    """
)
# Verbs after which a tool of the project is given code.
_CODE_VERBS: dict[str, frozenset[str]] = {
    "rails": words("runner r console c dbconsole"),
    "django-admin": words("shell"),
    "flask": words("shell"),
    "mix": words("eval"),
    "composer": words("exec"),
    "artisan": words("tinker"),
}
_STRING = re.compile(r"[\s;|&$`<>(){}]")
_TAKES_CODE = re.compile(
    r"-[cex]$|--?(?:exec\w*|eval\w*|command|cmd|run|shell\w*|script|hook|pre|post|filter|pager"
    r"|plugin|load|proxy|rsh|on-\w+|server|host|url|remote|upload|endpoint)(?:=|$|-)"
)


def judge_options(name: str, call: Call, found: Findings) -> None:
    """Options of a known program that run, load or write."""
    if not accounted(name):
        _listed_options(name, call, found)
    if set(call.args[:2]) & _CODE_VERBS.get(name, frozenset()):
        found.add("shell.option_runs", call.where)
    if name == "go" and call.args[:1] == ("env",) and set(call.args) & {"-w", "-u"}:
        found.add("shell.loader_variable", call.where)
    if found.rules.programs.get(name) == "shell.build_tool":
        _judge_values(call, found)
    if name in _CODE_OPERANDS:
        for arg in call.args:
            if arg[:1] not in ("-", UNKNOWN) and "=" not in arg and _is_path(arg):
                found.runs(arg, call.where)


def _listed_options(name: str, call: Call, found: Findings) -> None:
    for option, value in given(call.args, RUNS.get(name, ())):
        if not (name == "rustc" and option == "-C" and not value.startswith("linker")):
            found.add("shell.option_runs", call.where)
    for option, value in given(call.args, LOADS.get(name, ())):
        loads(option, value, call, found)
    for _, value in given(call.args, WRITES.get(name, ())):
        found.write(value, call.where)


def _judge_values(call: Call, found: Findings) -> None:
    """``--anything=value`` of a build tool: a place outside the project, or a host."""
    for arg in call.args:
        value = arg.partition("=")[2] if arg.startswith("-") else ""
        if value and _is_path(value) and found.outside(value):
            found.add("shell.outside_run", call.where)
        if arg.startswith("@/") and found.foreign(arg[1:]):
            found.add("shell.outside_run", call.where)
        if names_host(value or arg) and not arg.startswith("@"):
            every = "0.0.0.0" in arg or "[::]" in arg  # noqa: S104 - read, not bound
            found.add("shell.opens_port" if every else "shell.network", call.where)


def _is_path(word: str) -> bool:
    return word[:1] in ("/", "~") or word.startswith(("../", "..")) or "/../" in word


def given(args: tuple[str, ...], options: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each of ``options`` that stands in ``args``, with its value in whatever spelling."""
    found: list[tuple[str, str]] = []
    if not options:
        return found
    for at, arg in enumerate(args):
        if arg == "--":
            break
        if arg[:1] not in ("-", "+"):
            continue
        head, equals, tail = arg.partition("=")
        after = args[at + 1] if at + 1 < len(args) else ""
        for option in options:
            value = _value(option, arg, (head, equals, tail), after)
            if value is not None:
                found.append((option, value))
    return found


def _value(option: str, arg: str, parts: tuple[str, str, str], after: str) -> str | None:
    head, equals, tail = parts
    if option.startswith("--"):
        if head == option or (len(head) >= _SHORTENED_MIN and option.startswith(head)):
            return tail if equals else after
        return None
    if len(option) > 2:
        if arg.startswith(option):
            return arg[len(option) :].lstrip("=,:") or after
        return None
    if arg.startswith(option):
        return arg[len(option) :] or after
    letters = arg[1:] if not arg.startswith("--") else ""
    return (
        after if letters.endswith(option[1:]) and letters.isalpha() and len(letters) < 8 else None
    )


def judge_reach(call: Call, found: Findings, *, project: bool) -> None:
    """What a program nobody here knows is given: code, a place outside, a host.

    A script of the ``project`` may be given any text, but no host and no place outside.
    """
    for at, arg in enumerate(call.args):
        bare = arg.replace(UNKNOWN, "")
        follows = call.args[at + 1] if at + 1 < len(call.args) else ""
        value = arg.partition("=")[2] or follows
        if not project and (
            _STRING.search(bare) or (_TAKES_CODE.match(arg) and not is_local(value))
        ):
            found.add("shell.unknown_reach", call.where)
        if any(_reaches(piece, found) for piece in {arg, *re.split(r"[=,]", arg)}):
            found.add("shell.unknown_reach", call.where)
    if call.feed.present and not project and call.feed.programs & words("curl wget nc ssh"):
        found.add("shell.unknown_reach", call.where)


def _reaches(piece: str, found: Findings) -> bool:
    """Whether a word, or what follows a short option in it, is a host or a place outside."""
    glued = piece[2:] if piece[:1] == "-" and piece[1:2] != "-" else ""
    return names_host(piece) or any(
        _is_path(word) and found.outside(word) for word in (piece, glued)
    )


def make_variables(call: Call, found: Findings) -> list[tuple[str, str]]:
    """``NAME=value`` words of make: some decide what every recipe runs."""
    pairs = []
    for arg in call.args:
        name, equals, value = arg.partition("=")
        if equals and not arg.startswith("-"):
            name = name.rstrip(":+?!")
            pairs.append((name, value))
            code = "$(" in value or "`" in value or (re.search(r"\s-c\b", value) and name.isupper())
            if code or name in (".SHELLFLAGS", "MAKE"):
                found.add("shell.option_runs", call.where)
    return pairs


def program_name(word: str) -> str:
    """The program without its folder."""
    return posixpath.basename(word) or word
