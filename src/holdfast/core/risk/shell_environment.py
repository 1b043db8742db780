"""What setting a variable is worth: which names decide what a later word, program or option means.

Names are known by family (everything of the loader, of git, of an interpreter, of a package
tool), so that a new member of a family is dangerous until it is listed as harmless. A value that
is known and plain can be harmless where the name is not: ``PAGER=cat``, ``PYTHONPATH=src``.
"""

import re

from holdfast.core.risk import shell_rules as tables
from holdfast.core.risk.shell_calls import Call, Findings
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_words import UNKNOWN

# Everything whose value bash, the loader, or a program reads as code, as a place to find code, or
# as the host to talk to.
_DECIDES = re.compile(
    r"(?:CDPATH|FPATH|IFS|ENV|SHELL|HOME|GLOBIGNORE|EXECIGNORE|SHELLOPTS|BASHOPTS|BASH_\w+"
    r"|PROMPT_COMMAND|PS[0-4]|INPUTRC|LD_\w+|DYLD_\w+|GCONV_PATH|LOCPATH|NLSPATH|MALLOC_\w+"
    r"|GLIBC_\w+|TERMINFO\w*|TERMCAP|GIT_\w+|LESS\w*|MAN\w+"
    r"|\w*(?:PAGER|EDITOR|BROWSER|VISUAL|ASKPASS|_COMMAND|_CMD|_WRAPPER|_LAUNCHER|_SSH|_RSH"
    r"|_RUNNER|_LINKER|_SHELL|_EXEC|_PRELOAD)"
    r"|PYTHON\w+|PERL\w+|RUBY\w+|GEM_\w+|BUNDLE_\w+|NODE_\w+|NPM_CONFIG_\w+|npm_config_\w+|YARN_\w+"
    r"|PNPM_\w+|BUN_\w+|DENO_\w+|COREPACK_\w+|TS_NODE_\w+|PIP_\w+|UV_\w+|POETRY_\w+|PDM_\w+|CONDA_\w+"
    r"|VIRTUALENV_\w+|JAVA_\w+|_JAVA_OPTIONS|JDK_\w+|CLASSPATH|MAVEN_\w+|MVN_\w+|GRADLE_\w+|ANT_\w+"
    r"|SBT_\w+|RUST\w+|CARGO_\w+|GO(?:FLAGS|PROXY|NO\w+|SUMDB|PRIVATE|INSECURE|ROOT|PATH|BIN|ENV"
    r"|TOOL\w+|VCS|AUTH)|CC|CXX|CPP|LD|AR|AS|FC|C\w*FLAGS|LDFLAGS|MAKE|MAKEFLAGS|MAKEFILES|MFLAGS"
    r"|GNUMAKEFLAGS|PKG_CONFIG\w*|NM|RANLIB|STRIP|OBJCOPY|YACC|LEX|AWK|SED|GREP|PERL|PYTHON|RUBY|NODE|JAVA|JAVAC"
    r"|CMAKE_\w+|CCACHE_\w+|XDG_\w+|TAR_OPTIONS|RSYNC_\w+|GREP_OPTIONS|RIPGREP_\w+"
    r"|FZF_\w+|BAT_\w+|ZIPOPT|UNZIP\w*|GZIP|XZ_\w+|SSH_\w+|SUDO_\w+|GPG_\w+|GNUPGHOME|NETRC|WGETRC"
    r"|CURL_\w+|SSL_\w+|OPENSSL_\w+|\w+_CA_BUNDLE|DOCKER_\w+|COMPOSE_\w+|BUILDKIT_\w+|KUBE\w+|HELM_\w+"
    r"|AWS_\w+|AZURE_\w+|GOOGLE_\w+|ANTHROPIC_\w+|CLAUDE_\w+|OPENAI_BASE_URL|HOLDFAST_\w+|AWK\w+"
    r"|PYTEST_\w+|ESLINT_\w+|(?:https?|all|ftp)_proxy|(?:HTTPS?|ALL|FTP)_PROXY)"
)
_HARMLESS = re.compile(
    r"(?:GIT_(?:AUTHOR_\w+|COMMITTER_\w+|TERMINAL_PROMPT|OPTIONAL_LOCKS|MERGE_AUTOEDIT|SHA|COMMIT"
    r"|BRANCH|TAG|HASH|LFS_SKIP_SMUDGE|ADVICE)"
    r"|PYTHON(?:UNBUFFERED|DONTWRITEBYTECODE|HASHSEED|IOENCODING|UTF8|FAULTHANDLER|DEVMODE"
    r"|TRACEMALLOC|ASYNCIODEBUG)|NODE_(?:ENV|DEBUG|NO_WARNINGS|DISABLE_COLORS)"
    r"|(?:NPM_CONFIG|npm_config)_(?:loglevel|LOGLEVEL|progress|fund|audit|yes|update_notifier)"
    r"|YARN_ENABLE_\w+|PIP_(?:DISABLE_PIP_VERSION_CHECK|NO_CACHE_DIR|NO_INPUT|QUIET)"
    r"|UV_(?:NO_PROGRESS|OFFLINE|LINK_MODE|FROZEN|LOCKED)|POETRY_NO_INTERACTION"
    r"|RUST_(?:LOG|BACKTRACE|MIN_STACK|TEST_THREADS)|CARGO_(?:TERM_\w+|INCREMENTAL|NET_OFFLINE)"
    r"|DOCKER_BUILDKIT|COMPOSE_PROJECT_NAME|AWS_(?:DEFAULT_)?REGION|PYTEST_CURRENT_TEST"
    r"|XDG_SESSION_TYPE|LESSCHARSET)"
)
# By name: values that leave the meaning of everything as it was.
_PLAIN: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (re.compile(name), re.compile(value))
    for name, value in (
        (r"\w*(?:PAGER|EDITOR|BROWSER|VISUAL)", r"(?:/bin/)?(?:cat|true|:|less)?"),
        (r"LESS", r"-?[A-Za-z]{0,12}"),
        (
            r"NODE_OPTIONS",
            (
                r"(?:\s|--(?:max[-_]old[-_]space[-_]size=\d+|no-warnings|trace-warnings"
                r"|experimental-vm-modules|enable-source-maps|openssl-legacy-provider))*"
            ),
        ),
        (r"PYTHONWARNINGS", r"(?:ignore|default|error|always|once)"),
        (
            r"RUSTFLAGS|RUSTDOCFLAGS",
            (
                r"(?:\s|-[DAWF] ?[\w:-]+"
                r"|-C ?(?:target-cpu|opt-level|debuginfo|instrument-coverage)(?:=[\w-]+)?)*"
            ),
        ),
        (r"GOFLAGS", r"(?:\s|-mod=\w+|-count=\d+|-race|-v|-buildvcs=\w+)*"),
        (r"C\w*FLAGS|LDFLAGS", r"(?:\s|-(?:O\w?|W[a-z-]*|g\d?|D\w+(?:=\w*)?|std=[\w+]+|l\w+))*"),
        (r"CC|CXX", r"(?:gcc|cc|clang|g\+\+|c\+\+|clang\+\+)(?:-\d+)?"),
        (r"\w*MAKEFLAGS", r"(?:\s|-j ?\d*|-s|-k|--no-print-directory)*"),
        (r"PYTEST_ADDOPTS", r"(?:\s|-[qvxsl]+|--tb=\w+|--color=\w+|--maxfail=\d+)*"),
        (r"(?:MAVEN|GRADLE|JAVA|SBT)_OPTS", r"(?:\s|-Xm[xs]\w+|-XX:MaxMetaspaceSize=\w+)*"),
        (r"JAVA_HOME", r"/usr/lib/jvm/[\w.-]+"),
    )
)
_SEARCHED = words("PYTHONPATH NODE_PATH RUBYLIB PERL5LIB CLASSPATH")
_CODE = re.compile(r"(?:PAGER|EDITOR|COMMAND|BROWSER|VISUAL|_SSH|ASKPASS|DIFF)$")
_BINS = re.compile(
    r"(?:/(?:usr/(?:local/)?)?s?bin|~/\.cargo/bin|~/\.local/bin|~/go/bin|~/\.bun/bin"
    r"|/usr/local/go/bin|/usr/lib/go[\w.-]*/bin|/opt/homebrew/bin"
    r"|(?:\./)?(?:\.venv|venv|node_modules/\.)/?bin)/?"
)
_COMPUTED = re.compile(r"\$(?!\{?(?:PATH|HOME|PWD)\b)|`")
_COMPUTED_LIST = re.compile(
    r"\$(?!\{?(?:PYTHONPATH|NODE_PATH|RUBYLIB|PERL5LIB|CLASSPATH|PWD|HOME)\b)|`"
)
_SPLIT = words("read mapfile readarray")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def sets(name: str, value: str, where: str, found: Findings, *, before: str = "") -> str:
    """Judge one assignment; the value where it is code that a program will run, else nothing.

    ``value`` holds ``UNKNOWN`` where it is dynamic; ``before`` is the program that the assignment
    stands in front of, if any.
    """
    if name in tables.HISTORY_VARIABLES:
        found.add("shell.history_tampering", where)
    if not _NAME.fullmatch(name):
        if "%" in name or "(" in name or UNKNOWN in name:
            found.add("shell.loader_variable", where, opaque=True)
        return ""
    if name == "PATH":
        _path(value, where, found)
    elif name in _SEARCHED:
        _searched(value, where, found)
    elif name == "IFS" and before in _SPLIT:
        return ""
    elif _DECIDES.fullmatch(name) and not _HARMLESS.fullmatch(name) and not _plain(name, value):
        found.add("shell.loader_variable", where)
        if _CODE.search(name):
            return value
    elif name in tables.PROJECT_VARIABLES:
        found.add("shell.session_change", where)
    return ""


