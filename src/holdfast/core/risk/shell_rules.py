"""The shell rules as data: what each finding is worth, and which programs and paths earn it.

A reader should be able to learn what is HIGH from this file alone. How a command is taken
apart and matched with these tables lives in the other ``shell_*`` modules.

``ShellRules`` is a value: a stricter or looser set is made with
``msgspec.structs.replace(DEFAULT_RULES, …)``.
"""

import msgspec

from holdfast.model.risk import RiskLevel


def listed(text: str) -> tuple[str, ...]:
    """A table written as one block of names, in order."""
    return tuple(text.split())


def words(text: str) -> frozenset[str]:
    """A table written as one block of names, as a set."""
    return frozenset(text.split())


LOW, MEDIUM, HIGH, BLOCK = RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH, RiskLevel.BLOCK

# code: (level, what to tell a person). Codes are stable; policies may name them.
FINDINGS: dict[str, tuple[RiskLevel, str]] = {
    # never
    "shell.system_delete": (BLOCK, "deletes the root, a home or a system tree"),
    "shell.makes_filesystem": (BLOCK, "formats or repartitions a disk"),
    "shell.raw_device_write": (BLOCK, "writes a raw device"),
    "shell.fork_bomb": (BLOCK, "a function starts copies of itself without end"),
    "shell.halts_machine": (BLOCK, "stops or restarts the machine"),
    "shell.touches_holdfast": (BLOCK, "reaches for the controls that govern this session"),
    # could not be known
    "shell.unparseable": (HIGH, "the command could not be parsed in full"),
    "shell.hidden_characters": (HIGH, "the command holds control, bidi or invisible characters"),
    "shell.dynamic_program": (HIGH, "the program to run is only known when it runs"),
    "shell.dynamic_code": (HIGH, "code to run is put together only when it runs"),
    "shell.code_from_stdin": (HIGH, "an interpreter runs what it reads from its input"),
    "shell.download_to_shell": (HIGH, "what is downloaded is run"),
    "shell.decoded_to_shell": (HIGH, "what is decoded is run"),
    "shell.interpreter_code": (HIGH, "runs code of another language given in the command"),
    "shell.unaccounted": (HIGH, "holds a construct that nothing here accounts for"),
    "shell.evaluated": (HIGH, "bash evaluates a value there that is only known when it runs"),
    "shell.option_runs": (HIGH, "an option makes a known program run or load something else"),
    "shell.unaccounted_option": (
        HIGH,
        "an option or verb that nothing here accounts for, of a program that can run or write",
    ),
    "shell.unknown_reach": (
        HIGH,
        "a program nobody here knows is given code, a host or a place outside the project",
    ),
    # damage
    "shell.recursive_delete": (HIGH, "deletes recursively or by force"),
    "shell.loose_permissions": (HIGH, "gives everybody write access, or sets an id bit"),
    "shell.system_ownership": (HIGH, "changes owner or mode of a system path"),
    "shell.system_write": (HIGH, "writes or deletes under a system path"),
    "shell.outside_write": (HIGH, "writes or deletes outside the project's folder"),
    "shell.outside_run": (HIGH, "runs code that lies outside the project's folder"),
    "shell.startup_write": (HIGH, "writes a file that is run later by itself"),
    "shell.secret_write": (HIGH, "writes a credential or key file"),
    "shell.discards_work": (HIGH, "throws uncommitted or published work away"),
    "shell.kills_processes": (HIGH, "ends processes it may not have started"),
    "shell.history_tampering": (HIGH, "alters or silences the command history"),
    # authority
    "shell.superuser": (HIGH, "runs as another user"),
    "shell.superuser_path": (HIGH, "reaches into the superuser's files"),
    "shell.system_read": (HIGH, "reads what the machine says of itself, its accounts or processes"),
    "shell.isolation": (HIGH, "changes or leaves the isolation it runs in"),
    "shell.system_control": (HIGH, "changes services, schedules, mounts, users or the network"),
    "shell.loader_variable": (HIGH, "sets a variable that decides which code is run"),
    "shell.touches_rules": (HIGH, "reaches for settings, policies or agents that govern it"),
    "shell.protected_read": (HIGH, "reads hooks, settings or start files"),
    # secrets and the outside
    "shell.secret_read": (HIGH, "reads credentials or keys"),
    "shell.environment_read": (HIGH, "shows environment variables, where secrets live"),
    "shell.network": (HIGH, "talks to another machine"),
    "shell.opens_port": (HIGH, "listens for other machines"),
    "shell.publishes": (HIGH, "publishes to another machine"),
    "shell.package_install": (HIGH, "installs or runs packages from outside"),
    "shell.named_install": (HIGH, "installs a package from outside, by its name and version"),
    "shell.container": (HIGH, "drives containers or a cluster"),
    # ordinary work
    "shell.file_write": (MEDIUM, "writes a file"),
    "shell.file_delete": (MEDIUM, "deletes a named file"),
    "shell.dynamic_path": (MEDIUM, "reads or writes a path only known when it runs"),
    "shell.runs_script": (MEDIUM, "runs a script or program of the project"),
    "shell.inline_code": (MEDIUM, "runs a few lines of code, read and found plain"),
    "shell.declared_install": (MEDIUM, "installs what the project's own files declare"),
    "shell.local_service": (MEDIUM, "talks to a service on this machine"),
    "shell.remote_read": (MEDIUM, "asks the project's remote, containers or cluster"),
    "shell.build_tool": (MEDIUM, "runs a build, test or package tool"),
    "shell.git_change": (MEDIUM, "changes the repository"),
    "shell.session_change": (MEDIUM, "changes how later commands behave"),
    "shell.kill_one": (MEDIUM, "signals a process"),
    "shell.unknown_program": (MEDIUM, "the program is not in the table"),
}

