"""The one table of protected places, for every tool that names a path and for shell commands.

| place                                            | read  | write |
|--------------------------------------------------|-------|-------|
| state of Holdfast, managed settings of a machine | BLOCK | BLOCK |
| settings, policies and agents that govern        | HIGH  | HIGH  |
| keys and credentials                             | HIGH  | HIGH  |
| hooks and settings of Claude Code and of git     | HIGH  | HIGH  |
| start files of shells                            | HIGH  | HIGH  |
| what a machine says of itself and its accounts   | HIGH  | HIGH  |
| `.git` itself, and all in it                     |       | HIGH  |
| what else is run later by itself                 |       | HIGH  |

A place is a view: a path as `shell_paths.views` spells it, any home being `~`, and what lies in
the project relative to it. Case does not count: some file systems do not keep it. A glob counts
as every protected place that it could match, once it spells the beginning of the name.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

import msgspec

from holdfast.core.risk.path_patterns import below, below_any, has_name
from holdfast.core.risk.shell_paths import is_superusers, localised, normalise
from holdfast.core.risk.shell_rules import listed, words

# Patterns, part by part, in small letters; `~` is any home. A match on a leading part is one.
_SECRET_PATHS = listed(
    """
    /etc/shadow /etc/shadow- /etc/gshadow /etc/sudoers /etc/sudoers.d /etc/ssh/*key
    /etc/ssl/private /proc/*/environ /proc/*/mem /proc/kcore /run/secrets /var/run/secrets
    /run/docker.sock /var/run/docker.sock /etc/kubernetes /var/lib/kubelet /etc/krb5.keytab
    /etc/master.passwd ~/.ssh ~/.aws ~/.gnupg ~/.netrc ~/.docker ~/.kube ~/.azure
    ~/.config/gcloud ~/.config/gh ~/.git-credentials ~/.config/git/credentials ~/.npmrc
    ~/.pypirc ~/.password-store ~/.pgpass ~/.my.cnf ~/.bash_history ~/.zsh_history
    ~/.python_history ~/.local/share/keyrings ~/.mozilla ~/.config/google-chrome
    ~/.claude/.credentials.json ~/.claude.json ~/.vault-token ~/.terraform.d
    ~/.cargo/credentials* ~/.gem/credentials ~/.oci ~/.s3cfg ~/.boto ~/.xauthority
    ~/library/keychains
    """
)
_SECRET_NAMES = listed(
    """
    .env .env.* .envrc id_rsa* id_ed25519* id_ecdsa* id_dsa* *.pem *.p12 *.pfx *.kdbx *.keytab
    *.jks .netrc .git-credentials .pgpass .htpasswd .npmrc .pypirc service-account*.json
    credentials.json secrets.yaml secrets.yml secrets.json .vault-token .ssh .aws .gnupg
    """
)
_SECRET_EXEMPT = words(".env.example .env.sample .env.template .env.dist .envrc.example cacert.pem")
_SECRET_FOLDERS = words("/ ~ /etc /home /root /users /proc /run ~/* /* ~/.config")
# `.*` takes every hidden file, `.env` with them.
_HIDDEN_GLOB = re.compile(r"(?:^|/)\.(?:[*?]|\[[^\]\d])")
_STARTUP_PATHS = listed(
    """
    ~/.bashrc ~/.bash_profile ~/.bash_login ~/.bash_logout ~/.bash_aliases ~/.profile ~/.zshrc
    ~/.zshenv ~/.zprofile ~/.zlogin ~/.zlogout ~/.inputrc ~/.xprofile ~/.xinitrc ~/.pam_environment
    ~/.config/fish ~/.config/environment.d ~/.gitconfig ~/.config/git
    """
)
_STARTUP_NAMES = listed(
    """
    .bashrc .bash_profile .bash_login .bash_logout .bash_aliases .profile .zshrc .zshenv .zprofile
    .zlogin .gitconfig
    """
)
_HOOKS_AND_SETTINGS = listed(
    "*/.git/hooks */.git/config */.git/config.worktree */.git/modules/*/hooks "
    "*/.git/modules/*/config */.githooks */.husky */.claude/hooks */.claude/settings*.json"
)
_RUN_LATER_PATHS = listed(
    """
    ~/.vimrc ~/.vim ~/.config/nvim ~/.config/autostart ~/.config/systemd ~/.pythonrc ~/.local/bin
    ~/bin ~/.pip ~/.config/pip ~/.cargo/config* ~/.claude ~/library/launchagents
    """
)
_RUN_LATER_NAMES = listed(".envrc .mcp.json sitecustomize.py usercustomize.py")
# All of `.git`, itself too: whoever writes there decides what git runs, and what a commit is.
_RUN_LATER_PARTS = listed("*/.git */.claude")
# Files of a project that its editor and its remote run: a file tool may edit them as it may a
# Makefile, while a shell that writes them is asked.
_PROJECT_AUTOMATION = listed("*/.github/workflows */.vscode")
# What a machine says of itself, its accounts and its processes. Programs, libraries and what comes
# with them (`/usr`, `/opt`) are read by every build.
_SYSTEM_PATHS = listed(
    """
    /etc /proc /sys /boot /private/etc /var/log /var/lib /var/spool /var/mail /var/backups
    /private/var/log /private/var/db /root
    """
)
# Read by ordinary work, the same for everybody on the machine, and naming nobody.
_SYSTEM_READABLE = listed(
    """
    /etc/*-release /etc/debian_version /etc/issue /etc/timezone /etc/localtime /etc/locale.conf
    /etc/mime.types /etc/magic /etc/shells /etc/nsswitch.conf /etc/hosts /etc/resolv.conf
    /etc/services /etc/protocols /etc/ssl/certs /etc/ssl/openssl.cnf /etc/pki/tls/certs
    /etc/ca-certificates* /etc/alternatives /etc/fonts /etc/ld.so.conf* /etc/apt/sources.list*
    /private/etc/hosts /proc/cpuinfo /proc/meminfo /proc/version /proc/loadavg /proc/uptime
    /proc/stat /proc/filesystems /proc/self/status /proc/self/limits /proc/self/cgroup
    /proc/sys/kernel/osrelease /sys/fs/cgroup /sys/devices/system/cpu /root/.claude
    """
)
# Where a path that climbs is guessed to end: names that a project's own folders rarely have.
_CLIMBED_TO = listed("/etc /proc /root")
_STATE_PATHS = ("/etc/claude-code", "/library/application?support/claudecode", "/etc/holdfast")
_STATE_NAMES = (".holdfast",)
_RULE_NAMES = ("holdfast.yaml", "holdfast.yml", "*.cedar")
STATE_FILES = (
    "admin.token", "worker.token", "signing.key", "server.json", "holdfast.db", "holdfast.db-wal",
    "holdfast.db-shm", "holdfast.db-log-a", "holdfast.db-log-b", "holdfast.db.lock",
    "policyd.sock", "policy-inputs.json", "server.log", "sign-ins.json",
)  # fmt: skip
"""Names of what lies in a state folder; a running server's are held to it by a test."""
_GLOB = re.compile(r"[*?\[\0]")
_MIN_SPELLED = 2


