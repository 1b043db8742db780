"""Programs that reach hosts, containers and clusters, where what they are given makes them milder.

The tables rate these programs HIGH by name. Here stand, by allow-list, the verbs and options that
only ask (``gh pr view``, ``docker logs``), stay on this machine (``curl localhost:8000``), or
install what the project's own files declare (``npm ci``). One word that is not listed, and the
program is worth what the table says.
"""

import re
from collections.abc import Callable

import msgspec

from holdfast.core.risk.shell_hosts import is_local, local_url
from holdfast.core.risk.shell_rules import words
from holdfast.core.risk.shell_words import UNKNOWN

Args = tuple[str, ...]
_LOCAL, _ASKS, _DECLARED, _TOOL = (
    "shell.local_service",
    "shell.remote_read",
    "shell.declared_install",
    "shell.build_tool",
)


class _Options(msgspec.Struct, frozen=True):
    """What may be given: flags, and options that take the next word (or ``=value``)."""

    flags: frozenset[str]
    values: frozenset[str]

    def operands(self, args: Args) -> list[str] | None:
        """The operands, or None where an option is not listed or a word is not known."""
        found: list[str] = []
        at = 0
        while at < len(args):
            arg = args[at]
            at += 1
            if arg.startswith(UNKNOWN):
                return None
            if len(arg) < 2 or arg[0] != "-":
                found.append(arg)
                continue
            head, equals, _ = arg.partition("=")
            if arg in self.flags or (equals and head in self.values):
                continue
            if arg in self.values:
                at += 1
            elif (not arg.startswith("--") and not self._cluster(arg)) or arg.startswith("--"):
                return None
            elif "-" + arg[-1] in self.values:
                at += 1
        return found

    def _cluster(self, arg: str) -> bool:
        """``-sSf``, ``-qO-`` and ``-n4``: flags first, then perhaps one value."""
        for at, letter in enumerate(arg[1:], start=1):
            if "-" + letter in self.values:
                return at == len(arg) - 1 or "-" + arg[-1] not in self.values
            if "-" + letter not in self.flags:
                return False
        return True


def milder(name: str, args: Args) -> str:
    """The finding of a milder use of a program that is HIGH by name; nothing if it is not."""
    use = _USES.get(name)
    return use(args) if use is not None else ""


def _curl(args: Args) -> str:
    options = _Options(
        words(
            "-s -S -f -i -I -k -v -L -G -g -N -# --silent --show-error --fail --include --head "
            "--insecure --verbose --location --get --globoff --no-buffer --compressed "
            "--fail-with-body -4 -6 --http1.1 --http2 --retry-connrefused"
        ),
        words(
            "-X -H -d -o -w -m -F -u -b -A -e --request --header --data --data-raw --data-binary "
            "--data-urlencode --json --output --write-out --max-time --connect-timeout --retry "
            "--retry-delay --form --user --cookie --user-agent --retry-max-time"
        ),
    )
    return _all_local(options.operands(args))


def _wget(args: Args) -> str:
    options = _Options(
        words("-q -S --quiet --spider --server-response -nv --no-verbose"),
        words("-O -T -t --output-document --timeout --tries --header --method --body-data"),
    )
    return _all_local(options.operands(args))


def _all_local(rest: list[str] | None) -> str:
    return _LOCAL if rest and all(map(local_url, rest)) else ""


def _nc(args: Args) -> str:
    rest = _Options(words("-z -v -n -4 -6 -u"), words("-w")).operands(args)
    scans = any(arg.startswith("-") and "z" in arg for arg in args)
    return _LOCAL if rest and len(rest) == 2 and is_local(rest[0]) and scans else ""


def _ping(args: Args) -> str:
    rest = _Options(words("-n -q"), words("-c -W -w")).operands(args)
    return _LOCAL if rest and len(rest) == 1 and is_local(rest[0]) else ""