SAFE = words(
    """
    ls cat grep egrep fgrep rg head tail wc echo printf pwd date sort uniq cut tr paste column
    nl fold rev tac od hexdump xxd strings md5sum sha1sum sha224sum sha256sum sha384sum
    sha512sum cksum b2sum sum comm join diff cmp basename dirname realpath readlink seq expr
    true false : sleep test [ uname whoami id groups uptime df du free ps pgrep tree jq stat
    file which type cd pushd popd dirs find fd less more base64 base32 zcat bzcat xzcat zgrep
    awk gawk mawk nawk sed wait jobs exit return break continue shift local declare typeset
    export readonly unset read let hostname arch nproc tty locale cal factor numfmt tsort expand
    unexpand fmt pr shuf getconf dir vdir logname users command env set mapfile readarray
    getopts times hash help hexyl bat lsof ss bc
    """
)


def _table(groups: dict[str, str]) -> dict[str, str]:
    return {name: code for code, names in groups.items() for name in names.split()}


# program: the finding that merely running it earns
PROGRAMS: dict[str, str] = _table(
    {
        "shell.halts_machine": "shutdown reboot halt poweroff kexec",
        "shell.makes_filesystem": """
            mkfs mke2fs mkswap mkdosfs mkntfs newfs fdisk sfdisk cfdisk gdisk sgdisk parted wipefs
            blkdiscard hdparm cryptsetup pvcreate pvremove vgremove lvremove
        """,
        "shell.superuser": """
            sudo sudoedit doas su pkexec runuser gosu su-exec sg newgrp run0 setpriv calife visudo
        """,
        "shell.isolation": """
            setsid daemonize start-stop-daemon
            chroot nsenter unshare bwrap firejail capsh setcap systemd-run systemd-nspawn
            setenforce aa-disable aa-teardown
        """,
        "shell.system_control": """
            crontab at batch systemctl service initctl rc-service launchctl iptables ip6tables nft
            ufw firewall-cmd mount umount swapon swapoff losetup modprobe insmod rmmod sysctl
            useradd userdel usermod groupadd groupdel adduser deluser passwd chpasswd chsh chfn
            vipw hostnamectl timedatectl ip ifconfig route tc update-alternatives ldconfig
            update-rc.d dmsetup chattr ethtool sysrc defaults csrutil spctl nvram bcdedit reg
            loginctl
        """,
        "shell.network": """
            curl wget nc ncat netcat socat ssh scp sftp rsync ftp tftp lftp telnet aria2c axel
            http https xh httpie ping dig nslookup host traceroute nmap masscan tcpdump w3m lynx
            links elinks openssl ssh-copy-id sshfs autossh mosh websocat ngrok cloudflared rclone
            xdg-open open gio dropdb dropuser createdb createuser pg_dump pg_restore mysqldump
            mail sendmail mutt smbclient ldapsearch psql mysql mongo mongosh redis-cli whois croc
            magic-wormhole
        """,
        "shell.publishes": """
            gh glab hub aws gcloud az gsutil s3cmd doctl heroku vercel netlify fly flyctl wrangler
            terraform tofu pulumi ansible ansible-playbook twine
        """,
        "shell.package_install": """
            pipx apt apt-get aptitude dpkg yum dnf rpm zypper pacman apk brew snap flatpak port
            nix nix-env nix-shell gem cpan cpanm luarocks conda mamba micromamba easy_install npx
            bunx pnpx uvx corepack nvm rustup asdf
        """,
        "shell.container": """
            docker podman nerdctl kubectl helm oc crictl ctr lxc lxd-client buildah docker-compose
            vagrant virsh qemu-system-x86_64 minikube k3s
        """,
        "shell.environment_read": "printenv",
        "shell.secret_read": """
            pass gpg gpg2 ssh-add ssh-keygen secret-tool security vault op bw keyctl getent
            unshadow john hashcat
        """,
        "shell.kills_processes": "pkill killall killall5 skill xkill fuser",
        "shell.history_tampering": "history fc",
        "shell.interpreter_code": "gdb lldb expect",
        "shell.kill_one": "kill",
        "shell.session_change": """
            alias unalias shopt trap umask ulimit enable disown bind complete fg bg suspend renice
            logger script tmux screen
        """,
        "shell.build_tool": """
            make gmake cmake ninja meson gradle gradlew mvn gcc g++ cc c++
            clang clang++ ld as ar go cargo rustc javac java kotlinc dotnet tsc webpack vite pip
            pip2 pip3 jest vitest mocha pytest tox nox mypy ruff black isort flake8 pylint eslint
            prettier pre-commit npm yarn pnpm bun uv poetry hatch pdm rake bundle mix
            swift zig playwright uvicorn gunicorn hypercorn flask django-admin alembic coverage
            bandit golangci-lint gofmt goimports clang-format clang-tidy shellcheck hadolint ctest
            composer mvnw phpunit rspec rails ts-node tsx nyc biome
            rustfmt staticcheck buf protoc sphinx-build mkdocs pyright pip-compile hyperfine
        """,
        "shell.file_write": """
            mkdir touch cp mv ln install tee truncate dd rename mktemp patch tar zip unzip gzip
            gunzip bzip2 bunzip2 xz unxz zstd 7z split csplit sponge ed ex vi vim nvim nano emacs
            code chmod chown chgrp setfacl sqlite3 mkfifo mknod cpio
        """,
        "shell.file_delete": "rm rmdir unlink",
        "shell.recursive_delete": "shred srm wipe",
        "shell.git_change": "svn hg jj",
    }
)