class Governed(msgspec.Struct, frozen=True, kw_only=True):
    """What governs the sessions of a server, as views: relative to `folder`, and from the root.

    `folder` is the absolute path of the folder that holds the settings, empty where not known.
    `rules`: settings, policies, agents, and code that the server loads. `state`: its own state.
    """

    folder: str = ""
    rules: tuple[str, ...] = ("policies", "agents")
    state: tuple[str, ...] = ()


UNTOLD = Governed()


def governed(folder: str, rules: tuple[str, ...], state: str) -> Governed:
    """The places of a server from absolute paths; `rules` are files or folders."""

    def seen(path: str) -> tuple[str, ...]:
        return (normalise(localised(path, folder)).casefold(), normalise(path).casefold())

    return Governed(
        folder=folder,
        rules=tuple(dict.fromkeys(view for rule in rules for view in seen(rule))),
        state=tuple(dict.fromkeys(seen(state))),
    )


@lru_cache(maxsize=512)
def is_state(view: str, own: Governed = UNTOLD) -> bool:
    """Whether it is the state of Holdfast, or what a machine's owner set for all its users."""
    view = view.casefold()
    if ".holdfast" in view or has_name(view, _STATE_NAMES):
        return True
    if below_any(view, _STATE_PATHS):
        return True
    return any(_spelled(one, place) for place in own.state for one in (view, _climbed(view)))