def _redis(args: Args) -> str:
    rest = _Options(words("--raw"), words("-p -n")).operands(args)
    return _LOCAL if rest and rest[0].lower() in ("ping", "info", "dbsize") else ""


_NAMES_OF_CONFIG = words("-q --quiet --services")
_COMPOSE_READS = words("ps logs images top version ls")
_DOCKER_READS = words("ps images logs version stats top port info")
_DOCKER_GROUPS = words("network volume image container context")


# Of a container, what says nothing of its environment, mounts and networks.
_STATE = re.compile(r"(?:\{\{\.(?:State(?:\.\w+)*|Name|Id|Created|RestartCount)\}\}|[\w ,:=-])+")


def _docker_inspect(args: Args) -> str:
    """Asked for named fields alone: as a whole it tells the environment."""
    formats: list[str] = []
    rest: list[str] = []
    at = 0
    while at < len(args):
        head, equals, value = args[at].partition("=")
        at += 1
        if head in ("-f", "--format"):
            formats.append(value if equals else "".join(args[at : at + 1]))
            at += 0 if equals else 1
        elif head.startswith(("-", UNKNOWN)):
            return ""
        else:
            rest.append(head)
    return _ASKS if rest and formats and all(map(_STATE.fullmatch, formats)) else ""


def _docker(args: Args) -> str:
    options = _Options(
        words(
            "-a -f -q --all --follow --no-stream --no-trunc --quiet -t --timestamps --size -s "
            "--no-color --no-log-prefix"
        ),
        words("-n --tail --since --until --filter --format"),
    )
    if args[:1] == ("compose",):
        return _compose(args[1:])
    if args[:1] == ("build",):
        return _docker_build(args[1:])
    if args[:1] == ("inspect",):
        return _docker_inspect(args[1:])
    if not args or args[0].startswith("-"):
        return ""
    rest = options.operands(args)
    if not rest:
        return ""
    if rest[0] in _DOCKER_GROUPS:
        return _ASKS if rest[1:2] == ["ls"] else ""
    return _ASKS if rest[0] in _DOCKER_READS else ""


def _compose(args: Args) -> str:
    options = _Options(
        words("-a -f -q --follow --no-color --quiet --services --no-log-prefix -t --timestamps"),
        words("-n --tail --since --until --format -p"),
    )
    rest = options.operands(args)
    if rest == ["config"]:
        # Without one of these it tells what variables hold.
        return _ASKS if set(args) & _NAMES_OF_CONFIG else ""
    return _ASKS if rest and rest[0] in _COMPOSE_READS else ""


def _docker_build(args: Args) -> str:
    options = _Options(
        words("--no-cache --pull --quiet -q --rm"),
        words("-t --tag -f --file --target --build-arg --platform --progress --label"),
    )
    rest = options.operands(args)
    inside = rest is not None and len(rest) == 1 and rest[0][:1] not in ("/", "~", "-")
    return _TOOL if inside and rest and "://" not in rest[0] and ".." not in rest[0] else ""


_GH_READS: dict[str, frozenset[str]] = {
    "pr": words("view list diff checks status checkout"),
    "issue": words("view list status"),
    "run": words("list view watch"),
    "repo": words("view list"),
    "release": words("view list"),
    "workflow": words("list view"),
    "search": words("issues prs repos code commits"),
    "auth": words("status"),
    "label": words("list"),
    "cache": words("list"),
}


def _gh(args: Args) -> str:
    options = _Options(
        words(
            "--log --log-failed --comments --patch --name-only --required --paginate --exit-status "
            "--verbose -v --all -a --compact --include -i --slurp"
        ),
        words(
            "--json --jq -q --limit -L --state -s --label -l --repo -R --author --assignee --job "
            "-j --branch -b --workflow --template --search -S --head --base --interval --color "
            "--owner --created --event --user -u --order --sort"
        ),
    )
    rest = options.operands(args)
    if not rest or any("://" in arg or (arg.count("/") > 1 and arg != rest[-1]) for arg in args):
        return ""
    if rest[0] == "api":
        endpoint = rest[1] if len(rest) == 2 else ""
        reads = bool(
            re.fullmatch(r"/?(?:repos|orgs|users|search|user|gists)[/?][\w./?=&{}:+%-]*", endpoint)
        )
        return _ASKS if reads else ""
    return _ASKS if len(rest) > 1 and rest[1] in _GH_READS.get(rest[0], ()) else ""