GIT_READS = words(
    """
    status log diff show rev-parse ls-files ls-tree blame shortlog describe cat-file rev-list
    name-rev merge-base for-each-ref show-ref grep whatchanged version help count-objects
    diff-tree diff-index check-ignore
    """
)
GIT_REMOTE = words(
    """
    push fetch pull clone ls-remote send-email svn remote submodule lfs request-pull
    """
)

DOWNLOADERS = words(
    """
    curl wget nc ncat netcat socat aria2c axel http https xh httpie ftp tftp lftp scp sftp ssh
    rsync dig lynx w3m links openssl telnet gh aws gsutil rclone
    """
)
DECODERS = words("base64 base32 xxd openssl uudecode gpg gunzip zcat bzcat xzcat unxz rev tr")
SHELLS = words("sh bash dash zsh ksh mksh ash fish rbash yash csh tcsh pwsh powershell")
INTERPRETERS = words(
    """
    python python2 python3 pypy pypy3 ipython perl perl5 ruby irb node nodejs deno php lua
    luajit tclsh wish Rscript osascript groovy jshell guile racket sbcl julia elixir ghci runghc
    m4
    """
)
# Options of an interpreter after which code stands on the command line.

LOADER_VARIABLES = words(
    """
    PATH LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES DYLD_LIBRARY_PATH BASH_ENV
    ENV PROMPT_COMMAND PS4 IFS PYTHONSTARTUP PYTHONHOME PERL5OPT PERL5DB RUBYOPT NODE_OPTIONS
    JAVA_TOOL_OPTIONS GIT_SSH GIT_SSH_COMMAND GIT_EXTERNAL_DIFF GIT_PAGER GIT_EDITOR
    GIT_SEQUENCE_EDITOR GIT_ASKPASS GIT_PROXY_COMMAND GIT_EXEC_PATH GIT_CONFIG_COUNT
    GIT_CONFIG_GLOBAL PAGER MANPAGER EDITOR VISUAL LESSOPEN LESSCLOSE BROWSER SHELL HOME
    CDPATH GLOBIGNORE SHELLOPTS BASHOPTS ANTHROPIC_BASE_URL ANTHROPIC_API_KEY
    ANTHROPIC_AUTH_TOKEN HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy SSH_ASKPASS
    SUDO_ASKPASS RUSTC_WRAPPER
    """
)
# Common in projects; they steer a tool that is MEDIUM already.
PROJECT_VARIABLES = words("PYTHONPATH NODE_PATH RUBYLIB PERL5LIB CC CXX MAKEFLAGS")
HISTORY_VARIABLES = words("HISTFILE HISTSIZE HISTFILESIZE HISTCONTROL HISTIGNORE")
SECRET_WORDS = (
    "SECRET",
    "TOKEN",
    "PASSW",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "CREDENTIAL",
)