def assigned(words: tuple[str, ...], call: Call, found: Findings) -> None:
    """Arguments of ``env``, ``sudo``, ``export`` and ``declare`` that set a variable."""
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            sets(name.rstrip("+").partition("[")[0], value, call.where, found)


def named(name: str, call: Call, found: Findings) -> None:
    """A variable that a builtin fills with something unknown."""
    if name == "PATH" or name in _SEARCHED:
        found.add("shell.loader_variable", call.where, opaque=True)
    sets(name.partition("[")[0], UNKNOWN, call.where, found)


def _plain(name: str, value: str) -> bool:
    return any(n.fullmatch(name) and v.fullmatch(value) for n, v in _PLAIN)


def _path(value: str, where: str, found: Findings) -> None:
    """Folders of tools before or behind the old search path; anything else may shadow a program."""
    parts = [found.inside(part) for part in value.split(":")]
    # Of what is not known, only the old search path may stand there.
    kept = len(parts) > 1 and UNKNOWN in parts and not _COMPUTED.search(where)
    if kept and all(part == UNKNOWN or _BINS.fullmatch(part) for part in parts):
        found.add("shell.session_change", where)
    else:
        found.add("shell.loader_variable", where)


def _searched(value: str, where: str, found: Findings) -> None:
    """Where an interpreter looks for modules: folders of the project, and what was there."""
    if _COMPUTED_LIST.search(where):
        found.add("shell.loader_variable", where)
    for part in value.split(":"):
        if part and part != UNKNOWN and (UNKNOWN in part or found.foreign(part)):
            found.add("shell.loader_variable", where)
    found.add("shell.session_change", where)