def _kubectl(args: Args) -> str:
    options = _Options(
        words("-A --all-namespaces -f --follow --previous -w --watch --show-labels"),
        words("-n --namespace -o --output --tail -l --selector -c --container --since"),
    )
    rest = options.operands(args)
    if not rest or any("secret" in arg.lower() for arg in args):
        return ""
    if rest[0] == "config":
        return _ASKS if rest[1:] in (["current-context"], ["get-contexts"]) else ""
    return _ASKS if rest[0] in words("get logs describe top version explain") else ""


def _terraform(args: Args) -> str:
    return _TOOL if args[:1] in (("fmt",), ("validate",), ("version",)) else ""


_NPX = words(
    """
    tsc jest vitest eslint prettier playwright vite webpack mocha cypress tsx ts-node next astro
    rollup esbuild stylelint nyc c8 biome turbo nx lerna prisma svelte-check vue-tsc ava swc
    """
)


def _npx(args: Args) -> str:
    rest = [arg for arg in args if arg != "--no-install"]
    return _TOOL if rest and rest[0] in _NPX else ""


_SQL_ASKS = re.compile(
    r"(?is)\s*(?:(?:select|explain|show|with|table)\b[^;]*;?|\\(?:d\w*\+?|l\+?|conninfo))\s*"
)
_SQL_REACHES = re.compile(
    r"(?i)\b(?:pg_\w*(?:read|write|ls|stat_file|reload)|lo_\w+|dblink|copy|into|program)"
)


def _psql(args: Args) -> str:
    """One question to a database of this machine."""
    options = _Options(
        words(
            "-t -A -q -x -l -X -1 --tuples-only --no-align --quiet --expanded --list --no-psqlrc"
        ),
        words("-d -U -p -c --dbname --username --port --command"),
    )
    rest = options.operands(args)
    asked = [args[at + 1] for at, arg in enumerate(args[:-1]) if arg in ("-c", "--command")]
    if rest is None or len(rest) > 2 or any(arg.startswith(("--command=", "-c=")) for arg in args):
        return ""
    named = [word for word in args if "://" in word or "host" in word.lower() or "=" in word]
    plain = all(
        _SQL_ASKS.fullmatch(text) and not _SQL_REACHES.search(text) and UNKNOWN not in text
        for text in asked
    )
    listed = "-l" in args or "--list" in args
    return _LOCAL if plain and (asked or listed) and not set(named) - set(asked) else ""


def _openssl(args: Args) -> str:
    """Random numbers, digests and versions; nothing that listens, connects or loads."""
    options = _Options(
        words("-hex -base64 -r -a -sha1 -sha256 -sha384 -sha512 -md5 -binary"), words("")
    )
    rest = options.operands(args)
    return _TOOL if rest and rest[0] in ("rand", "dgst", "version", "sha256", "sha1", "md5") else ""


_USES: dict[str, Callable[[Args], str]] = {
    "psql": _psql,
    "openssl": _openssl,
    "curl": _curl,
    "wget": _wget,
    "nc": _nc,
    "ncat": _nc,
    "ping": _ping,
    "redis-cli": _redis,
    "docker": _docker,
    "podman": _docker,
    "docker-compose": _compose,
    "gh": _gh,
    "kubectl": _kubectl,
    "terraform": _terraform,
    "tofu": _terraform,
    "npx": _npx,
}