SYSTEM_TREES = listed(
    """
    /etc /usr /bin /sbin /lib /lib32 /lib64 /libx32 /boot /dev /sys /proc /root /var /opt /run
    /srv /System /Library /Applications /private /nix /snap
    """
)
# Where anybody may write although it lies below a system tree.
OPEN_PATHS = listed(
    "/tmp /var/tmp /dev/shm /private/tmp /private/var/tmp /var/folders"  # noqa: S108 - judged, not used
)
HARMLESS_DEVICES = words(
    """
    /dev/null /dev/zero /dev/stdin /dev/stdout /dev/stderr /dev/tty /dev/full /dev/random
    /dev/urandom
    """
)
RAW_DEVICES = listed(
    """
    sd hd vd xvd nvme mmcblk disk rdisk dm- md loop sr mapper mem kmem port mtd zram nbd
    """
)
# Deleting one of these, or everything in it, is beyond repair.
DELETE_BLOCKED = (
    "/", "~", "/home", "/Users", "/mnt", "/media",
    *SYSTEM_TREES, "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local", "/usr/share",
    "/var/lib", "/var/log", "/var/spool",
)  # fmt: skip


class ShellRules(msgspec.Struct, frozen=True):
    """The tables one classification uses. Levels by finding code, findings by program name."""

    findings: dict[str, tuple[RiskLevel, str]]
    programs: dict[str, str]
    safe: frozenset[str]
    max_bytes: int = 64 * 1024
    max_depth: int = 48
    max_steps: int = 40_000


DEFAULT_RULES = ShellRules(findings=FINDINGS, programs=PROGRAMS, safe=SAFE)