@lru_cache(maxsize=512)
def is_rule(view: str, own: Governed = UNTOLD) -> bool:
    """Whether it is settings, policies, agents, or code that the server loads."""
    view = view.casefold()
    if has_name(view, _RULE_NAMES):
        return True
    return any(_spelled(one, rule) for rule in own.rules for one in (view, _climbed(view)))


@lru_cache(maxsize=512)
def is_secret(view: str) -> bool:
    """Whether it names credentials or keys."""
    view = view.casefold()
    kept = "/".join(part for part in view.split("/") if part not in _SECRET_EXEMPT)
    if has_name(kept, _SECRET_NAMES) or _HIDDEN_GLOB.search(view):
        return True
    return below_any(view, _SECRET_PATHS)


def holds_secrets(view: str) -> bool:
    """A folder so high that reading all of it reads secrets too."""
    return view.casefold() in _SECRET_FOLDERS


@lru_cache(maxsize=512)
def is_protected(view: str) -> bool:
    """Whether it is a hook or settings of Claude Code or of git, or a start file of a shell."""
    view = view.casefold()
    return (
        has_name(view, _STARTUP_NAMES)
        or below_any(view, _STARTUP_PATHS)
        or _has_parts(view, _HOOKS_AND_SETTINGS)
    )


@lru_cache(maxsize=512)
def is_run_later(view: str) -> bool:
    """Whether what is written there is run later by itself, what is protected included."""
    view = view.casefold()
    return (
        is_protected(view)
        or has_name(view, _RUN_LATER_NAMES)
        or below_any(view, _RUN_LATER_PATHS)
        or _has_parts(view, _RUN_LATER_PARTS)
    )


@lru_cache(maxsize=512)
def is_system_read(view: str, *, guessed: bool = False) -> bool:
    """Whether reading it tells of the machine, its accounts or its superuser.

    A `guessed` view is one of a path that climbs out of where nobody knows.
    """
    view = view.casefold()
    if not below_any(view, _CLIMBED_TO if guessed else _SYSTEM_PATHS):
        return False
    if below(view, "/root") and not is_superusers(view):
        return False
    return bool(_GLOB.search(view)) or not below_any(view, _SYSTEM_READABLE)


def is_automation(view: str) -> bool:
    """Whether the project's editor or remote runs it."""
    return _has_parts(view.casefold(), _PROJECT_AUTOMATION)


def _climbed(view: str) -> str:
    """What a path names that begins in a folder of the project below its own."""
    return re.sub(r"^(?:\.\./)+", "", view)


def _has_parts(view: str, patterns: tuple[str, ...]) -> bool:
    slashed = "/" + view + "/"
    return any(fnmatchcase(slashed, f"{parts}/*") for parts in patterns)


def _spelled(view: str, place: str) -> bool:
    """Whether it lies at or below a place; a glob only once it spells the beginning of a name."""
    parts = view.split("/")[: place.count("/") + 1]
    for part in parts:
        match = _GLOB.search(part)
        if match is not None and match.start() < _MIN_SPELLED:
            return False
    return below(view, place)


def covers_folder(views: Sequence[str], own: Governed, folder: str = "") -> bool:
    """Whether the project's folder lies at or below one of these: its state is in it."""
    above = [normalise(one).casefold() for one in (own.folder, folder) if one]
    return any(
        view in (".", "/", "~", "..", "./*")
        or view.startswith("../")
        or any(one == view or one.startswith(view.rstrip("/") + "/") for one in above)
        for view in map(str.casefold, views)
    )