_NPM_DECLARED = words("ci install i")
_NPM_READS = words("outdated audit view info fund")
_NPM_FLAGS = re.compile(
    r"--(?:frozen-lockfile|immutable|no-audit|no-fund|prefer-offline|offline|silent|legacy-peer-deps"
    r"|ignore-scripts|production|omit=dev|include=dev|no-progress|force|all|json|depth=\d+)|-[sqDf]"
)


def package_use(name: str, args: Args) -> str:
    """What a package tool is asked: to install what is declared, to look up, or nothing known."""
    rest = [arg for arg in args if not arg.startswith("-")]
    flags = [arg for arg in args if arg.startswith("-")]
    verb = rest[0] if rest else ""
    if name in ("npm", "pnpm", "bun", "yarn"):
        plain = all(map(_NPM_FLAGS.fullmatch, flags))
        if verb in _NPM_READS and not (verb == "audit" and rest[1:2] == ["fix"]):
            return _ASKS
        declared = len(rest) == 1 and verb in _NPM_DECLARED
        return _DECLARED if plain and (declared or (name == "yarn" and not rest)) else ""
    if name in ("pip", "pip3"):
        return _pip(verb, args)
    if name == "uv" and rest[:2] == ["pip", "install"]:
        return _pip("install", args[1:])
    known = {
        "uv": words("sync lock tree"),
        "poetry": words("install lock check"),
        "pdm": words("install sync lock"),
        "bundle": words("install check"),
        "composer": words("install"),
        "cargo": words("fetch tree metadata"),
    }
    if name == "go":
        return _DECLARED if rest[:2] in (["mod", "download"], ["mod", "tidy"]) else ""
    quiet = all(
        re.fullmatch(
            r"--(?:frozen|locked|no-dev|all-extras|dev|quiet|no-root|no-interaction)|-q", f
        )
        for f in flags
    )
    return _DECLARED if quiet and len(rest) == 1 and verb in known.get(name, ()) else ""


_NPM_ADDS = words("install i add")
_NPM_SAVES = words("-D -E -O --save-dev --save-exact --save --save-optional --exact --dev")
_NPM_SPEC = re.compile(r"((?:@[a-z0-9][\w.-]*/)?[a-z0-9][\w.-]*)@(\d+\.\d+\.\d+(?:-[\w.]+)?)")
_PIP_SPEC = re.compile(r"([A-Za-z0-9][\w.-]*)==(\d[\w.]*)")
_PIP_FLAGS = words("-q --quiet --no-deps --upgrade -U --no-cache-dir -v")


def named_packages(name: str, args: Args) -> list[tuple[str, str]]:
    """Packages of the usual registry that a call installs, each by name and version.

    Nothing where it does more, or takes one of them from elsewhere: another registry, a link, a
    folder, an alias, whatever version is newest.
    """
    npm = name in ("npm", "pnpm", "bun", "yarn")
    if not npm and name not in ("pip", "pip3"):
        return []
    spec, adds = (_NPM_SPEC, _NPM_ADDS) if npm else (_PIP_SPEC, words("install"))
    if not args or args[0] not in adds:
        return []
    found: list[tuple[str, str]] = []
    for arg in args[1:]:
        if match := spec.fullmatch(arg):
            found.append((match[1], match[2]))
        elif not (arg in _NPM_SAVES or _NPM_FLAGS.fullmatch(arg) if npm else arg in _PIP_FLAGS):
            return []
    return found


def _pip(verb: str, args: Args) -> str:
    """``pip install`` of requirement files and of the project itself, and nothing by name."""
    options = _Options(
        words("-q --quiet --no-deps --upgrade -U --no-cache-dir --no-build-isolation -v"),
        words("-r --requirement -c --constraint -e --editable"),
    )
    rest = options.operands(args)
    if verb != "install" or rest is None:
        return ""
    own = re.compile(r"\.(?:\[[\w,. -]+\])?/?")
    edited = [args[at + 1] for at, arg in enumerate(args[:-1]) if arg in ("-e", "--editable")]
    return _DECLARED if all(map(own.fullmatch, [*rest[1:], *edited])) and len(args) > 1 else ""
